"""Gateways of the cloud's own: radosgw in front of Ceph, with Keystone behind both of its APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stackloom import BySize, Resources, SecretFile

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Part

USER = "rgw"
# It makes its pools itself, as many as its zone and its placements have, and works in none that are marked for something else.
RIGHTS = {"mon": "allow rw", "osd": "allow rwx tag rgw *=*"}
HEALTH = "/swift/healthcheck"
REPLICAS = BySize(tiny=2, small=3, medium=3)

# The user of Ceph's image.
_CEPH_UID = 167
_PASSWORD = "/etc/ceph-rgw/keystone-password"
_LEVELS = {"DEBUG": "20", "INFO": "1", "WARNING": "0", "ERROR": "0", "CRITICAL": "0"}

# What an operator cannot say otherwise: the catalogue, the probes or the network would not fit.
SETTLED = frozenset(
    {
        "rgw_frontends",
        "rgw_keystone_admin_domain",
        "rgw_keystone_admin_password",
        "rgw_keystone_admin_password_path",
        "rgw_keystone_admin_project",
        "rgw_keystone_admin_tenant",
        "rgw_keystone_admin_token",
        "rgw_keystone_admin_token_path",
        "rgw_keystone_admin_user",
        "rgw_keystone_api_version",
        "rgw_keystone_url",
        "rgw_swift_account_in_url",
        "rgw_swift_url_prefix",
    }
)


def run(ctx: ServiceContext, given: Mapping[str, object], *, after: Part) -> None:
    """Run them, with the operator's options over their own. All log in to Ceph as one user."""
    keyring = f"/etc/ceph/ceph.client.{USER}.keyring"
    # Ceph's own file is all addresses of monitors, and comes from a Secret; the options stand where they can be reviewed.
    command = ["radosgw", "-f", f"--name=client.{USER}", f"--keyring={keyring}", "--log_to_stderr=true"]
    command += [f"--debug_rgw={_LEVELS[ctx.log_level]}"]
    command += [f"--{name}={_text(value)}" for name, value in sorted({**options(ctx), **given}.items())]
    password = ctx.login(ctx.name).password
    ctx.api(
        command=command,
        config=[ctx.ceph_files(USER, rights=RIGHTS), SecretFile(_PASSWORD, password.secret, password.key)],
        credentials=False,
        writable=["/var/run/ceph"],  # where `ceph daemon` finds it
        after=[after],
        replicas=REPLICAS,
        resources=Resources(cpu="500m", memory="1Gi", memory_limit="4Gi"),
        health=HEALTH,
        user=_CEPH_UID,
        grace_seconds=130,  # it lets requests end for two minutes
    )


def options(ctx: ServiceContext) -> dict[str, str | bool]:
    """What a gateway must be told: what it serves, and as whom it asks Keystone whose a token or a signature is."""
    account = ctx.login(ctx.name)
    (user,) = ctx.service.accounts
    return {
        "rgw_frontends": f"beast port={ctx.endpoint(ctx.service.type).port}",
        # Users come from Keystone alone: neither the API of Ceph's administrators nor Swift's own passwords are of use.
        "rgw_enable_apis": "s3, swift",
        "rgw_keystone_url": ctx.url("identity", path=False),
        "rgw_keystone_api_version": "3",
        "rgw_keystone_admin_user": account.username,
        "rgw_keystone_admin_password_path": _PASSWORD,
        "rgw_keystone_admin_project": str(user.project),
        "rgw_keystone_admin_domain": user.domain,
        "rgw_keystone_accepted_roles": "member, admin",
        # Projects may have buckets of the same name.
        "rgw_keystone_implicit_tenants": True,
        "rgw_s3_auth_use_keystone": True,
        # The catalogue names the project in the path.
        "rgw_swift_account_in_url": True,
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
