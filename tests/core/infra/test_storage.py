from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from stackloom.errors import StackloomError
from stackloom.infra.storage import STORAGE
from tests.core.constructs.conftest import Built
from tests.core.infra.built import built

AGENT = "DaemonSet/local-volume-provisioner"


@pytest.fixture
def storage(tmp_path: Path) -> Built:
    return built(STORAGE, tmp_path)


def test_each_mount_below_the_directory_becomes_a_volume_of_the_class_for_local_volumes(tmp_path: Path) -> None:
    storage = built(
        STORAGE, tmp_path, local_volume_storage_class="disks", features={"local_volumes": {"directory": "/srv/disks"}}
    )
    given = yaml.safe_load(storage.context.config_files["storageClassMap"].text)
    assert given == {"disks": {"hostDir": "/srv/disks", "mountDir": "/srv/disks", "volumeMode": "Filesystem"}}
    (directory,) = [v for v in storage.pod(AGENT)["volumes"] if "hostPath" in v]
    assert directory["hostPath"] == {"path": "/srv/disks", "type": "DirectoryOrCreate"}
    assert storage["StorageClass/disks"]["volumeBindingMode"] == "WaitForFirstConsumer"


def test_the_provisioner_sees_what_is_mounted_later_and_can_write_nothing(storage: Built) -> None:
    (mount,) = [m for m in storage.container(AGENT)["volumeMounts"] if m["mountPath"] == "/mnt/local-volumes"]
    assert mount["mountPropagation"] == "HostToContainer"
    assert mount["readOnly"]
    security = storage.container(AGENT)["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["DAC_READ_SEARCH"]}
    assert "privileged" not in security


def test_a_volume_whose_claim_is_gone_keeps_its_data_and_nothing_may_delete_it(storage: Built) -> None:
    assert storage["StorageClass/openstack-operator-bind-mounts"]["reclaimPolicy"] == "Retain"
    rules = {rule["resources"][0]: rule["verbs"] for rule in storage["ClusterRole/openstack-local-volume-provisioner"]["rules"]}
    assert rules["persistentvolumes"] == ["list", "watch", "create"]
    assert not any("delete" in verbs or "*" in verbs for verbs in rules.values())


def test_what_belongs_to_the_whole_cluster_is_named_after_the_namespace_and_has_none(storage: Built) -> None:
    binding = storage["ClusterRoleBinding/openstack-local-volume-provisioner"]
    assert binding["roleRef"]["name"] == "openstack-local-volume-provisioner"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "local-volume-provisioner", "namespace": "openstack"}]
    wide = [b for b in storage.bodies() if b["kind"] in ("ClusterRole", "ClusterRoleBinding", "StorageClass")]
    assert len(wide) == 3
    assert not any("namespace" in b["metadata"] for b in wide)


def test_a_stray_directory_makes_it_not_ready_and_restarts_nothing(storage: Built) -> None:
    container = storage.container(AGENT)
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/metrics"
    assert "startupProbe" not in container


def test_only_control_plane_nodes_offer_volumes(storage: Built) -> None:
    assert storage.pod(AGENT)["nodeSelector"] == {"openstack-control-plane": "enabled"}


def test_nothing_is_made_where_the_class_is_somebody_elses(tmp_path: Path) -> None:
    assert built(STORAGE, tmp_path, features={"local_volumes": {"enabled": False}}).bodies() == []


@pytest.mark.parametrize("directory", ["/", "mnt/disks", "/mnt/", "/mnt/../etc", "/mnt/my disks"])
def test_the_directory_is_written_plainly(tmp_path: Path, directory: str) -> None:
    with pytest.raises(StackloomError) as error:
        built(STORAGE, tmp_path, features={"local_volumes": {"directory": directory}})
    (problem,) = error.value.problems
    hint = "Write it whole and plainly, like /mnt/local-volumes"
    expected: Any = ("spec.features.local_volumes.directory", f"{directory!r} is not a directory of its own", hint)
    assert (problem.path, problem.what, problem.hint) == expected
