"""Heat's manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackloom import BySize, SecretKey, Value
from stackloom_openstack.heat import accounts
from stackloom_openstack.heat.files import ENVIRONMENT, PASTE

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Files, Part

KEY_SECRET = "heat-auth-encryption-key"
KEY_LENGTH = 32  # no more and no less: the engine does not start otherwise

API_REPLICAS = BySize(tiny=3, small=3, medium=3)
API_WORKERS = BySize(single=2, tiny=2, small=4, medium=4)
ENGINES = BySize(tiny=3, small=3, medium=15)
ENGINE_WORKERS = BySize(single=4, tiny=1, small=6, medium=6)


def build(ctx: ServiceContext) -> None:
    """Database, accounts, the two APIs, the engine that does the work, and what keeps the database small."""
    ctx.credential(KEY_SECRET, {"key": Value.password(KEY_LENGTH)})
    config = ctx.oslo_config("heat.conf", sections(ctx), accounts=["ec2authtoken"])
    migration = ctx.migrate_database(["heat-manage", "db_sync"], config=config)
    registered = ctx.register_in_catalogue()
    apis(ctx, config=[*config, ctx.paste("api-paste.ini", PASTE)], after=[migration, registered])
    ctx.worker(
        "engine",
        command=["heat-engine"],
        config=[*config, ctx.file("/etc/heat/environment.d/default.yaml", ENVIRONMENT, key="environment.yaml")],
        env={**accounts.engine_env(ctx), "OS_DEFAULT__AUTH_ENCRYPTION_KEY": SecretKey(secret=KEY_SECRET, key="key")},
        after=[migration, registered],
        replicas=ENGINES,
    )
    # Engines are known by the names of their Pods, which never come back: nobody but this removes those that are gone.
    clean = ["heat-manage", "service", "clean"]
    ctx.task("engine-cleaner", schedule="17 * * * *", command=clean, config=config, needs=["database"])
    if cleanup := ctx.deployment.cleanup_of(ctx.service):
        ctx.clean_database(
            ["heat-manage", "purge_deleted", "--granularity", "days", "--batch_size", str(cleanup.batch), str(cleanup.age)],
            config=config,
        )


def apis(ctx: ServiceContext, *, config: Files, after: list[Part]) -> None:
    """The API of users, and that of CloudFormation, through which servers signal. Both ask the engine, and no database."""
    database = ctx.database_env()
    env = {name: value for name, value in ctx.service_env().items() if name not in database}
    for role, wsgi in (("api", "heat.wsgi.api:application"), ("cfn", "heat.wsgi.cfn:application")):
        ctx.api(
            role,
            endpoint=role,
            wsgi=wsgi,
            config=config,
            after=after,
            replicas=API_REPLICAS,
            workers=API_WORKERS,
            env=env,
            credentials=False,
        )


def sections(ctx: ServiceContext) -> dict[str, dict[str, Any]]:
    """heat.conf."""
    conf: dict[str, dict[str, Any]] = {
        "DEFAULT": {
            "num_engine_workers": ctx.by_size(ENGINE_WORKERS),
            "region_name_for_services": ctx.deployment.spec.region_name,
            # What servers are told: they live outside the cluster, and call by TLS.
            "server_keystone_endpoint_type": "public",
            "instance_connection_is_secure": "1",
            # Passwords among parameters and properties would be read in the database, and in each of its backups.
            "encrypt_parameters_and_properties": True,
        },
        "clients": {"endpoint_type": "internalURL"},
        # Heat's own addresses are for servers: where they signal, and read their metadata.
        "clients_heat": {"endpoint_type": "publicURL"},
        # The engine itself logs in here. What servers get is said above.
        "clients_keystone": {"auth_uri": ctx.url("identity", path=False)},
    }
    own = accounts.sections(ctx)
    return {group: {**conf.get(group, {}), **own.get(group, {})} for group in (*conf, *own)}
