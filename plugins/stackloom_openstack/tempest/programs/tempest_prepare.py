"""Give a cloud what Tempest needs of it, and find out what only the cloud knows: ``tempest_prepare.py FILE FOUND``.

Reads the path of a JSON file,

    {"flavors": [{"id": "tempest-1", "name": "tempest-1", "ram": 128, "vcpus": 1, "disk": 1}],
     "image": "cirros", "floating_network": "public"}

makes the flavors that are not there, and, where ``image`` is null, two small disks without a system in Glance, which every
project may use and none sees in its list. Writes to FOUND options of Tempest as variables: images, the id of the floating network
(null: there is none), the number of compute nodes. In a cloud that has only just been made it waits for these, and for one that
makes volumes. OS_* is an administrator; COMPUTE_URL, IMAGE_URL, NETWORK_URL and, where there is one, VOLUME_URL are the APIs.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from identity import PATIENCE_SECONDS, logged_in
from keystoneauth1 import exceptions
from program import Failure, environment, patiently, read_json, run, say

Entity = dict[str, Any]

DISKS = ("tempest-1", "tempest-2")
DISK_BYTES = 1024 * 1024
# An API answers before all is there that it speaks for.
NEW_CLOUD_SECONDS = 1800


class Away(Failure):
    """A service does not answer, or cannot answer now."""


class Absent(Failure):
    """There is no such thing."""


class NotYet(Failure):
    """There is not what tests need, but it may come by itself."""


class Cloud:
    """The APIs of the cloud, as the account of OS_USERNAME. They are asked again while they are away; a refusal is a Failure."""

    def __init__(self) -> None:
        compute, image, network = environment("COMPUTE_URL", "IMAGE_URL", "NETWORK_URL")
        self._urls = {"compute": compute, "image": f"{image}/v2", "network": f"{network}/v2.0"}
        if volume := os.environ.get("VOLUME_URL"):
            self._urls["volume"] = volume
        self._session = logged_in()

    def has(self, service: str) -> bool:
        """Whether the cloud has this API."""
        return service in self._urls

    def get(self, service: str, path: str) -> Entity:
        """The answer to a GET."""
        return self._patiently("GET", service, path)

    def post(self, service: str, path: str, body: Entity) -> Entity:
        """The answer to a POST."""
        return self._patiently("POST", service, path, json=body)

    def upload(self, path: str, data: bytes) -> None:
        """Put the data of an image."""
        self._patiently("PUT", "image", path, data=data, headers={"Content-Type": "application/octet-stream"})

    def _patiently(self, method: str, service: str, path: str, **more: Any) -> Entity:
        return patiently(lambda: self._ask(method, service, path, **more), Away, seconds=PATIENCE_SECONDS)

    def _ask(self, method: str, service: str, path: str, **more: Any) -> Entity:
        url = f"{self._urls[service]}/{path}"
        try:
            answer = self._session.request(url, method, **more)
        except exceptions.HttpError as error:
            kinds: dict[int, type[Failure]] = {404: Absent, 502: Away, 503: Away, 504: Away}
            text = f"{method} {path} of {service}: {error.message} ({error.http_status})"
            raise kinds.get(error.http_status, Failure)(text) from error
        except exceptions.ClientException as error:
            raise Away(f"{service} at {self._urls[service]}: {error}") from error
        content: Entity = answer.json() if answer.content else {}
        return content


def settle_flavors(cloud: Cloud, wanted: list[Entity]) -> None:
    """Make the flavors that are not there. One that somebody has changed stays so."""
    for flavor in wanted:
        try:
            cloud.get("compute", f"flavors/{flavor['id']}")
        except Absent:
            cloud.post("compute", "flavors", {"flavor": flavor})
            say(f"created flavor {flavor['name']}")


def named_image(cloud: Cloud, name: str) -> str:
    """The id of the image of this name that is there for use. Raises Failure unless it is one."""
    found = cloud.get("image", f"images?name={quote(name)}&status=active")["images"]
    if len(found) != 1:
        raise Failure(f"there are {len(found)} images called {name} that could be used: Tempest needs exactly one")
    return str(found[0]["id"])


def own_disk(cloud: Cloud, name: str) -> str:
    """The id of a small disk, made if there is none; one that an earlier run left without its data gets them."""
    found = cloud.get("image", f"images?name={name}&visibility=community&sort=created_at:asc")["images"]
    usable = [image for image in found if image["status"] in ("active", "queued")]
    if usable:
        image = usable[0]
    else:
        about = {"name": name, "disk_format": "raw", "container_format": "bare", "visibility": "community"}
        image = cloud.post("image", "images", about)
        say(f"created image {name}")
    if image["status"] == "queued":
        cloud.upload(f"images/{image['id']}/file", bytes(DISK_BYTES))
    return str(image["id"])


def floating_network(cloud: Cloud, name: str) -> str:
    """The id of the external network of this name. Raises Failure where there are several, NotYet where there is none."""
    found = cloud.get("network", f"networks?name={quote(name)}&router:external=True")["networks"]
    if len(found) != 1:
        raise (Failure if found else NotYet)(f"there are {len(found)} external networks called {name}: Tempest needs exactly one")
    return str(found[0]["id"])


def compute_nodes(cloud: Cloud) -> int:
    """How many nodes servers can be made on: those that are in a cell. Raises NotYet where there is none."""
    nodes = cloud.get("compute", "os-hypervisors/detail")["hypervisors"]
    count = sum(1 for node in nodes if (node["state"], node["status"]) == ("up", "enabled"))
    if not count:
        raise NotYet("no compute node is up and enabled")
    return count


def volume_service(cloud: Cloud) -> None:
    """Raises NotYet unless something makes volumes, or the cloud has none."""
    if cloud.has("volume"):
        services = cloud.get("volume", "os-services?binary=cinder-volume")["services"]
        if not any((service["state"], service["status"]) == ("up", "enabled") for service in services):
            raise NotYet("no cinder-volume is up and enabled")


def found_out(cloud: Cloud, wanted: Entity) -> dict[str, str]:
    """Options of Tempest, as variables that oslo.config reads."""
    images = [named_image(cloud, wanted["image"])] * 2 if wanted["image"] else [own_disk(cloud, name) for name in DISKS]
    nodes = patiently(lambda: compute_nodes(cloud), NotYet, seconds=NEW_CLOUD_SECONDS)
    patiently(lambda: volume_service(cloud), NotYet, seconds=NEW_CLOUD_SECONDS)
    found = {
        "OS_COMPUTE__IMAGE_REF": images[0],
        "OS_COMPUTE__IMAGE_REF_ALT": images[1],
        "OS_COMPUTE__MIN_COMPUTE_NODES": str(nodes),
        # All three need a second node.
        **{f"OS_COMPUTE-FEATURE-ENABLED__{name}": str(nodes > 1) for name in ("COLD_MIGRATION", "LIVE_MIGRATION", "RESIZE")},
    }
    if name := wanted["floating_network"]:
        network = patiently(lambda: floating_network(cloud, name), NotYet, seconds=NEW_CLOUD_SECONDS)
        found["OS_NETWORK__PUBLIC_NETWORK_ID"] = network
    return found


def main(arguments: list[str]) -> None:
    """Prepare the cloud as the first argument's file says, and write what was found out to the second."""
    if len(arguments) != 2:
        raise Failure("usage: tempest_prepare.py FILE FOUND")
    wanted, cloud = read_json(arguments[0]), Cloud()
    settle_flavors(cloud, wanted["flavors"])
    found = found_out(cloud, wanted)
    Path(arguments[1]).write_text(json.dumps(found), encoding="utf-8")
    for name, value in found.items():
        say(f"{name}={value}")


if __name__ == "__main__":
    run(main)
