from __future__ import annotations

from typing import Any

import pytest

from stackloom.checks import secrets_clear
from tests.core.checks.cloud import API, FIRST, body, changed, cloud, said

HINT = "Describe it as a Credential and refer to it by secretKeyRef, or mount it"
CONTAINER = f"{API}: spec.template.spec.containers[0]"
CONFIG = "keystone/ConfigMap/keystone-etc"


def in_env(name: str, value: str) -> list[str]:
    return said(secrets_clear.check, changed(API, *FIRST, "env", 0, to={"name": name, "value": value}))


def in_file(name: str, text: str) -> list[str]:
    return said(secrets_clear.check, changed(CONFIG, "data", to={name: text}))


@pytest.mark.parametrize("field", ["data", "stringData"])
def test_a_secret_is_not_written(field: str) -> None:
    assert said(secrets_clear.check, cloud({**body("Secret", "x"), field: {"k": "aHVudGVyMg=="}})) == [
        f"extra (stackloom-extra 1.0): extra/Secret/x: data: a Secret must not be written with its data. {HINT}"
    ]


def test_a_secret_without_data_is_a_place_to_fill() -> None:
    assert said(secrets_clear.check, cloud(body("Secret", "x", type="Opaque"))) == []


@pytest.mark.parametrize(
    "name",
    [
        "PASSWORD",
        "OS_PASSWORD",
        "OS_KEYSTONE_AUTHTOKEN__PASSWORD",
        "MYSQL_ROOT_PASSWD",
        "OS_CACHE__MEMCACHE_SECRET_KEY",
        "ADMIN_TOKEN",
        "CLIENT_SECRET",
        "FERNET_KEY",
        "RABBIT_PASS",
        "KEY_PASSPHRASE",
        "SIMPLE_CRYPTO_KEK",
        "api-key",
    ],
)
def test_a_variable_whose_name_is_that_of_a_secret_holds_none(name: str) -> None:
    assert in_env(name, "hunter2") == [f"{CONTAINER}.env[0].value: the variable {name} holds a secret. {HINT}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OS_KEYSTONE_AUTHTOKEN__AUTH_URL", "http://keystone-api:5000"),
        ("OS_TOKEN__PROVIDER", "fernet"),
        ("PASSWORD", "$(DB_PASSWORD)"),
        ("PASSWORD", ""),
        ("PASSWORD_FILE", "secret.txt"),
        ("TLS_KEY", "/etc/tls/tls.key"),
        ("SSH_PUBLIC_KEY", "ssh-ed25519 AAAA"),
        ("SECRET_NAME", "keystone-admin"),
        ("TOKEN_EXPIRATION", "3600"),
        ("KEY_REPOSITORY", "fernet"),
        ("ROTATE_TOKEN", "true"),
        ("MONKEY", "banana"),
        ("OS_DEFAULT__TRANSPORT_URL", "rabbit://$(USER):$(PASS)@rabbitmq-0:5672,$(USER):$(PASS)@rabbitmq-1:5672/"),
    ],
)
def test_references_paths_and_other_names_are_no_secrets(name: str, value: Any) -> None:
    assert in_env(name, value) == []


@pytest.mark.parametrize(
    "url",
    [
        "mysql+pymysql://keystone:hunter2@mariadb/keystone",
        "rabbit://$(U):$(P)@a:5672,nova:hunter2@b:5672/",
        "amqp://:hunter2@host",
    ],
)
def test_a_url_with_a_password_is_found_wherever_it_stands(url: str) -> None:
    assert in_env("OS_DATABASE__CONNECTION", url) == [f"{CONTAINER}.env[0].value: holds a URL with a password. {HINT}"]
    assert in_file("keystone.conf", f"[database]\nconnection = {url}\n") == [
        f"{CONFIG}: data.keystone.conf: holds a URL with a password. {HINT}"
    ]
    assert said(secrets_clear.check, changed(API, *FIRST, "command", to=["sh", "-c", f"connect {url}"])) == [
        f"{CONTAINER}.command[2]: holds a URL with a password. {HINT}"
    ]
    assert said(secrets_clear.check, changed(API, "metadata", "annotations", "note", to=url)) == [
        f"{API}: metadata.annotations.note: holds a URL with a password. {HINT}"
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://host:8080/a@b",
        "http://user@host/",
        "https://[::1]:5000/",
        "mysql://%s:%s@%s/",
        "mysql://{user}:{quote(password)}@{host}",
        "see user:password@host",
    ],
)
def test_a_url_without_a_password_or_with_a_place_for_one_is_fine(url: str) -> None:
    assert in_env("URL", url) == []


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
def test_a_private_key_is_found(kind: str) -> None:
    pem = f"-----BEGIN {kind}PRIVATE KEY-----\nMIIE\n-----END {kind}PRIVATE KEY-----\n"
    assert in_file("tls.pem", pem) == [f"{CONFIG}: data.tls.pem: holds a private key. {HINT}"]


def test_a_certificate_is_no_secret() -> None:
    assert in_file("ca.pem", "-----BEGIN CERTIFICATE-----\nMIIE\n") == []


@pytest.mark.parametrize(
    ("name", "line", "option"),
    [
        ("nova.conf", "password = hunter2", "password"),
        ("nova.conf", "metadata_proxy_shared_secret=hunter2", "metadata_proxy_shared_secret"),
        ("nova.conf", "memcache_secret_key = hunter2", "memcache_secret_key"),
        ("heat.conf", "auth_encryption_key = hunter2", "auth_encryption_key"),
        ("octavia.conf", "ca_private_key_passphrase = hunter2", "ca_private_key_passphrase"),
        ("octavia.conf", "heartbeat_key = hunter2", "heartbeat_key"),
        ("barbican.conf", "kek = 'dGhpcnR5X3R3b19ieXRl'", "kek"),
        ("clouds.yaml", "    password: hunter2", "password"),
        ("clouds.json", '  "password": "hunter2",', "password"),
        ("local_settings.py", "SECRET_KEY = 'hunter2'", "SECRET_KEY"),
        ("start.sh", 'export_me=1\nPASSWORD="hunter2"', "PASSWORD"),
    ],
)  # fmt: skip
def test_a_secret_option_in_a_file_is_found(name: str, line: str, option: str) -> None:
    number = line.count("\n") + 2
    assert in_file(name, f"[DEFAULT]\n{line}\n") == [
        f"{CONFIG}: data.{name}: line {number} holds the secret option {option!r}. {HINT}"
    ]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("nova.conf", "www_authenticate_uri = http://keystone-api:5000"),
        ("nova.conf", "service_token_roles = service"),
        ("nova.conf", "service_token_roles_required = true"),
        ("nova.conf", "rbd_secret_uuid = 457eb676-33da-42ec-9a8c-9293d545c337"),
        ("nova.conf", "password ="),
        ("nova.conf", "# password of the service: in the environment"),
        ("nova.conf", "private_key = /etc/nova/tls.key"),
        ("logging.conf", "keys = root, keystone"),
        ("policy.yaml", '"identity:revoke_token": "rule:admin_required"'),
        ("clouds.yaml", "password: ${OS_PASSWORD}"),
        ("clouds.yaml", "auth:\n  password:\n    secretKeyRef: x"),
        ("schema.json", '  "password": {\n    "type": "string"'),
        ("gate.py", "token = read(path)"),
        ("gate.py", 'TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"'),
        ("start.sh", 'PASSWORD="$DB_PASSWORD"'),
        ("start", "#!/bin/sh\nPASSWORD=$(cat /etc/password)"),
    ],
)
def test_options_that_are_no_secrets_may_stand_in_a_file(name: str, line: str) -> None:
    assert in_file(name, f"{line}\n") == []


@pytest.mark.parametrize(
    "command", [["x", "--password=hunter2"], ["x", "--admin-password", "hunter2"], ["--os-token", "hunter2", "x"]]
)
def test_a_secret_argument_is_found(command: list[str]) -> None:
    (message,) = said(secrets_clear.check, changed(API, *FIRST, "args", to=command))
    assert message.startswith(f"{CONTAINER}.args[")
    assert message.endswith(f"holds a secret. {HINT}")


@pytest.mark.parametrize(
    "command",
    [["x", "--password=$(PASSWORD)"], ["x", "--password", "--verbose"], ["--password-file=x"], ["--token", "/run/token"], []],
)
def test_arguments_that_refer_to_a_secret_are_fine(command: list[str]) -> None:
    assert said(secrets_clear.check, changed(API, *FIRST, "args", to=command)) == []
