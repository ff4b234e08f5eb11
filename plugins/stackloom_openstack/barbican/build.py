"""Barbican's manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackloom import BySize
from stackloom_openstack.barbican import keys, vault
from stackloom_openstack.barbican.features import BarbicanFeatures
from stackloom_openstack.barbican.files import AUDIT_MAP, PASTE

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Files


def build(ctx: ServiceContext) -> None:
    """Database, API, catalogue. Orders are carried out where they come in, so that there is neither a worker nor a bus."""
    chosen = ctx.features_as(BarbicanFeatures).backends.vault
    config = ctx.oslo_config("barbican.conf", sections(ctx) | vault.sections(chosen))
    encrypting: Files = (*config, keys.key_file(ctx))
    audit_map = ctx.file("/etc/barbican/api_audit_map.conf", AUDIT_MAP)
    migration = ctx.migrate_database(["barbican-manage", "db", "upgrade"], config=config)
    ctx.api(
        # Not in barbican.wsgi, which Epoxy does not have: this is what that calls.
        wsgi="barbican.api.app:get_api_wsgi_script()",
        config=[*encrypting, *vault.files(chosen), audit_map, ctx.paste("barbican-api-paste.ini", PASTE, audit_map=audit_map)],
        env=vault.env(chosen),
        after=[migration],
        replicas=BySize(tiny=3, small=3, medium=4),
        workers=BySize(single=2, tiny=2, small=4, medium=4),
    )
    vault.open_network(ctx, chosen)
    keys.rewrap(ctx, config=encrypting, after=migration)
    ctx.register_in_catalogue()
    clean_database(ctx, config)


def sections(ctx: ServiceContext) -> dict[str, dict[str, Any]]:
    """barbican.conf, but for Vault. Secrets are encrypted with the keys of the file beside it, unless something else is said."""
    # Secrets are known by their address, which others keep: it is the same whoever asks, and whatever a request says of its host.
    return {"DEFAULT": {"host_href": ctx.url("key-manager", public=True, path=False)}}


def clean_database(ctx: ServiceContext, config: Files) -> None:
    """Remove rows that were deleted long ago. Secrets that expired stay, because what Vault has of them would stay for ever."""
    cleanup = ctx.deployment.cleanup_of(ctx.service)
    if cleanup:
        ctx.clean_database(["barbican-manage", "db", "clean", "--min-days", str(cleanup.age)], config=config)
