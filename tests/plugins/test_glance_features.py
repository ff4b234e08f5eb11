from __future__ import annotations

import pytest

from stackloom_openstack.glance.features import GlanceFeatures
from tests.plugins.cloud import CORE, cloud, problems

PASSWORD = {"value_from": {"secret_key_ref": {"name": "glance-cinder", "key": "password"}}}


def glance(**backends: object) -> GlanceFeatures:
    return cloud({"glance": {"backends": backends}}).features_of("glance", GlanceFeatures)


def test_without_a_word_on_stores_there_are_none_and_nothing_is_signed() -> None:
    features = cloud().features_of("glance", GlanceFeatures)
    assert list(features.backends.stores()) == []
    assert not features.signature.enabled


def test_stores_of_all_types_stand_beside_each_other() -> None:
    features = glance(
        rbd={"fast": {"default": True, "rbd_store_pool": "images-fast"}},
        cinder={"block": {"backend_name": "lvm:lvm-backend"}},
        file={"shared": {"pvc": {"size": "1.5Ti", "storage_class_name": "nfs"}}},
    )
    assert [(kind, name) for kind, name, _ in features.backends.stores()] == [
        ("cinder", "block"),
        ("rbd", "fast"),
        ("file", "shared"),
    ]
    assert features.backends.rbd["fast"].model_extra == {"rbd_store_pool": "images-fast"}


def test_a_stores_password_may_stay_in_a_secret() -> None:
    store = {"default": True, "cinder_volume_type": "images", "cinder_store_password": PASSWORD}
    assert "cinder_store_password" in (glance(cinder={"a": store}).backends.cinder["a"].model_extra or {})


@pytest.mark.parametrize("size", ["0", "0Gi", "-1Gi", "10 Gi", "10gb", "Gi", ""])
def test_a_volume_of_files_has_a_size(size: str) -> None:
    file = {"a": {"default": True, "pvc": {"size": size, "storage_class_name": "nfs"}}}
    assert problems({"glance": {"backends": {"file": file}}}) == ["spec.features.glance.backends.file.a.pvc.size"]


def test_signatures_are_fine_where_there_is_a_key_manager() -> None:
    signature = {"enabled": True}
    assert problems({"glance": {"signature": signature}}) == []
    assert problems({"glance": {"signature": signature}, "services": CORE}) == ["spec.features.glance.signature.enabled"]


def test_problems_of_stores_are_told_together() -> None:
    stores = {"cinder": {"a": {}, "b": {"cinder_volume_type": "x", "backend_name": "x:y"}}}
    assert problems({"glance": {"backends": stores}, "services": CORE}) == [
        "spec.features.glance.backends",
        "spec.features.glance.backends.cinder",
        "spec.features.glance.backends.cinder.a",
        "spec.features.glance.backends.cinder.b.backend_name",
    ]
