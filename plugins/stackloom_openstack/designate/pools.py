"""The pool of name servers that Designate hands zones to, as the Job tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from stackloom_openstack.designate import powerdns
from stackloom_openstack.designate.conf import MDNS_HOST, MDNS_PORT
from stackloom_openstack.designate.features import DesignateFeatures

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Files, Part

FILE = "/etc/designate/pools.yaml"
KEY = "POWERDNS_API_KEY"


def tell(ctx: ServiceContext, *, config: Files, after: list[Part]) -> None:
    """The Job that enters the pool, and changes it with the file."""
    text = yaml.safe_dump(pools(ctx), sort_keys=False)
    ctx.task(
        "pools",
        command=["python3", "/opt/stackloom/programs/dns_pools.py", FILE],
        config=[*config, ctx.program("dns_pools.py"), ctx.file(FILE, text)],
        env={**ctx.bus_env("messaging"), KEY: powerdns.api_key()},
        credentials=False,
        needs=["messaging"],
        after=after,
    )


def pools(ctx: ServiceContext) -> list[dict[str, Any]]:
    """One pool, called as the one that Designate has from the start. Each worker makes, notifies and asks the PowerDNS beside it.

    All addresses are numbers: names would be taken, and stop central, which takes none from the database.
    """
    names = ctx.features_as(DesignateFeatures).nameservers or [f"ns.{ctx.deployment.spec.public_domain_name}"]
    here = {"host": "127.0.0.1", "port": powerdns.PORT}
    target = {
        "type": "pdns4",
        "description": "PowerDNS beside the worker",
        "masters": [{"host": MDNS_HOST, "port": MDNS_PORT}],
        "options": {
            **here,
            "api_endpoint": f"http://127.0.0.1:{powerdns.API_PORT}",
            "api_token": f"${{{KEY}}}",
        },
    }
    return [
        {
            "name": "default",
            "description": "Zones of this cloud",
            "attributes": {},
            "ns_records": [{"hostname": f"{name}.", "priority": i} for i, name in enumerate(names, 1)],
            "nameservers": [here],
            "targets": [target],
        }
    ]
