"""Keystone's manifests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stackloom import BySize, ConfigFile, PodField, Probes, SecretDirectory, SecretKey, Value
from stackloom.fields import ValueFrom
from stackloom_openstack.keystone import federation
from stackloom_openstack.keystone.features import KeystoneFeatures

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

Files = tuple[ConfigFile | SecretDirectory, ...]

REPLICAS = BySize(single=1, tiny=3, small=6, medium=15)
WORKERS = BySize(single=4, tiny=2, small=8, medium=8)

FERNET_KEYS, CREDENTIAL_KEYS = "keystone-fernet-keys", "keystone-credential-keys"
TOKEN_HOURS, EXPIRED_HOURS, ROTATION_HOURS = 12, 48, 12
# A token must stay readable until the long-running operation that carries it is over; two keys are the staged and the primary.
MAX_FERNET_KEYS = 2 + (TOKEN_HOURS + EXPIRED_HOURS) // ROTATION_HOURS
MAX_CREDENTIAL_KEYS = 3


def build(ctx: ServiceContext) -> None:
    """Database, keys, administrator, API, catalogue; then what is chosen: domains, federation, clean-up."""
    features = ctx.features_as(KeystoneFeatures)
    ctx.credential("keystone-admin", admin_credential(features), readers=["task:catalogue"])
    for secret in (FERNET_KEYS, CREDENTIAL_KEYS):
        ctx.credential(secret, {"0": Value.fernet(), "1": Value.fernet()}, seeded=True)
    config: Files = (
        *ctx.oslo_config("keystone.conf", sections(ctx, features)),
        SecretDirectory("/var/lib/keystone/fernet-keys", FERNET_KEYS),
        SecretDirectory("/var/lib/keystone/credential-keys", CREDENTIAL_KEYS),
    )
    migration = ctx.migrate_database(["keystone-manage", "db_sync"], config=config)
    bootstrap = ctx.task(
        "bootstrap",
        command=["keystone-manage", "bootstrap"],
        config=config,
        needs=["database"],
        after=[migration],
        env=bootstrap_env(ctx),
    )
    log_in = federation.choose(ctx, features)
    if log_in:
        federation.api_under_apache(ctx, log_in, config=config, after=[migration, bootstrap], replicas=REPLICAS, workers=WORKERS)
        federation.register(ctx, log_in)
    else:
        ctx.api(
            wsgi="keystone.wsgi.api:application", config=config, after=[migration, bootstrap], replicas=REPLICAS, workers=WORKERS
        )
    ctx.register_in_catalogue()
    client(ctx)
    rotations(ctx, config)
    domains(ctx, features)
    ctx.clean_database(["keystone-manage", "trust_flush"], config=config)


def sections(ctx: ServiceContext, features: KeystoneFeatures) -> dict[str, dict[str, Any]]:
    """keystone.conf."""
    conf: dict[str, dict[str, Any]] = {
        "DEFAULT": {"notification_format": "cadf"},
        "token": {"provider": "fernet", "expiration": TOKEN_HOURS * 3600, "allow_expired_window": EXPIRED_HOURS * 3600},
        "fernet_tokens": {"key_repository": "/var/lib/keystone/fernet-keys", "max_active_keys": MAX_FERNET_KEYS},
        # Receipts of a half-done multi-factor log-in are read across Pods as tokens are, and may share their keys.
        "fernet_receipts": {"key_repository": "/var/lib/keystone/fernet-keys", "max_active_keys": MAX_FERNET_KEYS},
        "credential": {"key_repository": "/var/lib/keystone/credential-keys"},
        "cache": {"enabled": True, "backend": "oslo_cache.memcache_pool", "memcache_servers": ctx.memcached_servers()},
        # bcrypt reads no more than 72 bytes of a password: a longer one is refused rather than cut.
        "identity": {"default_domain_id": features.users.admin.default_domain_id, "max_password_length": 72},
    }
    if features.domain_specific_configuration.by_name():
        conf["identity"] |= {"domain_specific_drivers_enabled": True, "domain_configurations_from_database": True}
    if ctx.deployment.spec.features.policies.strict_admin.enabled:
        admin = features.users.admin
        conf["resource"] = {"admin_project_name": admin.project_name, "admin_project_domain_name": admin.project_domain_name}
    return conf | federation.sections(ctx, features)


def admin_credential(features: KeystoneFeatures) -> dict[str, Value]:
    """The cloud's administrator, as clients need it."""
    admin = features.users.admin
    return {
        "username": Value.constant("admin"),
        "password": Value.password(),
        "project_name": Value.constant(admin.project_name),
        "user_domain_name": Value.constant(admin.user_domain_name),
        "project_domain_name": Value.constant(admin.project_domain_name),
    }


def bootstrap_env(ctx: ServiceContext) -> dict[str, Any]:
    """What keystone-manage bootstrap makes: the administrator, its project and role, and Keystone's own catalogue entry."""
    internal = ctx.url("identity")
    return {
        "OS_BOOTSTRAP_USERNAME": SecretKey(secret="keystone-admin", key="username"),
        "OS_BOOTSTRAP_PASSWORD": SecretKey(secret="keystone-admin", key="password"),
        "OS_BOOTSTRAP_PROJECT_NAME": SecretKey(secret="keystone-admin", key="project_name"),
        "OS_BOOTSTRAP_ROLE_NAME": "admin",
        "OS_BOOTSTRAP_SERVICE_NAME": "keystone",
        "OS_BOOTSTRAP_REGION_ID": ctx.deployment.spec.region_name,
        "OS_BOOTSTRAP_INTERNAL_URL": internal,
        "OS_BOOTSTRAP_ADMIN_URL": internal,
        "OS_BOOTSTRAP_PUBLIC_URL": ctx.url("identity", public=True),
    }


def client(ctx: ServiceContext) -> None:
    """A shell with the OpenStack client and the administrator's credentials, for ``kubectl exec``."""
    ctx.worker(
        "client",
        image="toolbox",
        # The shell is process 1 and would ignore SIGTERM: it must say that it does not.
        command=["bash", "-c", "trap exit TERM; while true; do sleep 3600 & wait $!; done"],
        env={**ctx.admin_env(), "HOME": "/home/openstack"},
        writable=["/home/openstack"],
        probes=Probes(command=("bash", "-c", "type openstack"), period=60),
        needs=["identity"],
        credentials=False,
    )


def rotations(ctx: ServiceContext, config: Files) -> None:
    """Key repositories that turn in the cluster: Pods see the Secret change, and read the keys for each token."""
    rotation(ctx, FERNET_KEYS, config, most=MAX_FERNET_KEYS, schedule=f"0 */{ROTATION_HOURS} * * *")
    # Credentials are encrypted again with the primary key first: it has long been everywhere, and old keys may then go.
    migrate = ["keystone-manage", "credential_migrate", "--keystone-user=keystone", "--keystone-group=keystone"]
    rotation(ctx, CREDENTIAL_KEYS, config, most=MAX_CREDENTIAL_KEYS, schedule="0 0 1 * *", before=[migrate])


def rotation(
    ctx: ServiceContext, secret: str, config: Files, *, most: int, schedule: str, before: Sequence[Sequence[str]] = ()
) -> None:
    """One repository's CronJob, which may read and replace that Secret and no other; ``before`` needs the database."""
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [secret], "verbs": ["get", "update"]}
    ctx.task(
        f"{secret.removeprefix('keystone-')}-rotate",
        schedule=schedule,
        before=before,
        command=["python3", "/opt/stackloom/programs/key_repository.py", secret, str(most)],
        config=[*config, ctx.program("key_repository.py")],
        env={"ROTATION_ID": PodField("metadata.labels['batch.kubernetes.io/job-name']")},
        account=ctx.account([rule], f"{secret}-rotate"),
        needs=["database"] if before else [],
        credentials=bool(before),
    )


def domains(ctx: ServiceContext, features: KeystoneFeatures) -> None:
    """Domains with a driver of their own. Keystone keeps their configuration in its database, passwords come from Secrets."""
    chosen = features.domain_specific_configuration.by_name()
    if not chosen:
        return
    env: dict[str, Any] = {}

    def plain(value: Any) -> Any:
        if not isinstance(value, ValueFrom):
            return value
        ref = value.value_from.secret_key_ref
        name = f"DOMAIN_SECRET_{len(env)}"
        env[name] = SecretKey(secret=ref.name, key=ref.key)
        return {"env": name}

    wanted = [
        {"name": name, "config": {s: {o: plain(v) for o, v in options.items()} for s, options in domain.config.items()}}
        for name, domain in sorted(chosen.items())
    ]
    path = "/etc/stackloom/domains.json"
    ctx.task(
        "domains",
        kind="catalogue",
        image="toolbox",
        command=["python3", "/opt/stackloom/programs/domains.py", path],
        config=[ctx.program("domains.py"), ctx.file(path, json.dumps({"domains": wanted}, indent=2) + "\n")],
        env={**ctx.admin_env(), **env},
        needs=["identity"],
        credentials=False,
    )
    ctx.allow_egress(389, 636)
