"""The vocabulary in which services are built, on cdk8s. Importing this package starts Node.js; nothing below it does."""

from __future__ import annotations

from stackloom.constructs.node import choose_node
from stackloom.errors import StackloomError

try:
    choose_node()
except StackloomError as error:
    # Importing the bindings starts Node.js, so whoever imports this can do nothing without it: end with the message.
    message = f"error: {error}"
    raise SystemExit(message) from None
