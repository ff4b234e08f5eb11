from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from stackloom import StackloomError
from stackloom.spec.loader import load
from stackloom.spec.source import Source, read
from stackloom_openstack.nova.features import NovaNodeFeatures
from tests.bad_inputs import patched
from tests.plugins.cloud import services

EXAMPLE = Path(__file__).parent.parent / "core" / "spec" / "mirantis_example.yaml"


def test_a_deployment_of_mirantis_is_read_as_it_is() -> None:
    deployment = load(read(EXAMPLE), services())
    assert len(deployment.selected) == 17
    own = deployment.spec.nodes["rack::r1"].features["nova"]
    assert isinstance(own, NovaNodeFeatures)
    assert (own.live_migration_interface, own.images.backend) == ("ens4", "local")


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"features": {"services": ["identity", "shared-file-system"]}}, "spec.features.services[1]"),
        ({"features": {"services": ["identity", "cloudprober"]}}, "spec.features.services[1]"),
        ({"features": {"stacklight": {"user": {"username": "sl"}}}}, "spec.features.stacklight.user"),
        ({"common": {"openstack": {"values": {"pod": {}}}}}, "spec.common.openstack"),
        (
            {
                "features": {
                    "database": {"backup": {"sync_remote": {"remotes": {"s3main": {"conf": {"secret_access_key": "SK"}}}}}}
                }
            },
            "spec.features.database.backup.sync_remote.remotes.s3main.conf.secret_access_key",
        ),
    ],
)
def test_what_the_example_leaves_out_is_what_is_refused(spec: dict[str, Any], path: str) -> None:
    data = patched(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")), {"spec": spec})
    with pytest.raises(StackloomError) as refused:
        load(Source.from_mapping(data), services())
    assert [p.path for p in refused.value.problems] == [path]
