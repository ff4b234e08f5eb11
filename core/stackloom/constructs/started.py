"""Chooses the Node.js that runs cdk8s: to be imported before cdk8s, whose import starts it."""

from __future__ import annotations

from stackloom.constructs.node import choose_node
from stackloom.errors import StackloomError

try:
    choose_node()
except StackloomError as error:
    # Whoever imports this can do nothing without it: end with the message.
    message = f"error: {error}"
    raise SystemExit(message) from None
