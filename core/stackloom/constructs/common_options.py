"""What every service says in its configuration, so that no plugin does: who it is, how it reaches what it stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackloom.constructs import access
from stackloom.model.names import BUS_OPTIONS

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

Options = dict[str, Any]
# Each Pod has a /tmp of its own, which its containers share: locks are among the processes of one Pod.
LOCKS = "/tmp/locks"  # noqa: S108 - in the container


def common_options(ctx: ServiceContext, directory: str) -> dict[str, Options]:
    """The sections that follow from the service's record; ``directory`` is that of its files."""
    service = ctx.service
    return {
        "DEFAULT": {"debug": ctx.log_level == "DEBUG", "log_config_append": f"{directory}/logging.conf"},
        "oslo_policy": {"policy_file": f"{directory}/policy.yaml"},
        "oslo_concurrency": {"lock_path": LOCKS},
        # The database fails over: a service waits for it, and does not give up.
        **{database.group: {"max_retries": -1} for database in service.databases if database.group and not database.user_of},
        **({"oslo_middleware": {"enable_proxy_headers_parsing": True}} if service.endpoints else {}),
        **({"oslo_messaging_rabbit": access.bus_options()} if service.needs & BUS_OPTIONS.keys() else {}),
        **({"oslo_messaging_notifications": access.notifications(ctx)} if "notifications" in service.needs else {}),
        **({"keystone_authtoken": access.keystone_authtoken(ctx)} if service.user else {}),
    }
