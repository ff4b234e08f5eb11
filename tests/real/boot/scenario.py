"""What is shown of services once they run: each of tests/real/scenarios/ says which it needs, and what is to be seen of them."""

from __future__ import annotations

import importlib
import pkgutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from openstack.connection import Connection

from stackloom.app import Cloud
from tests import real
from tests.bad_inputs import USUAL, patched
from tests.real.boot.network import NODE
from tests.real.boot.node import Node
from tests.real.cluster import Object

DOMAIN = "cloud.example.org"
# What would only take memory and disk.
SMALL_DATABASE = {
    "conf": {
        "galera": {
            "mariadbd": {"innodb_buffer_pool_size": "256M", "innodb_log_file_size": "48M"},
            "wsrep_provider_options": {"gcache.size": "64M"},
        }
    }
}
BASE = patched(
    USUAL,
    {
        "metadata": {"namespace": "openstack"},
        "spec": {
            "public_domain_name": DOMAIN,
            "features": {"database": {"backup": {"enabled": False}}},
            "services": {"database": {"mariadb": {"values": SMALL_DATABASE}}},
        },
    },
)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Services by type, beside identity, and what is shown of them when they run.

    ``spec`` is laid over the deployment; ``objects`` are those that the operator makes beside the output. ``shows`` are
    functions whose names are sentences; each gets the cloud. ``alone`` leaves it out of the cloud that all scenarios share.
    ``beside`` runs what is not of the cloud, on the network of its node and while the cloud lasts; it gets an empty directory.
    """

    services: Sequence[str]
    spec: Mapping[str, Any] = field(default_factory=dict)
    objects: Sequence[Object] = ()
    shows: Sequence[Callable[[RunningCloud], None]] = ()
    alone: bool = False
    beside: Callable[[Path], AbstractContextManager[object]] | None = None


@dataclass(frozen=True)
class RunningCloud:
    """A cloud that runs, as its users see it: through the public names of its ingress, with the authority that they trust."""

    node: Node
    authority: Path

    @property
    def admin(self) -> Connection:
        """The SDK as the cloud's administrator."""
        return self.connection(**self.node.secret("keystone-admin"))

    def connection(self, **auth: Any) -> Connection:
        """The SDK with these credentials (username, password, project_name, user_domain_name, project_domain_name)."""
        log_in = v3.Password(auth_url=f"https://keystone.{DOMAIN}/v3", **auth)
        return Connection(session=Session(auth=log_in, verify=str(self.authority)))


def scenarios() -> dict[str, Scenario]:
    """All of them by name."""
    package = importlib.import_module(f"{real.__name__}.scenarios")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return {name: importlib.import_module(f"{package.__name__}.{name}").SCENARIO for name in names}


def deployment_of(chosen: Sequence[Scenario]) -> dict[str, Any]:
    """The deployment of all services that these scenarios need."""
    services = sorted({"identity", *(service for scenario in chosen for service in scenario.services)})
    data = patched(BASE, {"spec": {"features": {"services": services}}})
    for scenario in chosen:
        data = patched(data, {"spec": dict(scenario.spec)})
    return data


def synthesised(deployment: Mapping[str, Any], folder: Path) -> list[Object]:
    """What a deployment becomes, as its files have it."""
    (folder / "deployment.yaml").write_text(yaml.safe_dump(dict(deployment)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK8S_OUTDIR", str(folder / "dist"))
        Cloud(folder / "deployment.yaml").synth()
    return [yaml.safe_load(path.read_text()) for path in sorted((folder / "dist").rglob("*.yaml"))]


@contextmanager
def seen_by_users(node: Node, folder: Path) -> Iterator[RunningCloud]:
    """The cloud of a node on which everything is up; this process finds its public names while it lasts."""
    authority = folder / "authority.pem"
    authority.write_text(node.secret("openstack-public-tls")["ca.crt"])
    found = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        return found(NODE if str(host).endswith(f".{DOMAIN}") else host, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolve)
        yield RunningCloud(node, authority)
