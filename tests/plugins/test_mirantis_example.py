from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from stackloom import StackloomError
from stackloom.spec.loader import load
from stackloom.spec.source import Source, read
from stackloom_openstack.nova.features import NovaNodeFeatures
from tests.bad_inputs import patched
from tests.plugins.cloud import services

IN_CLEAR = "a secret must not stand here in clear: it would be readable in Git"
EXAMPLE = Path(__file__).parent.parent / "core" / "spec" / "mirantis_example.yaml"


def test_a_deployment_of_mirantis_is_read_as_it_is() -> None:
    deployment = load(read(EXAMPLE), services())
    assert len(deployment.selected) == 17
    own = deployment.spec.nodes["rack::r1"].features["nova"]
    assert isinstance(own, NovaNodeFeatures)
    assert (own.live_migration_interface, own.images.backend) == ("ens4", "local")


def test_what_the_example_leaves_out_is_refused_with_the_reason() -> None:
    example = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    s3 = {"backup": {"sync_remote": {"remotes": {"s3main": {"conf": {"secret_access_key": "SK"}}}}}}
    asked = [*example["spec"]["features"]["services"], "shared-file-system", "cloudprober"]
    features = {"services": asked, "stacklight": {"user": {"username": "sl"}}, "database": s3}
    data = patched(example, {"spec": {"features": features, "common": {"openstack": {"values": {"pod": {}}}}}})
    with pytest.raises(StackloomError) as refused:
        load(Source.from_mapping(data), services())
    assert {p.path: p.what for p in refused.value.problems} == {
        "spec.common": "is not supported: there are no Helm charts here that could take values",
        "spec.features.database.backup.sync_remote.remotes.s3main.conf.secret_access_key": IN_CLEAR,
        "spec.features.services[17]": "shared-file-system is not supported yet",
        "spec.features.services[18]": "cloudprober is not supported yet",
        "spec.features.stacklight.user": "is not supported: the account is made with the other credentials",
    }
