"""Let people of other identity providers in: Keystone's federation.

Reads the path of a JSON file,

    {"providers": [{"name": "keycloak", "remote_ids": ["https://sso.example.org/realms/cloud"], "description": "...",
                    "enabled": true, "protocol": "openid", "mapping": [RULE, ...]}]}

and makes it the whole truth: a provider that it does not name is disabled and loses its remote ids, so that nobody comes in
through it and another may have them. It is not deleted: its users' roles would be gone for good. OS_* is the administrator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from identity import Absent, Entity, Keystone
from program import Failure, read_json, run, say

PROVIDERS = "OS-FEDERATION/identity_providers"
MAPPINGS = "OS-FEDERATION/mappings"


def mapping_id(provider: Mapping[str, Any]) -> str:
    """The id of the mapping from what a provider says of a person to a user of Keystone."""
    return f"{provider['name']}-{provider['protocol']}"


def retired(existing: Sequence[Entity], wanted: Sequence[Mapping[str, Any]]) -> list[Entity]:
    """The providers in Keystone that are no longer wanted and still of effect."""
    names = {provider["name"] for provider in wanted}
    return [p for p in existing if p["id"] not in names and (p["enabled"] or p["remote_ids"])]


def settle(keystone: Keystone, wanted: Sequence[Mapping[str, Any]]) -> None:
    """Make Keystone's federation what is wanted."""
    existing = keystone.find(PROVIDERS)
    for former in retired(existing, wanted):
        keystone.patch(f"{PROVIDERS}/{former['id']}", {"identity_provider": {"enabled": False, "remote_ids": []}})
        say(f"disabled identity provider {former['id']}")
    known = {found["id"]: found for found in existing}
    for provider in wanted:
        settle_mapping(keystone, provider)
        settle_provider(keystone, provider, known.get(provider["name"]))
        settle_protocols(keystone, provider)


def settle_mapping(keystone: Keystone, provider: Mapping[str, Any]) -> None:
    """Make the provider's mapping."""
    name = mapping_id(provider)
    rules = list(provider["mapping"])
    try:
        found = keystone.get(f"{MAPPINGS}/{name}")["mapping"]
    except Absent:
        keystone.put(f"{MAPPINGS}/{name}", {"mapping": {"rules": rules}})
        say(f"created mapping {name}")
    else:
        keystone.settle("mapping", found, {"rules": rules}, path=MAPPINGS)


def settle_provider(keystone: Keystone, provider: Mapping[str, Any], found: Entity | None) -> None:
    """Make the provider itself. Its users live in a domain of its name: Keystone on its own would give that a random one."""
    name = provider["name"]
    attributes = {
        "description": provider.get("description", ""),
        "enabled": provider.get("enabled", True),
        "remote_ids": sorted(provider["remote_ids"]),
    }
    if found is None:
        domain = keystone.ensure("domain", {"description": f"Users of {name}"}, name=name)
        keystone.put(f"{PROVIDERS}/{name}", {"identity_provider": {**attributes, "domain_id": domain["id"]}})
        say(f"created identity provider {name}")
    else:
        as_kept: Entity = {**found, "remote_ids": sorted(found["remote_ids"])}  # Keystone keeps no order of them
        keystone.settle("identity_provider", as_kept, attributes, path=PROVIDERS)


def settle_protocols(keystone: Keystone, provider: Mapping[str, Any]) -> None:
    """Let the provider in by its protocol, and by no other."""
    path = f"{PROVIDERS}/{provider['name']}/protocols"
    wanted = {"mapping_id": mapping_id(provider)}
    protocols = {protocol["id"]: protocol for protocol in keystone.find(path)}
    found = protocols.pop(provider["protocol"], None)
    named = f"of identity provider {provider['name']}"
    if found is None:
        keystone.put(f"{path}/{provider['protocol']}", {"protocol": wanted})
        say(f"created protocol {provider['protocol']} {named}")
    else:
        keystone.settle("protocol", found, wanted, path=path)
    for protocol in sorted(protocols):
        keystone.delete(f"{path}/{protocol}")
        say(f"removed protocol {protocol} {named}")


def main(arguments: list[str]) -> None:
    """Settle the federation that the file of the first argument describes."""
    if len(arguments) != 1:
        raise Failure("usage: federation.py FILE")
    wanted = read_json(arguments[0])["providers"]
    settle(Keystone.as_admin(), wanted)
    say(f"the federation is what {arguments[0]} describes")


if __name__ == "__main__":
    run(main)
