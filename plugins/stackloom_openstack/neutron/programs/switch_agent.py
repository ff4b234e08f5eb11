"""Run Neutron's agent of Open vSwitch, and keep its threads in order.

When a bridge connects, os-ken tells two of its parts at once, each of which has a thread. One sets the bridge's number; the other
expects it to be set, and where it comes first, its thread ends without a word. The agent then waits for that bridge for ever:
mostly on nodes with much to do. Here the second waits for the first. It changes nothing where os-ken is mended.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

PATIENCE_SECONDS = 10.0


def numbered(handler: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """The handler of new bridges, once the bridge has its number."""

    @functools.wraps(handler)  # with what os-ken has noted on it: for which events it is
    def wait(self: Any, event: Any) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while event.msg.datapath.id is None and time.monotonic() < until:
            time.sleep(0.005)
        handler(self, event)

    return wait


def main() -> None:
    """Become the agent, which reads the rest of the command line."""
    from neutron.cmd.agents import ovs_neutron_agent  # type: ignore[import-not-found]  # noqa: PLC0415
    from os_ken.app.ofctl.service import OfctlService  # type: ignore[import-not-found]  # noqa: PLC0415

    OfctlService._switch_features_handler = numbered(OfctlService._switch_features_handler)  # noqa: SLF001
    ovs_neutron_agent.main()


if __name__ == "__main__":
    main()
