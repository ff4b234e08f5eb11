"""Tests against real parts: a Kubernetes API, databases, services. They skip with the reason where the part is absent."""

from __future__ import annotations
