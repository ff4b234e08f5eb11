"""What the services need in Ceph: pools, users, and the Secrets with the users' keys. Ceph itself is there already.

It is there where a service of the deployment asked for a user. One Job makes all of it, and is the only Pod that sees the key of
an administrator. Where Rook runs Ceph, monitors move: the same work runs by the clock, so that the Secrets follow.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stackloom.constructs.ceph import JOB, PORTS, secret_of
from stackloom.manifests import objects
from stackloom.manifests.files import SecretFile
from stackloom.manifests.pod import Resources
from stackloom.manifests.workloads import Identity
from stackloom.model.backend import CEPH
from stackloom.model.image import Image
from stackloom.model.service import Service

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

# What Rook keeps of a cluster in its namespace.
MONITORS, ADMIN = "rook-ceph-mon-endpoints", "rook-ceph-mon"
_KEYRING = "/etc/ceph/admin.keyring"
_WANTED = "/etc/stackloom/ceph.json"


def build(ctx: ServiceContext) -> None:
    """Add the Job, and what it may read and write; nothing where no service asked, or where the operator does its work."""
    ceph = ctx.deployment.spec.features.ceph
    if not ctx.ceph_clients or not ceph.provision.enabled:
        return
    account = ctx.account(_rules(ctx), JOB)
    if ceph.rook_namespace:
        _let_into_rook(ctx, ceph.rook_namespace, account)
    keyring = ceph.provision.keyring
    reference = keyring.value_from.secret_key_ref if keyring else None
    running: dict[str, Any] = {
        "image": "ceph",
        "command": ["python3", "/opt/stackloom/programs/ceph_clients.py", _WANTED],
        "config": [
            ctx.program("ceph_clients.py"),
            ctx.file(_WANTED, json.dumps(_wanted(ctx), indent=2) + "\n"),
            *([SecretFile(_KEYRING, reference.name, reference.key)] if reference else []),
        ],
        "env": {"HOME": "/tmp"},  # noqa: S108 - in the container
        "account": account,
        "resources": Resources(cpu="50m", memory="128Mi", memory_limit="512Mi"),
    }
    ctx.allow_egress(*PORTS)
    ctx.task(JOB.removeprefix(f"{ctx.name}-"), **running)
    if ceph.rook_namespace:
        ctx.task("refresh", schedule="17 * * * *", **running)


def _rules(ctx: ServiceContext) -> list[dict[str, Any]]:
    """Secrets cannot be created under a rule that names them; reading and changing them is held to the clients'."""
    secrets = {"apiGroups": [""], "resources": ["secrets"]}
    return [
        {**secrets, "verbs": ["create"]},
        {**secrets, "resourceNames": ctx.ceph_clients.secrets, "verbs": ["get", "patch"]},
    ]


def _let_into_rook(ctx: ServiceContext, namespace: str, account: str) -> None:
    """Let the Job read where Rook's monitors are, and the key of its administrator; nothing else of Rook's."""
    own = ctx.identity(f"{ctx.namespace}-{ctx.name}", "access")  # several clouds may use one Rook
    who = Identity(name=own.name, namespace=namespace, labels=own.labels)
    one = {"apiGroups": [""], "verbs": ["get"]}
    rules = [
        {**one, "resources": ["configmaps"], "resourceNames": [MONITORS]},
        {**one, "resources": ["secrets"], "resourceNames": [ADMIN]},
    ]
    ctx.component.add(objects.role(who, rules))
    subject = {"kind": "ServiceAccount", "name": account, "namespace": ctx.namespace}
    ctx.component.add(objects.role_binding(who, [subject]))


def _wanted(ctx: ServiceContext) -> dict[str, Any]:
    """The input of the program."""
    ceph = ctx.deployment.spec.features.ceph
    clients = sorted(ctx.ceph_clients.by_user.items())
    source: dict[str, Any] = (
        {"rook": ceph.rook_namespace} if ceph.rook_namespace else {"monitors": ceph.monitors, "keyring": _KEYRING}
    )
    size = {"size": ceph.provision.replicas} if ceph.provision.replicas else {}
    return {
        **source,
        "pools": sorted({pool for _, client in clients for pool in client.pools}),
        "application": ceph.provision.application,
        **size,
        "users": [
            {
                "name": user,
                "kept_in": secret_of(user),
                "pools": sorted(client.pools),
                # What it may change it may read.
                "reads": sorted(client.reads - client.pools),
                **({"rights": client.rights} if client.rights else {}),
            }
            for user, client in clients
        ],
    }


CEPH_CLIENTS = Service(
    name="ceph",
    type="ceph",
    backs=CEPH,
    build=build,
    # Python and the client of Ceph; it talks to releases before its own.
    images={"ceph": Image("quay.io/airshipit/ceph-config-helper", "ubuntu_jammy_20.2.1-1-20260407")},
)
