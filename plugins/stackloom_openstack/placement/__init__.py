"""What resources there are and who has taken them: Placement."""

from __future__ import annotations

from collections.abc import Iterable

from stackloom import Service, hookimpl


@hookimpl
def stackloom_services() -> Iterable[Service]:
    """Placement."""
    yield Service(
        name="placement",
        type="placement",
        presets=frozenset({"compute", "compute-tf", "core"}),
        requires=frozenset({"cache", "database", "identity"}),
        conf=("placement",),
    )
