"""Give domains of Keystone an identity driver of their own, an LDAP directory for instance.

Reads the path of a JSON file,

    {"domains": [{"name": "corp", "description": "...", "enabled": true,
                  "config": {"identity": {"driver": "ldap"},
                             "ldap": {"url": "ldap://ldap.corp", "password": {"env": "CORP_PASSWORD"}}}}]}

where ``{"env": NAME}`` stands for a value from the environment. A domain that the file no longer names stays as it is: what
becomes of its users is for a person to decide. Keystone must read these settings from its database
([identity] domain_configurations_from_database). OS_* is the administrator.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from identity import Absent, Keystone
from program import Failure, environment, read_json, run, say

Config = dict[str, dict[str, Any]]


def variables(config: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The names of the environment variables that a configuration takes values from."""
    return sorted({value["env"] for options in config.values() for value in options.values() if _is_reference(value)})


def resolved(config: Mapping[str, Mapping[str, Any]], env: Mapping[str, str]) -> Config:
    """The configuration with values in place of references. Keystone knows no null: an option without a value is left out."""
    return {
        section: {name: env[v["env"]] if _is_reference(v) else v for name, v in options.items() if v is not None}
        for section, options in config.items()
    }


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"env"}


def differing(shown: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The options (``ldap.url``) that are not as wanted, going by what Keystone shows: of passwords it shows nothing."""
    before = {(section, name): value for section, options in shown.items() for name, value in options.items()}
    after = {(section, name): value for section, options in wanted.items() for name, value in options.items()}
    names = {key for key in before.keys() | after.keys() if key not in before or key not in after or before[key] != after[key]}
    return sorted(f"{section}.{name}" for section, name in names)


def settle_domain(keystone: Keystone, wanted: Mapping[str, Any], env: Mapping[str, str]) -> None:
    """Make the domain, and its configuration what is wanted."""
    name = wanted["name"]
    attributes = {"description": wanted.get("description", ""), "enabled": wanted.get("enabled", True)}
    domain = keystone.ensure("domain", attributes, name=name)
    keystone.settle("domain", domain, attributes)
    path = f"domains/{domain['id']}/config"
    config = resolved(wanted["config"], env)
    try:
        shown = keystone.get(path)["config"]
    except Absent:
        shown = {}
    # Always, because nobody can tell whether a password that is not shown differs. It replaces the whole in one transaction,
    # and Keystone loads the driver anew only if something did change.
    keystone.put(path, {"config": config})
    changed = ", ".join(differing(shown, config))
    say(f"domain {name}: set {changed}" if changed else f"domain {name}: as wanted; what Keystone does not show was sent again")


def main(arguments: list[str]) -> None:
    """Settle the domains that the file of the first argument lists."""
    if len(arguments) != 1:
        raise Failure("usage: domains.py FILE")
    wanted = read_json(arguments[0])["domains"]
    environment(*(name for domain in wanted for name in variables(domain["config"])))
    keystone = Keystone.as_admin()
    for domain in wanted:
        settle_domain(keystone, domain, os.environ)


if __name__ == "__main__":
    run(main)
