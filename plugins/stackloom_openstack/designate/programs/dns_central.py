"""Run designate-central, and have it hold its locks in the process that needs them.

In 2026.1 it listens to its bus, and makes another process of itself, which alone enters etcd. So what is done for whoever asks is
done under locks that no other replica sees, and two of them may change a zone at once. Here the one that listens enters as well.
It changes nothing in releases where one process does both.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def entered(listen: Callable[[Any], None]) -> Callable[[Any], None]:
    """What begins to listen, once locks can be taken."""

    @functools.wraps(listen)
    def act(self: Any) -> None:
        if not self.coordination.started:
            self.coordination.start()
        listen(self)

    return act


def main() -> None:
    """Become designate-central."""
    # First of all: it chooses how oslo.service makes processes and threads.
    from designate.cmd import central  # type: ignore[import-not-found]  # noqa: PLC0415

    service = central.central_service.Service
    if hasattr(service, "init_host"):
        service.init_host = entered(service.init_host)
    central.main()


if __name__ == "__main__":
    main()
