"""PEM certificates, as far as the standard library can tell a good one from a bad one."""

from __future__ import annotations

import binascii
import re
import ssl
from typing import Annotated

from pydantic import AfterValidator

from stackloom.fields import refuse

_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----\s.*?-----END \1-----", re.DOTALL)
_HINT = "Give the whole of a PEM file, or refer to a Secret with value_from"


def _certificate(text: str) -> str:
    blocks = list(_BLOCK.finditer(text))
    if any("PRIVATE KEY" in block[1] for block in blocks):
        refuse(
            "a private key stands beside the certificate: it would be readable in Git",
            "Put the key into a Secret and refer to it in api_key",
        )
    if not blocks or _BLOCK.sub("", text).strip():
        refuse("this is not a certificate in PEM format", _HINT)
    for block in blocks:
        if block[1] != "CERTIFICATE" or not _is_der_sequence(block[0]):
            refuse("the certificate's content is damaged", _HINT)
    return text


def _is_der_sequence(pem: str) -> bool:
    """Whether the Base64 holds one whole ASN.1 SEQUENCE, which every certificate is."""
    try:
        der = ssl.PEM_cert_to_DER_cert(pem.strip())
    except (ValueError, binascii.Error):
        return False
    if len(der) < 4 or der[0] != 0x30:
        return False
    count = der[1] & 0x7F if der[1] & 0x80 else 0
    length = int.from_bytes(der[2 : 2 + count], "big") if count else der[1]
    return len(der) == 2 + count + length


Certificate = Annotated[str, AfterValidator(_certificate)]
"""One or more X.509 certificates in PEM format."""
