"""Which parts of the dashboard are shown, and by which rules they show what a user may do."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stackloom import ConfigFile
    from stackloom.constructs.context import ServiceContext

# Services whose panels are packages of their own, and where in the package Horizon finds them. It has the others' itself.
PANELS: Mapping[str, str] = {
    "dns": "designatedashboard.enabled",
    "instance-ha": "masakaridashboard.local.enabled",
    "load-balancer": "octavia_dashboard.enabled",
    "orchestration": "heat_dashboard.enabled",
}


@dataclass(frozen=True, slots=True)
class Policies:
    """The rules of ``service``, which Horizon calls ``kind``.

    Those of a panel's ``package`` are there: as the service's own defaults, or as a file of rules, by their paths in it.
    ``unknown`` are those of which neither Horizon nor a panel knows anything.
    """

    service: str
    kind: str
    package: str = ""
    defaults: str = ""
    rules: str = ""
    unknown: bool = False


POLICIES = (
    Policies("cinder", "volume"),
    Policies("designate", "dns", unknown=True),
    Policies("glance", "image"),
    Policies(
        "heat", "orchestration", "heat_dashboard", defaults="conf/default_policies/heat.yaml", rules="conf/heat_policy.yaml"
    ),
    Policies("keystone", "identity"),
    Policies("masakari", "instance-ha", "masakaridashboard", rules="conf/masakari_policy.yaml"),
    Policies("neutron", "network"),
    Policies("nova", "compute"),
    Policies("octavia", "load-balancer", unknown=True),
)


def panels(ctx: ServiceContext) -> list[str]:
    """The packages of panels for the services of this cloud."""
    return [package for service_type, package in PANELS.items() if ctx.deployment.has(service_type)]


def known_policies(ctx: ServiceContext) -> list[Policies]:
    """Those of the services of this cloud."""
    names = {service.name for service in ctx.deployment.services}
    return [policies for policies in POLICIES if policies.service in names]


def changed_policies(ctx: ServiceContext) -> dict[Policies, dict[str, str]]:
    """Those that the operator changes, and how."""
    services = {service.name: service for service in ctx.deployment.services}
    changed = {p: _understood(p, ctx.deployment.policies_of(services[p.service])) for p in known_policies(ctx)}
    return {policies: rules for policies, rules in changed.items() if rules}


def _understood(policies: Policies, rules: Mapping[str, str]) -> dict[str, str]:
    """The rules that Horizon can follow. One that names a rule which it does not know would hide what users may do."""
    named = re.compile(r"\brule:([^\s()]+)")
    return {name: text for name, text in rules.items() if not policies.unknown or all(n in rules for n in named.findall(text))}


def directory(policies: Policies) -> str:
    """Where the operator's rules are. Horizon lays them over what else it knows."""
    return f"/etc/horizon/policies/{policies.service}"


def policy_files(ctx: ServiceContext) -> list[ConfigFile]:
    """The operator's rules, a file in each directory. JSON is YAML."""
    return [
        ctx.file(f"{directory(p)}/rules.yaml", json.dumps(rules, indent=2) + "\n", key=f"policy-{p.service}.yaml")
        for p, rules in changed_policies(ctx).items()
    ]
