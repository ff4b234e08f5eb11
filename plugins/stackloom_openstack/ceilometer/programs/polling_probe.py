"""Whether an agent that polls answers: ``polling_probe.py SOCKET``, the probe of what may have nothing to poll.

Such an agent talks to nobody while there is nothing to measure. On its socket it says when it polled what: one line each.
"""

from __future__ import annotations

import socket
import sys

from program import say

SECONDS = 10.0


def main(path: str) -> int:
    """The exit status: 0 for yes."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
            agent.settimeout(SECONDS)
            agent.connect(path)
            while agent.recv(65536):  # to the end: an agent that is cut short does not answer again
                pass
    except OSError as error:
        say(f"{path}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
