"""What runs in the cluster for Octavia, against a Neutron made of answers, and commands that are written down."""

from __future__ import annotations

import importlib
import json
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
# A program imports its neighbours, and those of the core, by their bare names.
DIRECTORIES = ("core/stackloom/programs", "plugins/stackloom_openstack/octavia/programs")
CIDR = "10.255.0.0/16"
SUBNET = {"cidr": CIDR, "allocation_pools": [{"start": "10.255.1.0", "end": "10.255.255.254"}]}
SETTINGS = {
    "network": "lb-mgmt-net",
    "security_groups": {"amphorae": {"name": "octavia-amphorae"}, "controllers": {"name": "octavia-controllers"}},
    "interface": {"name": "o-hm0", "bridge": "br-int", "database": "unix:/run/openvswitch/db.sock"},
    "heartbeat_port": 5555,
}


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    for directory in DIRECTORIES:
        monkeypatch.syspath_prepend(str(ROOT / directory))


@pytest.fixture
def resources(programs: None) -> ModuleType:
    return importlib.import_module("octavia_resources")


@pytest.fixture
def interface(programs: None) -> ModuleType:
    return importlib.import_module("octavia_interface")


@pytest.fixture
def controller(programs: None) -> Iterator[ModuleType]:
    before = signal.getsignal(signal.SIGTERM)
    yield importlib.import_module("octavia_controller")
    signal.signal(signal.SIGTERM, before)


def port(host: str, *addresses: str) -> dict[str, Any]:
    fixed = [{"subnet_id": f"subnet-{i}", "ip_address": address} for i, address in enumerate(addresses, 1)]
    return {"id": f"port-{host}", "name": f"octavia-controller-{host}", "mac_address": "fa:16:3e:00:00:01", "fixed_ips": fixed}


@pytest.fixture
def neutron(programs: None) -> Any:
    """Neutron's API in front of what is in ``there``; what is made gets an id of its collection and place."""
    api = importlib.import_module("octavia_api")

    class Neutron(api.Network):  # type: ignore[misc]
        project = "service"

        def __init__(self) -> None:
            self.there: dict[str, list[dict[str, Any]]] = {}
            self.changed: list[tuple[str, Any]] = []

        def get(self, path: str, **query: str) -> dict[str, Any]:
            asked = {key: value for key, value in query.items() if key != "project_id"}
            found = [one for one in self.there.get(path, []) if all(one.get(key) == value for key, value in asked.items())]
            return {path.replace("-", "_"): found}

        def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
            ((member, attributes),) = body.items()
            known = self.there.setdefault(path, [])
            made = {"id": f"{path}-{len(known) + 1}", "mtu": 1450, **attributes}
            if member == "port":
                made |= port("gw1", *(f"10.255.{i}.9" for i, _ in enumerate(attributes["fixed_ips"], 1)))
            known.append(made)
            return {member: made}

        def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
            ((member, attributes),) = body.items()
            self.changed.append((path, attributes))
            return {member: {**self.there["ports"][0], **attributes} if member == "port" else attributes}

    return Neutron()


@pytest.fixture
def whole(neutron: Any) -> Any:
    """With all that the Job makes."""
    neutron.there = {
        "networks": [{"id": "net", "name": "lb-mgmt-net", "mtu": 1450}],
        "subnets": [{"id": "subnet-1", "cidr": CIDR, "network_id": "net"}],
        "security-groups": [{"id": f"group-{name}", "name": f"octavia-{name}"} for name in ("amphorae", "controllers")],
    }
    return neutron


def test_the_network_is_made_once_and_nothing_leads_out_of_it(resources: ModuleType, neutron: Any):
    for _ in range(2):
        resources.settle_network(neutron, "lb-mgmt-net", [SUBNET])
    (subnet,) = neutron.there["subnets"]
    assert len(neutron.there["networks"]) == 1
    assert (subnet["cidr"], subnet["gateway_ip"], subnet["network_id"]) == (CIDR, None, "networks-1")
    assert neutron.changed == []


def test_a_pool_that_grew_is_changed_in_place(resources: ModuleType, neutron: Any):
    resources.settle_network(neutron, "lb-mgmt-net", [SUBNET])
    wider = [{"start": "10.255.0.10", "end": "10.255.255.254"}]
    resources.settle_network(neutron, "lb-mgmt-net", [{**SUBNET, "allocation_pools": wider}])
    assert neutron.changed == [("subnets/subnets-1", {"subnet": {"allocation_pools": wider}}["subnet"])]


def test_two_networks_of_a_name_are_for_a_person(resources: ModuleType, neutron: Any):
    neutron.there["networks"] = [{"id": "1", "name": "lb-mgmt-net"}, {"id": "2", "name": "lb-mgmt-net"}]
    failure = importlib.import_module("program").Failure
    with pytest.raises(failure, match="there are 2 networks called lb-mgmt-net"):
        resources.settle_network(neutron, "lb-mgmt-net", [SUBNET])


def test_groups_let_in_what_is_named_from_each_subnet_by_its_kind(resources: ModuleType):
    opened = [{"protocol": "tcp", "port": 9443}, {"protocol": "icmp"}]
    found = list(resources.rules(opened, [CIDR, "2001:db8::/64"]))
    told = {(r["ethertype"], r["protocol"], r["port_range_min"], r["port_range_max"], r["remote_ip_prefix"]) for r in found}
    assert told == {
        ("IPv4", "tcp", 9443, 9443, CIDR),
        ("IPv4", "icmp", None, None, CIDR),
        ("IPv6", "tcp", 9443, 9443, "2001:db8::/64"),
        ("IPv6", "ipv6-icmp", None, None, "2001:db8::/64"),
    }


def test_rules_that_are_there_are_not_made_again(resources: ModuleType, neutron: Any):
    opened = [{"protocol": "udp", "port": 5555}]
    group = {"name": "octavia-controllers", "open": opened}
    resources.settle_group(neutron, group, [CIDR])
    neutron.there["security-groups"][0]["security_group_rules"] = neutron.there["security-group-rules"]
    resources.settle_group(neutron, group, [CIDR])
    assert len(neutron.there["security-group-rules"]) == 1


def test_limits_are_taken_away_and_what_a_release_has_not_is_passed_over(resources: ModuleType, neutron: Any):
    neutron.get = lambda _path: {"quota": {"port": 500, "security_group": -1}}
    resources.lift(neutron, "quotas/service", "quota", ["port", "security_group", "unheard_of"])
    assert neutron.changed == [("quotas/service", {"port": -1})]


def test_a_gateway_gets_a_port_that_is_bound_to_it_with_an_address_in_each_subnet(interface: ModuleType, whole: Any):
    whole.there["subnets"].append({"id": "subnet-2", "cidr": "10.254.0.0/16", "network_id": "net"})
    interface.port_of(whole, SETTINGS, "gw1")
    (made,) = whole.there["ports"]
    assert (made["binding:host_id"], made["device_owner"]) == ("gw1", "Octavia:health-mgr")
    assert made["security_groups"] == ["group-controllers"]
    assert [address["subnet_id"] for address in made["fixed_ips"]] == ["subnet-1", "subnet-2"]


def test_a_subnet_that_came_later_gets_an_address_too(interface: ModuleType, whole: Any):
    whole.there["ports"] = [port("gw1", "10.255.1.9")]
    whole.there["subnets"].append({"id": "subnet-2", "cidr": "10.254.0.0/16", "network_id": "net"})
    interface.port_of(whole, SETTINGS, "gw1")
    (changed,) = whole.changed
    assert changed[1]["fixed_ips"] == [{"subnet_id": "subnet-1", "ip_address": "10.255.1.9"}, {"subnet_id": "subnet-2"}]


def test_open_vswitch_is_told_which_port_the_interface_is(interface: ModuleType):
    words = interface.plugged(SETTINGS["interface"], port("gw1", "10.255.1.9"), 1450)
    assert words[3:6] == ["--may-exist", "add-port", "br-int"]
    assert 'external_ids:iface-id="port-gw1"' in words
    assert {"type=internal", "mtu_request=1450", 'mac="fa:16:3e:00:00:01"'} <= set(words)


def test_the_interface_has_the_ports_addresses_and_no_others(interface: ModuleType, whole: Any, monkeypatch: pytest.MonkeyPatch):
    whole.there["ports"] = [port("gw1", "10.255.1.9")]
    held = [{"local": "10.255.7.7", "prefixlen": 16, "scope": "global"}, {"local": "fe80::1", "prefixlen": 64, "scope": "link"}]
    ran: list[str] = []

    def told(command: list[str]) -> str:
        ran.append(" ".join(command))
        return json.dumps([{"flags": ["BROADCAST"], "addr_info": held}]) if "show" in command else ""

    monkeypatch.setattr(interface, "told", told)
    interface.settle(whole, SETTINGS, "gw1")
    assert ran[2:] == [
        "ip address add 10.255.1.9/16 dev o-hm0",
        "ip address delete 10.255.7.7/16 dev o-hm0",
        "ip link set o-hm0 up",
    ]


@pytest.mark.parametrize(("flags", "held"), [([], ["10.255.1.9"]), (["UP"], [])])
def test_an_interface_without_an_address_or_down_is_not_ready(
    interface: ModuleType, monkeypatch: pytest.MonkeyPatch, flags: list[str], held: list[str]
):
    shown = [{"flags": flags, "addr_info": [{"local": a, "prefixlen": 16, "scope": "global"} for a in held]}]
    monkeypatch.setattr(interface, "told", lambda _command: json.dumps(shown))
    failure = importlib.import_module("program").Failure
    with pytest.raises(failure, match="o-hm0 has no address, or is not up"):
        interface.check(SETTINGS)


def with_ports(neutron: Any, *ports: dict[str, Any]) -> Any:
    neutron.there["ports"] = [{**one, "network_id": "net", "device_owner": "Octavia:health-mgr"} for one in ports]
    return neutron


def test_a_controller_is_told_where_all_health_managers_are(controller: ModuleType, whole: Any):
    with_ports(whole, port("gw2", "10.255.1.10"), port("gw1", "10.255.1.9"))
    text = controller.find(whole, SETTINGS, "gw1").text
    assert "bind_ip = 10.255.1.9\ncontroller_ip_port_list = 10.255.1.10:5555, 10.255.1.9:5555\n" in text
    assert "amp_boot_network_list = net\namp_secgroup_list = group-amphorae\namp_image_owner_id = service\n" in text


@pytest.mark.parametrize(
    ("addresses", "listens", "told"),
    [
        (["10.255.1.9", "10.254.1.9"], "0.0.0.0", "10.254.1.9:5555, 10.255.1.9:5555"),  # noqa: S104
        (["10.255.1.9", "2001:db8::9"], "::", "10.255.1.9:5555, [2001:db8::9]:5555"),
        (["2001:db8::9"], "2001:db8::9", "[2001:db8::9]:5555"),
    ],
)
def test_where_there_are_several_subnets_it_listens_everywhere(
    controller: ModuleType, whole: Any, addresses: list[str], listens: str, told: str
):
    text = controller.find(with_ports(whole, port("gw1", *addresses)), SETTINGS, "gw1").text
    assert f"bind_ip = {listens}\ncontroller_ip_port_list = {told}\n" in text


def test_a_node_whose_port_is_not_there_yet_waits(controller: ModuleType, whole: Any):
    absent = importlib.import_module("octavia_api").Absent
    with pytest.raises(absent, match="no port for this node, gw1, yet"):
        controller.find(whole, SETTINGS, "gw1")


def test_a_gateway_that_came_is_news_and_a_neutron_that_is_away_is_none(controller: ModuleType, whole: Any):
    known = controller.find(with_ports(whole, port("gw1", "10.255.1.9")), SETTINGS, "gw1")
    assert controller.news(whole, SETTINGS, "gw1", known) is None
    with_ports(whole, port("gw1", "10.255.1.9"), port("gw2", "10.255.1.10"))
    assert controller.news(whole, SETTINGS, "gw1", known).controllers == ("10.255.1.10:5555", "10.255.1.9:5555")
    whole.there["networks"] = []
    assert controller.news(whole, SETTINGS, "gw1", known) is None


def test_a_command_is_ended_by_news(controller: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(controller, "PAUSE_SECONDS", 0.2)
    ended = tmp_path / "ended"
    code = f"trap 'echo > {ended}; exit 0' TERM; while true; do sleep 0.05; done"
    looked = iter([None, "news"])
    assert controller.run_until_news(["sh", "-c", code], lambda: next(looked)) == "news"
    assert ended.exists()


def test_where_the_command_ends_by_itself_so_does_the_program(controller: ModuleType):
    with pytest.raises(SystemExit) as left:
        controller.run_until_news(["sh", "-c", "exit 3"], lambda: None)
    assert left.value.code == 3
