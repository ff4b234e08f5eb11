from __future__ import annotations

from pathlib import Path

import pytest

from stackloom.errors import StackloomError
from stackloom.spec.deployment import Metadata, OpenStackDeployment, Spec
from stackloom.spec.features import Features
from stackloom.spec.loader import load
from stackloom.spec.source import Source, read
from tests.core.spec.cloud import SERVICES, KeystoneFeatures, NovaFeatures
from tests.core.spec.written_in_python import CLOUD

SAME_IN_YAML = """\
apiVersion: lcm.mirantis.com/v1alpha1
kind: OpenStackDeployment
metadata: {name: cloud}
spec:
  openstack_version: gazpacho
  preset: core
  size: single
  public_domain_name: cloud.example.org
  credentials: {provider: existing}
  features:
    ssl:
      public_endpoints:
        ca_cert: {value_from: {secret_key_ref: {name: tls, key: ca}}}
        api_cert: {value_from: {secret_key_ref: {name: tls, key: cert}}}
        api_key: {value_from: {secret_key_ref: {name: tls, key: key}}}
    policies: {nova: {"os_compute_api:servers:create": "rule:project_member_or_admin"}}
    keystone: {token_hours: 8}
    nova: {live_migration_interface: ens3}
  services: {identity: {keystone: {values: {conf: {keystone: {token: {expiration: 3600}}}}}}}
  nodes: {"rack::r1": {features: {nova: {live_migration_interface: ens4}}}}
"""


def test_a_deployment_in_python_is_the_one_in_yaml(tmp_path: Path) -> None:
    file = tmp_path / "deployment.yaml"
    file.write_text(SAME_IN_YAML, encoding="utf-8")
    assert Source.from_model(CLOUD).data == read(file).data
    assert load(Source.from_model(CLOUD), SERVICES).model_dump() == load(read(file), SERVICES).model_dump()


def test_what_is_wrong_in_python_is_told_by_key_path() -> None:
    features = Features(
        keystone=KeystoneFeatures(token_hours=99), keyston=KeystoneFeatures(), nova=NovaFeatures(live_migration_interface="e0")
    )
    spec = Spec(openstack_version="epoxy", preset="core", size="tiny", public_domain_name="a.example.org", features=features)
    with pytest.raises(StackloomError) as error:
        load(Source.from_model(OpenStackDeployment(metadata=Metadata(name="cloud"), spec=spec), "cloud.py"), SERVICES)
    assert [str(p) for p in error.value.problems] == [
        "cloud.py: spec.features.keyston: is not a known key. Did you mean 'keystone'?",
        "cloud.py: spec.features.keystone.token_hours: a token lives longer than a day. Write at most 24",
    ]
