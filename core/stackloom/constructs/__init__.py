"""The vocabulary in which services are built, on cdk8s. Importing this package starts Node.js; nothing below it does."""

from __future__ import annotations

from stackloom.constructs.node import choose_node

choose_node()
