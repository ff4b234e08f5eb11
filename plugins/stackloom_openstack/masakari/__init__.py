"""Instance high availability: Masakari."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Cleanup, Service, hookimpl
from stackloom_openstack.masakari.features import MasakariFeatures


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Masakari."""
    yield Service(
        name="masakari",
        type="instance-ha",
        features=MasakariFeatures,
        requires=frozenset({"cache", "compute", "coordination", "database", "identity", "messaging"}),
        uses=frozenset({"notifications"}),
        conf=("masakari", "masakarimonitors"),
        cleanup=Cleanup(schedule="1 3 * * 1", batch=1000),
    )
