"""The processes that a MariaDB server consists of: how they are started, waited for and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

from program import Failure, say


class Stopping(Exception):
    """The container is to end."""


class Patience:
    """Waits for time to pass, and is woken by what must not wait: the container's end, and that of a process.

    ``beat`` is called whenever a wait begins: as long as that goes on, this program does not hang.
    """

    def __init__(self, beat: Callable[[], None]) -> None:
        self.beat = beat
        self._woken: SimpleQueue[None] = SimpleQueue()  # the only one that a signal's handler may write to at any time
        self._ending = False

    def listen(self) -> None:
        """Take the container's end from the signal that announces it."""
        signal.signal(signal.SIGTERM, self._end)

    def _end(self, *_: object) -> None:
        self._ending = True
        self._woken.put(None)

    def attend(self, process: subprocess.Popen[bytes], ended: Callable[[], None] = lambda: None) -> None:
        """Wake up when this process ends, and call ``ended``, from another thread and even before that."""

        def wait() -> None:
            process.wait()
            ended()
            self._woken.put(None)

        threading.Thread(target=wait, daemon=True).start()

    def pause(self, seconds: float) -> None:
        """Wait for so long, or until there is something to look at. Raises Stopping when the container is to end."""
        self.beat()
        if not self._ending:
            with suppress(Empty):
                self._woken.get(timeout=seconds)
        if self._ending:
            raise Stopping


class Programs:
    """MariaDB and what belongs to it, in a container with the directory ``run`` for sockets, configuration and logs."""

    def __init__(self, run: Path, patience: Patience) -> None:
        self._run = run
        self._patience = patience

    def mariadbd(self, *arguments: str) -> list[str]:
        """The command that runs MariaDB."""
        return ["mariadbd", f"--defaults-file={self._run / 'mariadbd.cnf'}", *arguments]

    def start(self, *arguments: str, ended: Callable[[], None]) -> subprocess.Popen[bytes]:
        """Start MariaDB, in a session of its own, so that what it starts to copy data can be ended with it.

        ``ended`` is called at once when it ends, from another thread.
        """
        process = subprocess.Popen(self.mariadbd(*arguments), stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
        self._patience.attend(process, ended)
        return process

    def stop(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        """Ask it to end, and kill it when it has not after so long. It loses nothing that was confirmed."""
        process.terminate()
        deadline = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < deadline:
            self._patience.beat()
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
        if process.poll() is None:
            say(f"killing MariaDB, which has not ended within {seconds:g} seconds")
            end(process)
            process.wait()

    def run(self, command: Sequence[str]) -> str:
        """What a command says that takes its time. Raises Failure when it fails, Stopping when the container is to end."""
        log = self._run / f"{Path(command[0]).name}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
            )
        self._patience.attend(process)
        try:
            while process.poll() is None:
                self._patience.pause(1.0)
        finally:
            end(process)
        text = log.read_text(encoding="utf-8", errors="replace")
        if process.returncode != 0:
            last = "; ".join(text.strip().splitlines()[-3:])
            raise Failure(f"{command[0]} ended with {process.returncode}: {last}")
        return text


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill whatever runs in the session of this process."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
