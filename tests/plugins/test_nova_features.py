from __future__ import annotations

from typing import Any

import pytest

from stackloom_openstack.nova.features import NovaFeatures, NovaNodeFeatures
from tests.plugins.cloud import CORE, cloud, problems

ENCRYPTED = {"backend": "lvm", "encryption": {"enabled": True}}


def nova(**features: Any) -> NovaFeatures:
    return cloud({"nova": features}).features_of("nova", NovaFeatures)


def test_the_defaults_are_those_of_the_reference() -> None:
    features = nova()
    assert features.vcpu_type == "host-model"
    assert features.allocation_ratios.model_dump() == {"cpu": 8.0, "disk": 1.6, "ram": 1.0}
    assert features.console.model_dump() == {"spice": {"enabled": False}, "novnc": {"enabled": True, "tls": {"enabled": False}}}
    assert not features.libvirt.tls.enabled
    assert features.images.encryption.model_dump() == {"enabled": False, "cipher": "aes-xts-plain64", "key_size": 256}
    assert features.images.lvm.volume_group == "nova-vol"


@pytest.mark.parametrize("value", ["host-model", "host-passthrough", "Skylake-Server", "Skylake-Server-noTSX-IBRS,Haswell,kvm64"])
def test_cpu_types_are_taken_alone_or_as_a_list_of_models(value: str) -> None:
    assert nova(vcpu_type=value).vcpu_type == value


def test_one_allocation_ratio_leaves_the_others_as_they_are() -> None:
    assert nova(allocation_ratios={"cpu": 4}).allocation_ratios.model_dump() == {"cpu": 4, "disk": 1.6, "ram": 1.0}


@pytest.mark.parametrize("backend", ["local", "qcow2", "raw", "lvm", "ceph"])
def test_every_backend_of_disks_is_taken(backend: str) -> None:
    assert nova(images={"backend": backend}).images.backend == backend


def test_both_consoles_may_be_offered() -> None:
    assert problems({"nova": {"console": {"spice": {"enabled": True}}}}) == []


def test_disks_are_encrypted_with_lvm_and_a_key_manager() -> None:
    assert problems({"nova": {"images": ENCRYPTED}}) == []
    assert problems({"nova": {"images": ENCRYPTED}, "services": CORE}) == ["spec.features.nova.images.encryption"]
    assert problems({"nova": {"images": {**ENCRYPTED, "backend": "raw"}}}) == ["spec.features.nova.images.encryption"]


def test_what_a_node_leaves_out_is_as_everywhere() -> None:
    own = (
        cloud(nodes={"rack::r1": {"features": {"nova": {"allocation_ratios": {"ram": 1.5}}}}})
        .spec.nodes["rack::r1"]
        .features["nova"]
    )
    assert isinstance(own, NovaNodeFeatures)
    assert own.model_dump(exclude_unset=True) == {"allocation_ratios": {"ram": 1.5}}


def test_nodes_are_judged_by_what_holds_on_them_in_the_end() -> None:
    on_nodes = {"rack::r1": {"features": {"nova": {"images": {"encryption": {"enabled": True}}}}}}
    path = "spec.nodes.rack::r1.features.nova.images.encryption"
    assert problems(nodes=on_nodes) == [path]
    assert problems({"nova": {"images": {"backend": "lvm"}}}, nodes=on_nodes) == []
    assert problems(
        {"nova": {"images": ENCRYPTED}}, nodes={"rack::r1": {"features": {"nova": {"images": {"backend": "raw"}}}}}
    ) == [path]
