"""Ways to the Kubernetes API on which things go wrong."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.real.servers import LOOPBACK, free_port


class Road:
    """A way to the API over ``port`` of loopback that can be cut, or swallow what is sent on it."""

    def __init__(self, to: int) -> None:
        self.port = free_port()
        self._to = to
        self._open = True
        self._flows = threading.Event()
        self._flows.set()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server((LOOPBACK, self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Connections end, and new ones end at once."""
        self._open = False
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        yield
        self._open = True

    @contextmanager
    def mute(self) -> Iterator[None]:
        """Connections stay, and nothing that is sent on them arrives until the end."""
        self._flows.clear()
        yield
        self._flows.set()

    def close(self) -> None:
        """End it."""
        with self.cut():
            self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._open:
                    near.close()
                    continue
                far = socket.create_connection((LOOPBACK, self._to))
                self._sockets = [one for one in self._sockets if one.fileno() >= 0] + [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
