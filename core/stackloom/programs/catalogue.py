"""Register services in Keystone: their endpoints, their accounts and the roles that they know.

Reads the path of a JSON file,

    {"region": "RegionOne",
     "services": [{"name": "glance", "type": "image", "description": "...",
                   "endpoints": {"internal": URL, "public": URL, "admin": URL}}],
     "roles": ["creator"],
     "users": [{"name": "glance", "password_env": "GLANCE_PASSWORD", "domain": "service", "project": "service",
                "roles": ["admin", "service"]}],
     "retired_users": [{"name": "glance-1", "domain": "service"}]}

and makes Keystone hold just that: an endpoint whose URL changes is changed in place, so that no moment is without it, and what
stands there twice is removed. ``project`` may be null: the roles are then held on the domain. OS_* is the administrator.

A user's password is written only where it does not let the user in (a write revokes every token of the user, and would stop
a service for a moment at each run). Trying it counts as a failed attempt where attempts are limited, so these users are
exempt from lockout, and from passwords that expire: nobody is there to type a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from identity import Absent, Entity, Keystone
from program import Failure, environment, read_json, run, say

USER_OPTIONS = {
    "ignore_change_password_upon_first_use": True,
    "ignore_lockout_failure_attempts": True,
    "ignore_password_expiry": True,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with one entity of the catalogue: keep (and mend) ``found``, or create it where that is None."""

    found: Entity | None
    surplus: tuple[Entity, ...] = ()


def choose(candidates: Iterable[Entity], prefer: Mapping[str, Any]) -> Plan:
    """Which of several entities that mean the same to keep: the one most like what is wanted, of equals the first by id."""
    likeness = sorted(candidates, key=lambda e: (-sum(e.get(key) == value for key, value in prefer.items()), str(e["id"])))
    return Plan(likeness[0], tuple(likeness[1:])) if likeness else Plan(None)


def endpoint_plans(existing: Iterable[Entity], wanted: Mapping[str, str]) -> tuple[dict[str, Plan], list[Entity]]:
    """For each wanted interface what to keep, and all that is to go. ``existing`` are of one service and one region."""
    by_interface: dict[str, list[Entity]] = {}
    for endpoint in existing:
        by_interface.setdefault(endpoint["interface"], []).append(endpoint)
    plans = {interface: choose(by_interface.pop(interface, ()), {"url": url}) for interface, url in wanted.items()}
    surplus = [e for plan in plans.values() for e in plan.surplus] + [e for rest in by_interface.values() for e in rest]
    return plans, surplus


def register_service(keystone: Keystone, region: str, wanted: Mapping[str, Any]) -> None:
    """Make the service of this type, of which there is to be one, and its endpoints in this region."""
    attributes = {"name": wanted["name"], "description": wanted.get("description", ""), "enabled": True}
    named = f"service {wanted['name']} ({wanted['type']})"
    plan = choose(keystone.find("services", type=wanted["type"]), attributes)
    service = plan.found
    if service is None:
        service = keystone.post("services", {"service": {"type": wanted["type"], **attributes}})["service"]
        say(f"created {named}")
    else:
        keystone.settle("service", service, attributes, name=wanted["name"])
    register_endpoints(keystone, region, service, wanted)
    # Last, because the endpoints of a service go with it.
    for double in plan.surplus:
        keystone.delete(f"services/{double['id']}")
        say(f"removed a double of {named}: {double['id']}")


def register_endpoints(keystone: Keystone, region: str, service: Entity, wanted: Mapping[str, Any]) -> None:
    """Make the endpoints of one service in this region, and remove what else it has there."""
    urls: Mapping[str, str] = wanted["endpoints"]
    plans, surplus = endpoint_plans(keystone.find("endpoints", service_id=service["id"], region_id=region), urls)
    for interface, plan in plans.items():
        named = f"{interface} endpoint of {wanted['name']}"
        if plan.found is None:
            endpoint = {"service_id": service["id"], "interface": interface, "region_id": region, "url": urls[interface]}
            keystone.post("endpoints", {"endpoint": {**endpoint, "enabled": True}})
            say(f"created {named}: {urls[interface]}")
        else:
            keystone.settle("endpoint", plan.found, {"url": urls[interface], "enabled": True}, name=named)
    for endpoint in surplus:
        keystone.delete(f"endpoints/{endpoint['id']}")
        say(f"removed {endpoint['interface']} endpoint of {wanted['name']}: {endpoint['url']}")


def ensure_region(keystone: Keystone, region: str) -> None:
    """Make the region. Keystone takes its id from us, unlike those of all else."""
    try:
        keystone.get(f"regions/{region}")
    except Absent:
        keystone.put(f"regions/{region}", {"region": {}})
        say(f"created region {region}")


def register_user(keystone: Keystone, wanted: Mapping[str, Any], password: str, role_ids: Mapping[str, str]) -> None:
    """Make a user who can log in with this password and holds just these roles on the project, or else on the domain."""
    name, domain_name, project_name = wanted["name"], wanted["domain"], wanted.get("project")
    domain = keystone.ensure("domain", {"description": "Accounts of services"}, name=domain_name)
    target = f"domains/{domain['id']}"
    scope = {"scope.domain.id": domain["id"]}
    if project_name:
        project = keystone.ensure("project", {}, name=project_name, domain_id=domain["id"])
        target = f"projects/{project['id']}"
        scope = {"scope.project.id": project["id"]}
    user = keystone.ensure(
        "user", {"password": password, "enabled": True, "options": USER_OPTIONS}, name=name, domain_id=domain["id"]
    )
    options = {**(user.get("options") or {}), **USER_OPTIONS}
    keystone.settle("user", user, {"enabled": True, "options": options})
    if not keystone.accepts(name, password, domain["id"]):
        keystone.patch(f"users/{user['id']}", {"user": {"password": password}})
        say(f"set the password of user {name}")
        if not keystone.accepts(name, password, domain["id"]):
            raise Failure(f"user {name} cannot log in, though the password was just set")
    assignments = keystone.find("role_assignments", **{"user.id": user["id"], **scope})
    held = {a["role"]["id"] for a in assignments if "OS-INHERIT:inherited_to" not in a["scope"]}
    roles = {role_ids[role]: role for role in wanted["roles"]}
    where = f"user {name} on {'project ' + project_name if project_name else 'domain ' + domain_name}"
    for role_id in sorted(roles.keys() - held, key=roles.__getitem__):
        keystone.put(f"{target}/users/{user['id']}/roles/{role_id}")
        say(f"granted {roles[role_id]} to {where}")
    for role_id in sorted(held - roles.keys()):
        keystone.delete(f"{target}/users/{user['id']}/roles/{role_id}")
        say(f"withdrew role {role_id} from {where}")


def ensure_roles(keystone: Keystone, names: Iterable[str]) -> dict[str, str]:
    """Make the roles that are absent; the ids of all, by name."""
    ids = {str(role["name"]): str(role["id"]) for role in keystone.find("roles") if not role.get("domain_id")}
    return ids | {name: str(keystone.ensure("role", {}, name=name)["id"]) for name in sorted(set(names) - ids.keys())}


def register(keystone: Keystone, document: Mapping[str, Any]) -> None:
    """Make Keystone hold what the document says. Raises Failure."""
    users = document.get("users", [])
    passwords = environment(*(user["password_env"] for user in users))
    if document.get("services"):
        ensure_region(keystone, document["region"])
    for service in document.get("services", []):
        register_service(keystone, document["region"], service)
    role_ids = ensure_roles(keystone, {*document.get("roles", []), *(role for user in users for role in user["roles"])})
    for user, password in zip(users, passwords, strict=True):
        register_user(keystone, user, password, role_ids)
    for user in document.get("retired_users", []):
        remove_user(keystone, user["name"], user["domain"])


def remove_user(keystone: Keystone, name: str, domain_name: str) -> None:
    """Remove a user, and every token with it."""
    for domain in keystone.find("domains", name=domain_name):
        for user in keystone.find("users", name=name, domain_id=domain["id"]):
            keystone.delete(f"users/{user['id']}")
            say(f"removed user {name}")


def main(arguments: list[str]) -> None:
    """Register what the file of the first argument lists."""
    if len(arguments) != 1:
        raise Failure("usage: catalogue.py FILE")
    document = read_json(arguments[0])
    register(Keystone.as_admin(), document)
    say(f"the catalogue holds what {arguments[0]} lists")


if __name__ == "__main__":
    run(main)
