"""Backups of the databases: the program that keeps them, beside their volume, and a CronJob that asks it for one.

``mariadb_backup.py`` copies a server that takes no writes, restores each copy before it counts, and follows the binary logs, so
that any moment can be restored. A Job of ``mariadb_restore.py`` does that: it is made on demand, and never stands in ``dist/``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stackloom.fields import ValueFrom
from stackloom.manifests import objects
from stackloom.manifests.files import SecretFile
from stackloom.manifests.mounts import Mount
from stackloom.manifests.pod import Container, Env, Pod, Privilege, Probe, Probes, Resources
from stackloom.manifests.workloads import Body, job
from stackloom.model.credential import SecretKey, Value
from stackloom.model.image import Image
from stackloom.model.service import BySize
from stackloom.spec.database import Backup, Remote
from stackloom.spec.values import quantity

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

NAME = "mariadb-backup"
STATE = "mariadb-state"
_ROLE = "backups"
_RESTORE = "mariadb-restore"
_PRIMARY = "mariadb-primary"

_AGENT_PORT = 8081
_PORT = 8081  # as the agents: it is open among the Pods of the database, and to nobody else
_METRICS_PORT = 8080
_RCLONE_PORT = 5572
_UID = 999  # of the published image

_VOLUME = "/backup"
_SECRETS = "/etc/mysql/secrets"
_CONFIG = "galera.cnf"
_REMOTE = "remote"
_DEADLINE = BySize(single=3600, tiny=3600, small=7200, medium=14400)
_RCLONE_ANSWERS = ("rclone", "rc", f"--url=http://127.0.0.1:{_RCLONE_PORT}", "rc/noop")
_SCHEMES = {"http": 80, "https": 443}

IMAGES = {"rclone": Image("docker.io/rclone/rclone", "1.71.0")}


def settings(ctx: ServiceContext) -> Backup:
    """What the deployment says of backups."""
    return ctx.deployment.spec.features.database.backup


def address(ctx: ServiceContext) -> str:
    """Host and port from which servers fetch restored data; "" where there are no backups."""
    return f"{ctx.host(NAME)}:{_PORT}" if settings(ctx).enabled else ""


def add_backup(ctx: ServiceContext, servers: Sequence[str]) -> None:
    """Add what keeps the backups of these servers, given by their hosts, where the deployment asks for backups."""
    backup = settings(ctx)
    if not backup.enabled:
        return
    remote = next(iter(backup.sync_remote.remotes.values()), None) if backup.sync_remote and backup.sync_remote.enabled else None
    key = [SecretFile(f"{_SECRETS}/{NAME}/key", _key(ctx), "key")] if backup.encryption.enabled else []
    sizes = _resources(ctx)
    keeper = ctx.stateful(
        _ROLE,
        name=NAME,
        image="mariadb",
        command=["python3", "/opt/stackloom/programs/mariadb_backup.py"],
        env=_environment(ctx, backup, servers, remote),
        ports={"api": _PORT, "metrics": _METRICS_PORT},
        probes=Probes(path="/readyz", port="metrics", alive=Probe(path="/healthz", port="metrics")),
        # With what a human asks it by, from within.
        config=[
            ctx.program("mariadb_backup.py"),
            ctx.program("mariadb_backup_ask.py"),
            ctx.config_files[_CONFIG],
            *_account(),
            *key,
        ],
        **_place(ctx, backup),
        init=[_owner(ctx)] if backup.backend == "hostpath" else [],
        sidecars=[_rclone(ctx, remote)] if remote else [],
        resources=sizes,
        user=_UID,
        # A copy that is cut off is made again; nothing waits for its end.
        grace_seconds=30,
    )
    ctx.allow_monitoring(_METRICS_PORT)
    # Who takes the writes is asked of its agent: that one is spared.
    ctx.component.add(
        objects.service(ctx.identity(_PRIMARY, "server"), {"agent": _AGENT_PORT}, labels={"mariadb_role": "primary"})
    )
    ctx.task(
        "backup",
        image="python",
        command=["python3", "/opt/stackloom/programs/mariadb_backup_ask.py", "backup"],
        config=[ctx.program("mariadb_backup_ask.py"), *_account()],
        env={"BACKUP_HOST": ctx.host(NAME), "BACKUP_PORT": str(_PORT)},
        schedule=backup.schedule_time,
        needs=(),
        after=[keeper],
        credentials=False,
        resources=Resources(cpu="10m", memory="32Mi", memory_limit="128Mi"),
        deadline_seconds=ctx.by_size(_DEADLINE),
    )
    if remote:
        _let_out(ctx, remote)


def restore_objects(ctx: ServiceContext, servers: Sequence[str], to: str) -> list[Body]:
    """A Job that restores all databases, and an account that may order it.

    ``to`` is a time like 2026-01-02T03:04:05Z, a backup's id, or "latest".
    """
    who = ctx.identity(_RESTORE, "restore")
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [STATE], "verbs": ["get", "patch"]}]
    container = Container(
        name=_RESTORE,
        image=ctx.image("python"),
        command=["python3", "/opt/stackloom/programs/mariadb_restore.py", to],
        env={
            "BACKUP_HOST": ctx.host(NAME),
            "BACKUP_PORT": str(_PORT),
            "MARIADB_PEERS": ",".join(servers),
            "AGENT_PORT": str(_AGENT_PORT),
        },
        files=[*ctx.program("mariadb_restore.py"), *_account()],
        resources=Resources(cpu="10m", memory="32Mi", memory_limit="128Mi").body(),
    )
    # It is not tried again by itself: whoever restores looks at what has happened.
    pod = Pod(containers=[container], service_account=who.name, token=True, restart_policy="Never")
    body = job(who, pod, deadline_seconds=24 * 3600)
    body["spec"]["backoffLimit"] = 0
    subject = {"kind": "ServiceAccount", "name": who.name, "namespace": ctx.namespace}
    return [objects.service_account(who), objects.role(who, rules), objects.role_binding(who, [subject]), body]


def _environment(ctx: ServiceContext, backup: Backup, servers: Sequence[str], remote: Remote | None) -> Env:
    limit = int(quantity(ctx.resources(_ROLE, _resources(ctx).body())["limits"]["memory"]))
    return {
        "MARIADB_PEERS": ",".join(servers),
        "MARIADB_PRIMARY": ctx.host(_PRIMARY),
        "BACKUP_TYPE": backup.backup_type,
        "BACKUP_CYCLE": str(backup.full_backup_cycle),
        "BACKUPS_TO_KEEP": str(backup.backups_to_keep),
        "ARCHIVE_SECONDS": str(backup.archive.interval if backup.archive.enabled else 0),
        # Of two that can run at once, one looks through a copy: each has a quarter for its buffers.
        "BACKUP_MEMORY": str(limit // 4 // 2**20 * 2**20),
        **({"BACKUP_KEY": f"{_SECRETS}/{NAME}/key"} if backup.encryption.enabled else {}),
        **({"BACKUP_REMOTE": f"{_REMOTE}:{remote.path}"} if remote else {}),
    }


def _account() -> list[SecretFile]:
    return [SecretFile(f"{_SECRETS}/mariadb-sst/{key}", "mariadb-sst", key) for key in ("username", "password")]


def _key(ctx: ServiceContext) -> str:
    return ctx.credential(NAME, {"key": Value.hex(32)}).name


def _resources(ctx: ServiceContext) -> Resources:
    memory = ctx.by_size(BySize(single=512, tiny=512, small=1024, medium=2048))
    return Resources(cpu="100m", memory=f"{memory}Mi", memory_limit=f"{2 * memory}Mi")


def _place(ctx: ServiceContext, backup: Backup) -> dict[str, Any]:
    """Where the backups lie, as a stateful service takes it."""
    if backup.backend == "pv_nfs" and backup.pv_nfs:
        nfs = {"nfs": {"server": backup.pv_nfs.server, "path": backup.pv_nfs.path}}
        return {"mounts": [Mount(path=_VOLUME, body=nfs)]}
    if backup.backend == "hostpath" and backup.hostpath:
        wanted = {"key": "kubernetes.io/hostname", "operator": "In", "values": [backup.hostpath.node]}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}
        return {
            "mounts": [Mount.host(backup.hostpath.path, at=_VOLUME, kind="DirectoryOrCreate")],
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}},
        }
    return {"volumes": {_VOLUME: backup.volume_size}, "storage_class": ctx.deployment.spec.persistent_volume_storage_class}


def _owner(ctx: ServiceContext) -> Container:
    reason = "the kubelet makes the directory of the node for root: it is given to the user who writes the backups"
    return Container(
        name="owner",
        image=ctx.image("mariadb"),
        command=["chown", f"{_UID}:{_UID}", _VOLUME],
        privilege=Privilege(reason=reason, user=0, capabilities=("CHOWN",)),
        volume_mounts=[_mount()],
    )


def _mount(*, read_only: bool = False) -> dict[str, Any]:
    return {"name": _VOLUME.strip("/"), "mountPath": _VOLUME, **({"readOnly": True} if read_only else {})}


def _rclone(ctx: ServiceContext, remote: Remote) -> Container:
    """It copies what it is told to by the program, which reaches it within the Pod alone."""
    options = {"type": remote.conf.type, "provider": remote.conf.provider, "access_key_id": remote.conf.access_key_id}
    options |= {"secret_access_key": remote.conf.secret_access_key, "endpoint": remote.conf.endpoint}
    options |= remote.conf.model_extra or {}
    # rclone takes each option of a remote from the environment.
    env = {
        f"RCLONE_CONFIG_{_REMOTE.upper()}_{name.upper()}": _value(value) for name, value in options.items() if value is not None
    }
    return Container(
        name="rclone",
        image=ctx.image("rclone"),
        command=["rclone", "rcd", f"--rc-addr=127.0.0.1:{_RCLONE_PORT}", "--rc-no-auth"],
        env={**env, "RCLONE_CONFIG": "/tmp/rclone.conf", "RCLONE_CACHE_DIR": "/tmp"},  # noqa: S108 - in the container
        probes=Probes(command=_RCLONE_ANSWERS, period=30, timeout=20),
        resources=ctx.resources("rclone", Resources(cpu="50m", memory="128Mi", memory_limit="512Mi").body()),
        volume_mounts=[_mount(read_only=True)],
    )


def _value(value: object) -> str | SecretKey:
    if isinstance(value, ValueFrom):
        reference = value.value_from.secret_key_ref
        return SecretKey(secret=reference.name, key=reference.key)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _let_out(ctx: ServiceContext, remote: Remote) -> None:
    """Let what keeps the backups call the remote, and no other Pod of the database."""
    url = urlsplit(str(remote.conf.endpoint or "https://"))
    port = url.port or _SCHEMES.get(url.scheme, 443)
    who = ctx.identity(f"{NAME}-remote", _ROLE)
    pods: Mapping[str, str] = who.selector
    ctx.component.add(objects.network_policy(who, pods=pods, egress=[{"ports": [{"port": port, "protocol": "TCP"}]}]))
