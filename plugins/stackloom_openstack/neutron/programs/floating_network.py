"""Make the network of floating addresses, its subnet and a router on it, or bring what can be changed of them up to date.

Reads the path of a JSON file,

    {"network": {"name": "public", "router:external": true, "provider:physical_network": "physnet1", ...},
     "subnet": {"name": "public-subnet", "cidr": "...", "gateway_ip": "...", "allocation_pools": [...]},
     "router": {"name": "r1"}}

Each is found by its name in the administrator's project. What cannot be changed of one that is there (its range, the physical
network) is said, and left to a person: servers have addresses there. NETWORK_URL is Neutron's, OS_* the administrator.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from keystoneauth1 import exceptions
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from program import Failure, environment, patiently, read_json, run, say

Entity = dict[str, Any]

PATIENCE_SECONDS = 300
# What Neutron lets nobody change once it is there.
FIXED = {"network": ("provider:network_type", "provider:physical_network", "provider:segmentation_id"), "subnet": ("cidr",)}


class Away(Failure):
    """Neutron or Keystone does not answer, or cannot answer now."""


class Neutron:
    """Its API, in the project of the account of OS_USERNAME and its kin."""

    def __init__(self) -> None:
        url, username, password, project, networking = environment(
            "OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME", "NETWORK_URL"
        )
        auth = v3.Password(
            auth_url=url,
            username=username,
            password=password,
            project_name=project,
            user_domain_name=os.environ.get("OS_USER_DOMAIN_NAME", "Default"),
            project_domain_name=os.environ.get("OS_PROJECT_DOMAIN_NAME", "Default"),
        )
        self._session = Session(auth=auth, verify=os.environ.get("OS_CACERT") or True, timeout=60, app_name="stackloom")
        self._url = f"{networking.rstrip('/')}/v2.0"
        self.project: str = patiently(self._project, Away, seconds=PATIENCE_SECONDS)

    def _project(self) -> str:
        try:
            return str(self._session.get_project_id())
        except exceptions.Unauthorized as error:
            raise Failure(f"Keystone does not let {os.environ['OS_USERNAME']} in: {error.message}") from error
        except exceptions.ClientException as error:
            raise Away(f"Keystone: {error}") from error

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, query: Mapping[str, str] | None = None
    ) -> Entity:
        """The answer to a request. Raises Failure for what Neutron refuses, Away where it says nothing."""
        headers = {"Accept": "application/json"}
        try:
            answer = self._session.request(f"{self._url}/{path}", method, json=body, params=dict(query or {}), headers=headers)
        except exceptions.HttpError as error:
            kind = Away if error.http_status in (502, 503, 504) else Failure
            raise kind(f"{method} /v2.0/{path}: {error.message} ({error.http_status})") from error
        except exceptions.ClientException as error:
            raise Away(f"Neutron at {self._url}: {error}") from error
        content: Entity = answer.json() if answer.content else {}
        return content

    def find(self, member: str, name: str) -> Entity | None:
        """The one of this name in the project. Raises Failure where there are several."""
        query = {"name": name, "project_id": self.project}
        answer = patiently(lambda: self.request("GET", f"{member}s", query=query), Away, seconds=PATIENCE_SECONDS)
        found: list[Entity] = answer[f"{member}s"]
        if len(found) > 1:
            raise Failure(
                f"there are {len(found)} {member}s called {name}: which is meant, a person must say by renaming the others"
            )
        return found[0] if found else None

    def ensure(self, member: str, wanted: Mapping[str, Any], **only_made: Any) -> Entity:
        """The member of the wanted name, with the wanted attributes; ``only_made`` are those that it is made with."""
        name = wanted["name"]
        found = self.find(member, name)
        if found is None:
            made: Entity = self.request("POST", f"{member}s", {member: {**wanted, **only_made}})[member]
            say(f"created {member} {name}")
            return made
        differing = {key: value for key, value in wanted.items() if found.get(key) != value}
        if fixed := [key for key in FIXED.get(member, ()) if key in differing]:
            told = ", ".join(f"{key} is {found.get(key)!r} and not {wanted[key]!r}" for key in fixed)
            raise Failure(f"the {member} {name} cannot become what is wanted: {told}. Delete it, or change the deployment")
        if differing:
            self.request("PUT", f"{member}s/{found['id']}", {member: differing})
            say(f"updated {member} {name}: {', '.join(sorted(differing))}")
        return found


def main(arguments: list[str]) -> None:
    """Settle what the file of the first argument says."""
    if len(arguments) != 1:
        raise Failure("usage: floating_network.py FILE")
    wanted = read_json(arguments[0])
    neutron = Neutron()
    network = neutron.ensure("network", wanted["network"])
    version = 6 if ":" in wanted["subnet"]["cidr"] else 4
    # No server is to get an address here by itself.
    neutron.ensure("subnet", wanted["subnet"], network_id=network["id"], ip_version=version, enable_dhcp=False)
    gateway = {"external_gateway_info": {"network_id": network["id"]}}
    router = neutron.ensure("router", wanted["router"], **gateway)
    attached = (router.get("external_gateway_info") or {}).get("network_id")
    if attached is None:
        neutron.request("PUT", f"routers/{router['id']}", {"router": gateway})
        say(f"updated router {router['name']}: external_gateway_info")
    elif attached != network["id"]:
        raise Failure(f"the router {router['name']} is on another network than {network['name']}: a person must move it")
    say("all is as wanted")


if __name__ == "__main__":
    run(main)
