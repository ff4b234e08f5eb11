"""Barbican: secrets that are stored and read, and keys that it makes itself."""

from __future__ import annotations

from tests.real.boot.scenario import DOMAIN, RunningCloud, Scenario


def a_secret_is_stored_and_read_back_by_its_public_address(cloud: RunningCloud) -> None:
    manager = cloud.admin.key_manager
    made = manager.create_secret(name="word", payload="open sesame", payload_content_type="text/plain")
    assert str(made.secret_ref).startswith(f"https://barbican.{DOMAIN}/v1/secrets/")
    assert manager.get(f"/secrets/{made.secret_id}/payload", headers={"Accept": "text/plain"}).text == "open sesame"
    manager.delete_secret(made.secret_id)
    assert manager.get(f"/secrets/{made.secret_id}").status_code == 404


def a_key_that_is_ordered_is_there_at_once(cloud: RunningCloud) -> None:
    manager = cloud.admin.key_manager
    meta = {
        "name": "disk",
        "algorithm": "aes",
        "bit_length": 256,
        "mode": "xts",
        "payload_content_type": "application/octet-stream",
    }
    order = manager.create_order(type="key", meta=meta)
    found = manager.get_order(order.order_id)
    assert found.status == "ACTIVE", found
    payload = manager.get(f"/secrets/{found.secret_id}/payload", headers={"Accept": "application/octet-stream"})
    assert len(payload.content) == 32


def the_key_of_all_keys_is_in_a_secret_alone(cloud: RunningCloud) -> None:
    keys = cloud.node.secret("barbican-keys")
    assert keys["keys-1.conf"] == f"[simple_crypto_plugin]\nkek = {keys['key-1']}\nkek = {keys['key-2']}\n"
    told = cloud.node.container("barbican-api").run(["cat", "/etc/barbican/barbican.conf.d/keys.conf"])
    assert told.stdout == keys["keys-1.conf"]
    configuration = [o for o in cloud.node.objects if o["kind"] == "ConfigMap" and o["metadata"]["name"] == "barbican-etc"]
    assert len(configuration) == 1
    assert "kek" not in str(configuration)


def the_clean_up_runs(cloud: RunningCloud) -> None:
    assert cloud.node.run_now("barbican-db-purge").phase == "Succeeded"


def the_service_validates_tokens_without_an_administrators_rights(cloud: RunningCloud) -> None:
    identity = cloud.admin.identity
    (user,) = identity.get("/users?name=barbican").json()["users"]
    held = identity.get(f"/role_assignments?user.id={user['id']}&include_names=true").json()["role_assignments"]
    assert [assignment["role"]["name"] for assignment in held] == ["service"]


SCENARIO = Scenario(
    services=["key-manager"],
    shows=[
        a_secret_is_stored_and_read_back_by_its_public_address,
        a_key_that_is_ordered_is_there_at_once,
        the_key_of_all_keys_is_in_a_secret_alone,
        the_clean_up_runs,
        the_service_validates_tokens_without_an_administrators_rights,
    ],
)
