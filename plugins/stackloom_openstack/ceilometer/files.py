"""What Ceilometer measures, and where it sends what it has heard and measured.

Which measure belongs to which resource, and what is read out of a notification, is as Ceilometer of each release has it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

# What scaling policies go by: servers, looked at as often as alarms are.
SERVERS_SECONDS = 60
SERVERS = (
    "cpu",
    "memory.available",
    "memory.usage",
    "disk.device.read.bytes",
    "disk.device.read.requests",
    "disk.device.write.bytes",
    "disk.device.write.requests",
    "network.incoming.bytes",
    "network.incoming.packets",
    "network.outgoing.bytes",
    "network.outgoing.packets",
    "power.state",
)
# What else a cloud of these services has. It changes seldom, and tells of its changes itself.
REST_SECONDS = 3600
REST = {
    "block-storage": ("volume.size", "volume.snapshot.size", "volume.backup.size"),
    "image": ("image.size",),
    "networking": ("ip.floating",),
}
# What belongs to services is no project's to be told of.
GNOCCHI = "gnocchi://?filter_project=service&filter_domain=service"
# Aodh looks for events here.
ALARMS = "notifier://?topic=alarm.all"
# Exchanges are called by their services. That of Designate is not the one that Ceilometer would listen at by itself.
EXCHANGES = ("aodh", "ceilometer", "cinder", "designate", "glance", "heat", "keystone", "neutron", "nova", "swift")

HOUR, DAY = 3600, 24 * 3600
# For alarms by the minute as far back as one can look (a hundred periods), and by five minutes for people.
KEPT = ((60, 2 * HOUR), (300, 30 * DAY))


def polled(ctx: ServiceContext) -> list[str]:
    """The services of the cloud that are asked what there is."""
    return [service for service in REST if ctx.deployment.has(service)]


def polling(ctx: ServiceContext) -> str:
    """polling.yaml."""
    rest = [name for service in polled(ctx) for name in REST[service]]
    sources: list[dict[str, Any]] = [{"name": "servers", "interval": SERVERS_SECONDS, "meters": list(SERVERS)}]
    if rest:
        sources.append({"name": "rest", "interval": REST_SECONDS, "meters": rest})
    return _yaml({"sources": sources})


def pipeline() -> str:
    """pipeline.yaml: where samples go."""
    return _yaml(
        {
            "sources": [{"name": "samples", "meters": ["*"], "sinks": ["measures"]}],
            "sinks": [{"name": "measures", "publishers": [GNOCCHI]}],
        }
    )


def event_pipeline() -> str:
    """event_pipeline.yaml: events begin and end resources, and raise alarms. Who called which API is neither."""
    return _yaml(
        {
            "sources": [{"name": "events", "events": ["*", "!audit.http.*"], "sinks": ["resources"]}],
            "sinks": [{"name": "resources", "publishers": [GNOCCHI, ALARMS]}],
        }
    )


def archive_policies() -> str:
    """How long what Ceilometer measures is kept, and how finely: in place of the five minutes that it would choose itself."""
    definition = [{"granularity": step, "timespan": span} for step, span in KEPT]
    policies = [
        {"name": name, "back_window": 0, "aggregation_methods": methods, "definition": definition}
        for name, methods in (("ceilometer-low", ["mean"]), ("ceilometer-low-rate", ["mean", "rate:mean"]))
    ]
    return json.dumps({"archive_policies": policies}, indent=2) + "\n"


def _yaml(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False)
