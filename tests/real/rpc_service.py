"""A service that talks to itself over its bus, through oslo.messaging: ``rpc_service.py CONFIGURATION URL``.

It says that it serves. Then, for each line that it reads, it asks itself to double the number in it, tells all of its processes,
notifies others, and says the answer. It runs in an environment of OpenStack, and so imports nothing of the tests.
"""

from __future__ import annotations

import sys

import oslo_messaging  # type: ignore[import-not-found, unused-ignore]
from oslo_config import cfg  # type: ignore[import-not-found, unused-ignore]


class Endpoint:
    """What others may ask of it."""

    def double(self, _context: dict[str, str], number: int) -> int:
        """Twice the number."""
        return 2 * number

    def hear(self, _context: dict[str, str], number: int) -> None:
        """Take notice."""


def say(what: object) -> None:
    """Write a line, at once."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main(configuration: str, url: str) -> None:
    """Serve and ask until the input ends."""
    cfg.CONF([], project="tests", default_config_files=[configuration])
    transport = oslo_messaging.get_rpc_transport(cfg.CONF, url=url)
    server = oslo_messaging.get_rpc_server(transport, oslo_messaging.Target(topic="conductor", server="one"), [Endpoint()])
    server.start()
    client = oslo_messaging.get_rpc_client(transport, oslo_messaging.Target(topic="conductor"), timeout=60)
    notices = oslo_messaging.get_notification_transport(cfg.CONF, url=url)
    notifier = oslo_messaging.Notifier(notices, "conductor", driver="messagingv2", topics=["notifications"])
    say("serving")
    for line in sys.stdin:
        number = int(line)
        client.prepare(fanout=True).cast({}, "hear", number=number)
        notifier.info({}, "conductor.asked", {"number": number})
        say(client.call({}, "double", number=number))


if __name__ == "__main__":
    main(*sys.argv[1:])
