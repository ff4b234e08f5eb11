"""Names that Kubernetes accepts, and short hashes that stay the same on every machine."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

LABEL_PREFIX = "stackloom.io"
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def is_dns_label(name: str) -> bool:
    """RFC 1123 label: what Services, containers, ports of more than a number and namespaces may be called."""
    return _DNS_LABEL.fullmatch(name) is not None


def is_dns_subdomain(name: str) -> bool:
    """RFC 1123 subdomain of at most 253 characters: what most objects may be called, and a host name."""
    return len(name) <= 253 and _DNS_SUBDOMAIN.fullmatch(name) is not None


def content_hash(value: Any, length: int = 10) -> str:
    """The first ``length`` hexadecimal digits of the SHA-256 of ``value`` written as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def slug(text: str, limit: int = 40) -> str:
    """``text`` as a DNS label: readable where it can be, with a hash of the whole where something was lost."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if plain == text and len(plain) <= limit:
        return plain
    return f"{plain[:limit].strip('-')}-{content_hash(text, 6)}".strip("-")
