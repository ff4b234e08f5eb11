"""What runs on nodes for Neutron and Open vSwitch, against files like those that the kernel shows there."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
# A program imports its neighbours, and those of the core, by their bare names.
DIRECTORIES = ("core/stackloom/programs", "plugins/stackloom_openstack/neutron/programs")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a program as it is imported in the cluster."""
    for directory in DIRECTORIES:
        monkeypatch.syspath_prepend(str(ROOT / directory))
    return importlib.import_module


@pytest.fixture
def failure(program: Any) -> Any:
    return program("program").Failure


def card(net: Path, *, most: int, present: int = 0) -> Path:
    folder = net / "ens7" / "device"
    folder.mkdir(parents=True)
    (folder / "sriov_totalvfs").write_text(f"{most}\n")
    (folder / "sriov_numvfs").write_text(f"{present}\n")
    return folder


def test_functions_are_made_of_a_card_that_has_none(program: Any, tmp_path: Path):
    folder = card(tmp_path, most=8)
    program("virtual_functions").make_functions("ens7", 4, tmp_path)
    assert (folder / "sriov_numvfs").read_text() == "4"


def test_a_card_that_has_as_many_is_left_alone(program: Any, tmp_path: Path):
    folder = card(tmp_path, most=8, present=4)
    program("virtual_functions").make_functions("ens7", 4, tmp_path)
    assert (folder / "sriov_numvfs").read_text() == "4\n"


@pytest.mark.parametrize(
    ("most", "present", "said"), [(8, 2, "which servers may use"), (2, 0, "at most 2"), (8, 8, "move the servers away")]
)
def test_functions_that_servers_may_have_are_not_taken(program: Any, tmp_path: Path, most: int, present: int, said: str):
    folder = card(tmp_path, most=most, present=present)
    with pytest.raises(program("program").Failure, match=said):
        program("virtual_functions").make_functions("ens7", 4, tmp_path)
    assert (folder / "sriov_numvfs").read_text() == f"{present}\n"


def test_an_interface_that_is_not_there_is_named(program: Any, failure: Any, tmp_path: Path):
    with pytest.raises(failure, match="no interface ens9"):
        program("virtual_functions").make_functions("ens9", 4, tmp_path)


def pci(root: Path, driver: str) -> Path:
    """A device with a driver, and vfio-pci beside it."""
    for name in (driver, "vfio-pci"):
        (root / "drivers" / name).mkdir(parents=True)
    device = root / "devices" / "0000:05:00.0"
    device.mkdir(parents=True)
    (device / "driver").symlink_to(root / "drivers" / driver)
    return device


def test_a_card_that_has_its_driver_is_left_alone(program: Any, tmp_path: Path):
    device = pci(tmp_path, "ixgbe")
    program("dpdk_cards").give("0000:05:00.0", "ixgbe", tmp_path)
    assert not (device / "driver_override").exists()


def test_a_card_that_the_kernel_does_not_give_is_told(program: Any, failure: Any, tmp_path: Path):
    device = pci(tmp_path, "ixgbe")
    with pytest.raises(failure, match="an IOMMU must be on"):
        program("dpdk_cards").give("0000:05:00.0", "vfio-pci", tmp_path)
    assert (device / "driver_override").read_text() == "vfio-pci"
    assert (tmp_path / "drivers" / "ixgbe" / "unbind").read_text() == "0000:05:00.0"


def test_a_driver_that_the_kernel_lacks_takes_no_card_away(program: Any, failure: Any, tmp_path: Path):
    device = pci(tmp_path, "ixgbe")
    with pytest.raises(failure, match="no driver uio"):
        program("dpdk_cards").give("0000:05:00.0", "uio", tmp_path)
    assert (device / "driver").resolve().name == "ixgbe"


class Commands:
    """Answers commands by their first words, and remembers them."""

    def __init__(self, module: ModuleType, monkeypatch: pytest.MonkeyPatch, answers: dict[str, str]) -> None:
        self.answers, self.told = answers, []
        monkeypatch.setattr(module, "told", self)

    def __call__(self, command: list[str]) -> str:
        words = [word for word in command if not word.startswith("--")]
        self.told: list[str] = [*self.told, " ".join(words)]
        return next((answer for start, answer in self.answers.items() if " ".join(words).startswith(start)), "")


def test_an_interface_with_an_address_is_taken_into_no_bridge(program: Any, failure: Any, monkeypatch: pytest.MonkeyPatch):
    bridges = program("bridges")
    address = '[{"addr_info": [{"local": "192.0.2.7", "scope": "global"}]}]'
    commands = Commands(bridges, monkeypatch, {"ip -json": address, "ip": address})
    switch = bridges.Switch("unix:db", "system")
    with pytest.raises(failure, match="ens4 has the address 192.0.2.7, which the node would lose on the bridge br-ex"):
        switch.settle("br-ex", {"ports": [{"name": "ens4"}]})
    assert not any("add-port" in told for told in commands.told)


def test_what_is_wrong_with_one_bridge_keeps_no_other_from_being_made(program: Any, monkeypatch: pytest.MonkeyPatch):
    bridges = program("bridges")
    address = '[{"addr_info": [{"local": "192.0.2.7", "scope": "global"}]}]'
    commands = Commands(bridges, monkeypatch, {"ip -json address show dev ens4": address})
    wanted = {"br-ex": {"ports": [{"name": "ens4"}]}, "br-prv": {"ports": [{"name": "ens5"}]}}
    said = bridges.settle_all(bridges.Switch("unix:db", "system"), wanted)
    assert "ens4 has the address" in said
    assert "ovs-vsctl add-port br-prv ens5" in commands.told


def test_a_bridge_that_is_whole_is_not_touched(program: Any, monkeypatch: pytest.MonkeyPatch):
    bridges = program("bridges")
    commands = Commands(bridges, monkeypatch, {"ovs-vsctl list-br": "br-ex\n", "ovs-vsctl list-ports": "ens4\n"})
    assert bridges.settle_all(bridges.Switch("unix:db", "system"), {"br-ex": {"ports": [{"name": "ens4"}]}}) == ""
    assert {told.split()[1] for told in commands.told} == {"list-br", "list-ports"}


class Bridge:
    """A bridge that connects: ``id`` is its number, None until another thread has set it."""

    id: int | None = None


def test_a_bridge_is_taken_in_once_another_thread_has_given_it_its_number(program: Any):
    bridge, seen = Bridge(), []
    event = SimpleNamespace(msg=SimpleNamespace(datapath=bridge))
    taken_in = program("switch_agent").numbered(lambda _, found: seen.append(found.msg.datapath.id))
    waiting = threading.Thread(target=taken_in, args=(None, event))
    waiting.start()
    bridge.id = 7
    waiting.join(timeout=10)
    assert seen == [7]


def test_what_os_ken_has_noted_on_its_handler_stays_there(program: Any):
    def handler(*_: Any) -> None:
        """Of os-ken."""

    vars(handler)["callers"] = {"switch features": "config"}
    assert program("switch_agent").numbered(handler).callers == {"switch features": "config"}
