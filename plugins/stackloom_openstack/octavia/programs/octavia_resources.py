"""Make what Octavia needs in the cloud, or bring what can be changed of it up to date: ``octavia_resources.py FILE``.

Reads the path of a JSON file,

    {"network": "lb-mgmt-net",
     "subnets": [{"cidr": "10.255.0.0/16", "allocation_pools": [{"start": "...", "end": "..."}]}],
     "security_groups": {"amphorae": {"name": "octavia-amphorae", "open": [{"protocol": "tcp", "port": 9443}]}},
     "flavor": {"id": "octavia-amphora", "name": "...", "vcpus": 1, "ram": 1024, "disk": 5},
     "unlimited": {"compute": ["instances"], "networking": ["port"]}}

Security groups let in what is named, from the subnets. A subnet or a rule that is not wanted any more stays: amphorae may use
it. A flavor cannot be changed once it is there. NETWORK_URL and COMPUTE_URL are Neutron's and Nova's, OS_* is Octavia's account.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from identity import logged_in
from octavia_api import Absent, Api, Entity, Network
from program import Failure, environment, read_json, run, say

RULE = ("direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix")


def settle_network(neutron: Network, name: str, subnets: Iterable[Mapping[str, Any]]) -> None:
    """The network and its subnets. Nothing leads out of it, so that there is no gateway."""
    network = neutron.named("networks", name) or neutron.make("networks", f"the network {name}", {"name": name})
    present = {subnet["cidr"]: subnet for subnet in neutron.find("subnets", network_id=network["id"])}
    for wanted in subnets:
        cidr = wanted["cidr"]
        if cidr not in present:
            version = ipaddress.ip_network(cidr).version
            fixed = {"network_id": network["id"], "name": f"{name}-{cidr}", "ip_version": version, "gateway_ip": None}
            neutron.make("subnets", f"the subnet {cidr}", {**fixed, **wanted})
        elif present[cidr]["allocation_pools"] != wanted["allocation_pools"]:
            neutron.put(f"subnets/{present[cidr]['id']}", {"subnet": {"allocation_pools": wanted["allocation_pools"]}})
            say(f"changed the pool of the subnet {cidr}")


def rules(opened: Iterable[Mapping[str, Any]], cidrs: Iterable[str]) -> Iterator[Entity]:
    """The rules of a security group that let in what is ``opened``, from each of these ranges."""
    for cidr in cidrs:
        version = ipaddress.ip_network(cidr).version
        for one in opened:
            six = version == 6 and one["protocol"] == "icmp"
            yield {
                "direction": "ingress",
                "ethertype": f"IPv{version}",
                "protocol": "ipv6-icmp" if six else one["protocol"],
                "port_range_min": one.get("port"),
                "port_range_max": one.get("port"),
                "remote_ip_prefix": cidr,
            }


def settle_group(neutron: Network, wanted: Mapping[str, Any], cidrs: Iterable[str]) -> None:
    """A security group with its rules."""
    name = wanted["name"]
    found = neutron.named("security-groups", name)
    group = found or neutron.make("security-groups", f"the security group {name}", {"name": name})
    present = [{key: rule.get(key) for key in RULE} for rule in group.get("security_group_rules", ())]
    for rule in rules(wanted["open"], cidrs):
        if rule not in present:
            what = f"a rule of {name}: {rule['protocol']} {rule['port_range_min'] or ''} from {rule['remote_ip_prefix']}"
            neutron.make("security-group-rules", what, {"security_group_id": group["id"], **rule})


def settle_flavor(nova: Api, wanted: Mapping[str, Any]) -> None:
    """The flavor of amphorae."""
    try:
        found = nova.get(f"flavors/{wanted['id']}")["flavor"]
    except Absent:
        nova.post("flavors", {"flavor": wanted})
        say(f"made the flavor {wanted['name']}")
        return
    differing = [f"{key} is {found[key]}" for key in ("vcpus", "ram", "disk") if found[key] != wanted[key]]
    if differing:
        say(f"the flavor {wanted['name']} stays as it is: {', '.join(differing)}")


def lift(api: Api, path: str, member: str, names: Iterable[str]) -> None:
    """Take the limits of a project's quota away."""
    present = api.get(path)[member]
    limited = {name: -1 for name in names if name in present and present[name] != -1}
    if limited:
        api.put(path, {member: limited})
        say(f"lifted the limits of {', '.join(sorted(limited))}")


def main(arguments: list[str]) -> None:
    """Settle what the file of the first argument says."""
    if len(arguments) != 1:
        raise Failure("usage: octavia_resources.py FILE")
    wanted = read_json(arguments[0])
    session = logged_in()
    neutron, nova = Network.as_octavia(session), Api(session, *environment("COMPUTE_URL"))
    settle_network(neutron, wanted["network"], wanted["subnets"])
    for group in wanted["security_groups"].values():
        settle_group(neutron, group, [subnet["cidr"] for subnet in wanted["subnets"]])
    settle_flavor(nova, wanted["flavor"])
    lift(nova, f"os-quota-sets/{nova.project}", "quota_set", wanted["unlimited"]["compute"])
    lift(neutron, f"quotas/{neutron.project}", "quota", wanted["unlimited"]["networking"])


if __name__ == "__main__":
    run(main)
