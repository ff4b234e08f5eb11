"""Aodh's manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackloom import BySize, SecretFile
from stackloom_openstack.aodh import accounts
from stackloom_openstack.aodh.files import AUDIT_MAP, PASTE

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

REPLICAS = BySize(tiny=3, small=3, medium=5)
API_WORKERS = BySize(single=2, tiny=2, small=4, medium=4)
DAY = 24 * 60 * 60
AUTHORITY = "/etc/aodh/public/ca.crt"
# Where actions are sent to, and Keystone is asked for trusts. Alarms are users', and so are the addresses in them.
WEB = (80, 443)
RUN, BUNDLE = "/run/aodh", "/run/aodh/trusted.pem"


def build(ctx: ServiceContext) -> None:
    """Database, API, the three that watch, listen and act; the catalogue, and what removes old history."""
    config = ctx.oslo_config("aodh.conf", sections(ctx))
    migration = ctx.migrate_database(["aodh-dbsync"], config=config)
    registered = ctx.register_in_catalogue()
    audit_map = ctx.file("/etc/aodh/api_audit_map.conf", AUDIT_MAP)
    authority = ctx.public_authority(AUTHORITY)
    ctx.api(
        # Not in aodh.wsgi, which Epoxy does not have: this is what that calls.
        wsgi="aodh.api.app:build_wsgi_app()",
        config=[*config, audit_map, ctx.paste("api-paste.ini", PASTE, audit_map=audit_map), *trusted(authority)],
        # It makes trusts at Keystone's public address, whatever interface it is told.
        env={**accounts.env(ctx), **trust(authority)},
        before=preparation(authority),
        writable=[RUN],
        after=[migration, registered],
        replicas=REPLICAS,
        workers=API_WORKERS,
    )
    ctx.worker(
        "evaluator",
        command=["aodh-evaluator"],
        config=[*config, *ctx.coordination_files()],
        # Who looks after which alarms stands in etcd. The address counts as a secret in the file.
        env={**worker_env(ctx), "OS_COORDINATION__BACKEND_URL": ctx.coordination_url()},
        credentials=False,
        after=[migration, registered],
        replicas=REPLICAS,
        # It hears no bus: it looks into the database by the clock.
        connected_to="OS_DATABASE__CONNECTION",
    )
    ctx.worker(
        "listener",
        command=["aodh-listener"],
        config=config,
        env=worker_env(ctx),
        credentials=False,
        after=[migration, registered],
        replicas=REPLICAS,
    )
    ctx.worker(
        # It calls addresses, Heat's public ones among them, and knows no database.
        "notifier",
        command=["aodh-notifier"],
        config=[*config, *trusted(authority)],
        env={**ctx.bus_env(), **accounts.env(ctx), **trust(authority)},
        before=preparation(authority),
        writable=[RUN],
        credentials=False,
        needs=["identity", "notifications"],
        after=[registered],
        replicas=REPLICAS,
    )
    ctx.allow_egress(*WEB)
    if ctx.deployment.cleanup_of(ctx.service):
        ctx.clean_database(["aodh-expirer"], config=config)


def worker_env(ctx: ServiceContext) -> dict[str, Any]:
    """What those need who answer no users."""
    return {**ctx.database_env(), **ctx.bus_env(), **accounts.env(ctx)}


def trusted(authority: SecretFile | None) -> list[SecretFile]:
    """The cloud's own authority, for what calls public addresses. What an issuer has signed is trusted without it."""
    return [authority] if authority else []


def preparation(authority: SecretFile | None) -> list[list[str]]:
    """It is trusted beside all that everybody trusts: users' alarms call others, too."""
    return [["sh", "-ec", f'cat "$(python3 -m certifi)" {authority.path} > {BUNDLE}']] if authority else []


def trust(authority: SecretFile | None) -> dict[str, str]:
    """The variable that has Python's clients trust both."""
    return {"REQUESTS_CA_BUNDLE": BUNDLE} if authority else {}


def sections(ctx: ServiceContext) -> dict[str, dict[str, Any]]:
    """aodh.conf."""
    cleanup = ctx.deployment.cleanup_of(ctx.service)
    return {
        # Tried three times in all: a scaling that was missed is not made up for.
        "DEFAULT": {"rest_notifier_max_retries": 2},
        "api": {
            # As whom Ceilometer writes: what it has measured of a project is the project's.
            "gnocchi_external_project_owner": accounts.TRUSTEE.project,
            "gnocchi_external_domain_name": accounts.TRUSTEE.domain,
        },
        "database": {"alarm_history_time_to_live": cleanup.age * DAY} if cleanup and cleanup.age else {},
        "service_credentials": accounts.section(ctx),
    }
