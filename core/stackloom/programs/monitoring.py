"""How a program that runs for ever is watched: figures that Prometheus reads, and pages for the kubelet's probes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Labels = tuple[tuple[str, str], ...]
Page = Callable[[], tuple[HTTPStatus, str]]

TIMEOUT_SECONDS = 5


@dataclass
class Metrics:
    """The figures that ``meanings`` names and explains. Those that end in ``_total``, ``_sum`` or ``_count`` only rise.

    Any thread may use it.
    """

    meanings: Mapping[str, str]
    _values: dict[str, dict[Labels, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def set(self, name: str, value: float) -> None:
        """Make the figure this value."""
        with self._lock:
            self._of(name)[()] = value

    def set_all(self, name: str, label: str, values: Mapping[str, float]) -> None:
        """Make the figure these values, one for each value of the label, and forget others that it had."""
        with self._lock:
            figures = self._of(name)
            figures.clear()
            figures.update({((label, key),): value for key, value in values.items()})

    def add(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Raise the figure by this value."""
        with self._lock:
            figures, key = self._of(name), tuple(sorted(labels.items()))
            figures[key] = figures.get(key, 0.0) + value

    def text(self) -> str:
        """All figures, in Prometheus's text format."""
        lines: list[str] = []
        with self._lock:
            for name, figures in sorted(self._values.items()):
                kind = "counter" if name.endswith(("_total", "_sum", "_count")) else "gauge"
                lines += [f"# HELP {name} {self.meanings[name]}", f"# TYPE {name} {kind}"]
                for labels, value in sorted(figures.items()):
                    of = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
                    lines.append(f"{name}{{{of}}} {value:.10g}" if of else f"{name} {value:.10g}")
        return "\n".join(lines) + "\n"

    def _of(self, name: str) -> dict[Labels, float]:
        if name not in self.meanings:
            raise KeyError(name)
        return self._values.setdefault(name, {})


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def serve(port: int, pages: Mapping[str, Page]) -> None:
    """Answer GET requests for these paths with plain text, from threads of its own, until the process ends."""

    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_SECONDS

        def do_GET(self) -> None:
            page = pages.get(self.path)
            status, text = page() if page else (HTTPStatus.NOT_FOUND, f"there are {', '.join(pages)}\n")
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # whoever asked has gone

    threading.Thread(target=Server(("", port), Handler).serve_forever, daemon=True).start()
