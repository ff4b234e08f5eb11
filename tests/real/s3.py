"""Requests to S3, signed as its clients sign them (Signature Version 4)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

import requests

REGION = "default"


@dataclass(frozen=True)
class S3:
    """An object store at ``url``, for whoever has these keys; ``authority`` is the file of who signed its certificate."""

    url: str
    access: str
    secret: str = field(repr=False)
    authority: str

    def ask(self, method: str, path: str, body: bytes = b"") -> requests.Response:
        """The answer to a request, whatever it is; ``path`` is ``/bucket/key``, in which nothing need be quoted."""
        now, digest = datetime.now(UTC), hashlib.sha256(body).hexdigest()
        time = now.strftime("%Y%m%dT%H%M%SZ")
        headers = {"host": urlsplit(self.url).netloc, "x-amz-content-sha256": digest, "x-amz-date": time}
        signed = ";".join(sorted(headers))
        lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
        request = "\n".join([method, path, "", *lines, "", signed, digest])
        scope = f"{now:%Y%m%d}/{REGION}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", time, scope, hashlib.sha256(request.encode()).hexdigest()])
        credential, signature = f"{self.access}/{scope}", _signature(self.secret, scope, text)
        headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={signature}"
        return requests.request(method, self.url + path, data=body, headers=headers, verify=self.authority, timeout=60)


def _signature(secret: str, scope: str, text: str) -> str:
    key = f"AWS4{secret}".encode()
    for word in scope.split("/"):
        key = hmac.digest(key, word.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()
