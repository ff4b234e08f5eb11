"""The key manager: Barbican."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Cleanup, Service, hookimpl
from stackloom_openstack.barbican.features import BarbicanFeatures
from stackloom_openstack.barbican.rules import rules


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Barbican."""
    yield Service(
        name="barbican",
        type="key-manager",
        features=BarbicanFeatures,
        rules=rules,
        presets=frozenset({"compute", "compute-tf"}),
        requires=frozenset({"cache", "database", "identity"}),
        uses=frozenset({"notifications"}),
        conf=("barbican",),
        cleanup=Cleanup(schedule="1 4 * * 1"),
    )
