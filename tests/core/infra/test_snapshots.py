"""What each part of the infrastructure is, at each size."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from stackloom import Output
from tests.core.infra.cloud import INFRASTRUCTURE, cloud, plugins

COMPONENTS = {*INFRASTRUCTURE, "image-cache"}

Manifests = Callable[..., list[Output]]
Snapshots = Callable[[Iterable[Output]], None]


@pytest.fixture
def infrastructure(manifests: Manifests) -> Callable[..., list[Output]]:
    """The objects of the infrastructure in a deployment."""

    def found(features: dict[str, Any] | None = None, **spec: Any) -> list[Output]:
        return [o for o in manifests(cloud(features, **spec), plugins=plugins()) if o.component in COMPONENTS]

    return found


@pytest.mark.parametrize("component", sorted(COMPONENTS))
def test_small(infrastructure: Callable[..., list[Output]], assert_snapshots: Snapshots, component: str):
    assert_snapshots(o for o in infrastructure() if o.component == component)


@pytest.mark.parametrize("size", ["single", "tiny", "medium"])
def test_what_differs_at_another_size(infrastructure: Callable[..., list[Output]], assert_snapshots: Snapshots, size: str):
    usual = {o.path: o.body for o in infrastructure()}
    assert_snapshots(o for o in infrastructure(size=size) if usual.get(o.path) != o.body)
