from __future__ import annotations

import pytest

from stackloom.manifests.files import ConfigFile, File, SecretDirectory, SecretFile, mounts_and_volumes

CONF = ConfigFile("/etc/glance/glance-api.conf", "glance-etc", "glance-api.conf", "a")
POLICY = ConfigFile("/etc/glance/policy.yaml", "glance-etc", "policy.yaml", "b")
KEY = SecretFile("/etc/glance/tls/tls.key", "glance-tls", "tls.key")
FERNET = SecretDirectory("/var/lib/keystone/fernet-keys", "keystone-fernet-keys")


def sources(*files: File) -> dict[str, list[dict]]:
    """What is mounted where, for one container with these files."""
    (mounts,), volumes = mounts_and_volumes([files])
    by_name = {v["name"]: v["projected"]["sources"] for v in volumes}
    return {m["mountPath"]: by_name[m["name"]] for m in mounts}


def test_files_of_one_directory_come_from_one_volume_in_the_order_of_their_paths():
    assert sources(POLICY, CONF) == {
        "/etc/glance": [
            {
                "configMap": {
                    "name": "glance-etc",
                    "items": [
                        {"key": "glance-api.conf", "path": "glance-api.conf"},
                        {"key": "policy.yaml", "path": "policy.yaml"},
                    ],
                }
            }
        ]
    }


def test_a_directory_inside_another_is_part_of_its_volume():
    found = sources(CONF, KEY)
    assert list(found) == ["/etc/glance"]
    assert found["/etc/glance"][1] == {"secret": {"name": "glance-tls", "items": [{"key": "tls.key", "path": "tls/tls.key"}]}}


def test_a_directory_whose_name_only_begins_like_another_is_not_inside_it():
    other = ConfigFile("/etc/glance-extra/x.conf", "glance-etc", "x.conf", "c")
    assert list(sources(CONF, other)) == ["/etc/glance", "/etc/glance-extra"]


def test_a_file_given_twice_is_mounted_once():
    assert sources(CONF, CONF) == sources(CONF)


def test_a_secret_directory_follows_all_keys_of_its_secret():
    assert sources(FERNET) == {"/var/lib/keystone/fernet-keys": [{"secret": {"name": "keystone-fernet-keys"}}]}


def test_a_secret_directory_inside_another_mount_is_refused_because_its_keys_are_not_known():
    inside = SecretDirectory("/etc/glance/keys", "glance-keys")
    with pytest.raises(ValueError, match="glance-keys cannot be mounted at /etc/glance/keys, inside /etc/glance"):
        mounts_and_volumes([[CONF, inside]])


def test_the_mode_of_a_file_is_kept():
    script = ConfigFile("/usr/local/bin/run.sh", "glance-bin", "run.sh", "#!/bin/sh\n", 0o550)
    ((source,),) = sources(script).values()
    assert source["configMap"]["items"][0]["mode"] == 0o550


def test_containers_that_read_the_same_files_share_a_volume():
    mounts, volumes = mounts_and_volumes([[CONF], [CONF]])
    assert [v["name"] for v in volumes] == ["etc-glance"]
    assert mounts[0] == mounts[1] == [{"name": "etc-glance", "mountPath": "/etc/glance", "readOnly": True}]


def test_a_container_does_not_see_the_secrets_of_another():
    mounts, volumes = mounts_and_volumes([[CONF, KEY], [CONF]])
    names = [m["name"] for own in mounts for m in own]
    assert names == ["etc-glance", "etc-glance-2"]
    assert "glance-tls" not in str(next(v for v in volumes if v["name"] == "etc-glance-2"))


def test_files_are_readable_by_the_pods_group_alone():
    _, (volume,) = mounts_and_volumes([[CONF]])
    assert volume["projected"]["defaultMode"] == 0o440


def test_no_files_need_no_volumes():
    assert mounts_and_volumes([[], ()]) == ([[], []], [])
