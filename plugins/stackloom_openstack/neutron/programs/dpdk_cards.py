"""Give network cards to the driver through which DPDK reaches them: an init container of Open vSwitch with DPDK.

Arguments: the driver, and the PCI addresses of the cards. One that has the driver already is left alone.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from program import Failure, run, say

PCI = Path("/sys/bus/pci")


def load(driver: str) -> None:
    """Load the driver's module; one that is built into the kernel has none, so whether it worked is seen when a card is given."""
    subprocess.run(["modprobe", driver], capture_output=True, check=False)  # noqa: S603, S607


def give(card: str, driver: str, pci: Path = PCI) -> None:
    """Give a card to the driver."""
    device = pci / "devices" / card
    if not device.exists():
        raise Failure(f"this node has no PCI device {card}")
    if current(device) == driver:
        return
    if not (pci / "drivers" / driver).exists():
        raise Failure(f"the node's kernel has no driver {driver}")
    (device / "driver_override").write_text(driver, encoding="ascii")
    if (device / "driver").exists():
        (device / "driver" / "unbind").write_text(card, encoding="ascii")
    (pci / "drivers_probe").write_text(card, encoding="ascii")
    if current(device) != driver:
        raise Failure(f"the kernel did not give {card} to {driver}: its log says why (for vfio-pci, an IOMMU must be on)")
    say(f"gave {card} to {driver}")


def current(device: Path) -> str:
    """The driver that has the device, "" where none has."""
    return (device / "driver").resolve().name if (device / "driver").exists() else ""


def main(arguments: list[str]) -> None:
    """Give each card."""
    if len(arguments) < 2:
        raise Failure("usage: dpdk_cards.py DRIVER CARD...")
    driver, *cards = arguments
    load(driver)
    for card in cards:
        give(card, driver)


if __name__ == "__main__":
    run(main)
