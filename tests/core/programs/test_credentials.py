from __future__ import annotations

import base64
import re
from dataclasses import asdict
from typing import Any

import certificates
import credentials
import pytest
from credentials import Contradiction, Credential, Value, changes, read_credentials
from program import Failure

from stackloom.model.credential import Credential as ModelCredential
from stackloom.model.credential import Value as ModelValue
from stackloom.model.credential import authority_keys, certificate_keys


def no_source(secret: str, key: str) -> bytes:
    raise AssertionError(f"{secret}/{key} was asked for")


def credential(**keys: Value) -> Credential:
    return Credential(name="s", keys=keys)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (Value(kind="password", length=20), r"[A-Za-z0-9]{20}"),
        (Value(kind="hex", length=16), r"[0-9a-f]{32}"),
        (Value(kind="fernet"), r"[-_A-Za-z0-9]{43}="),
        (Value(kind="text", text="nova"), r"nova"),
    ],
)
def test_each_kind_of_value_has_its_form(value: Value, form: str) -> None:
    made = changes(credential(k=value), {}, no_source)["k"]
    assert re.fullmatch(form, made.decode())


@pytest.mark.parametrize("kind", ["password", "hex", "fernet"])
def test_no_two_values_are_the_same(kind: str) -> None:
    value = credential(k=Value(kind=kind))
    assert changes(value, {}, no_source) != changes(value, {}, no_source)


def test_what_exists_is_never_overwritten() -> None:
    wanted = credential(a=Value(kind="password"), b=Value(kind="fernet"), c=Value(kind="hex"), d=Value(kind="text", text="t"))
    assert changes(wanted, {"a": b"x", "b": b"no key", "c": b"", "d": b"t"}, no_source) == {}


def test_only_missing_keys_are_filled() -> None:
    wanted = credential(a=Value(kind="password"), b=Value(kind="password"))
    assert changes(wanted, {"a": b"x"}, no_source).keys() == {"b"}


def test_a_copy_follows_its_source() -> None:
    wanted = credential(k=Value(kind="copy", source=("other", "password")))
    assert changes(wanted, {"k": b"old"}, lambda *_: b"new") == {"k": b"new"}
    assert changes(wanted, {"k": b"new"}, lambda *_: b"new") == {}


def test_what_is_public_follows_the_deployment() -> None:
    wanted = credential(k=Value(kind="public", text="new"))
    assert changes(wanted, {"k": b"old"}, no_source) == changes(wanted, {}, no_source) == {"k": b"new"}
    assert changes(wanted, {"k": b"new"}, no_source) == {}


def test_a_text_that_differs_is_a_contradiction() -> None:
    with pytest.raises(Contradiction, match="Secret s: k is not 'new'; give the old name back"):
        changes(credential(k=Value(kind="text", text="new")), {"k": b"old"}, no_source)


def described(model: ModelCredential) -> dict[str, Any]:
    keys = {key: asdict(value) for key, value in model.keys.items()}
    return {"name": model.name, "type": model.type, "seeded": model.seeded, "keys": keys}


def test_the_models_own_form_is_understood() -> None:
    keys = {"a": ModelValue.password(12), "b": ModelValue.copied("x", "y"), "c": ModelValue.constant("t"), "d": ModelValue.hex(8)}
    (read,) = read_credentials([described(ModelCredential(name="s", keys=keys, readers=frozenset()))])
    assert read.keys == {
        "a": Value(kind="password", length=12),
        "b": Value(kind="copy", source=("x", "y")),
        "c": Value(kind="text", text="t"),
        "d": Value(kind="hex", length=8),
    }


def copying(name: str, *sources: str) -> dict[str, Any]:
    return {"name": name, "keys": {s: {"kind": "copy", "source": [s, "k"]} for s in sources} or {"k": {"kind": "hex"}}}


def test_secrets_are_made_after_those_that_they_copy_from() -> None:
    ordered = read_credentials([copying("c", "b", "elsewhere"), copying("b", "a"), copying("a")])
    assert [c.name for c in ordered] == ["a", "b", "c"]


def unissued(name: str) -> dict[str, Any]:
    return {"name": name, "keys": {"tls.crt": {"kind": "certificate", "text": "x"}, "tls.key": {"kind": "certificate-key"}}}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([copying("a", "b"), copying("b", "a")], "copy from each other in a circle: "),
        ([{"name": "a", "keys": {"k": {"kind": "passwrod"}}}], "Secret a: unknown kind of value: passwrod"),
        ([{"name": "a", "keys": {"k": {"kind": "certificate"}}}], "a certificate and its key belong into one Secret"),
        ([unissued("a")], "Secret a: tls.crt names no Secret with the authority that issues it"),
        ([{"name": "a", "keys": {"k": {"size": 3}}}], "malformed"),
        ([{"keys": {}}], "malformed"),
        ({"a": 1}, "malformed"),
    ],
)
def test_a_document_that_makes_no_sense_is_one_sentence(document: Any, message: str) -> None:
    with pytest.raises(Failure, match=message):
        read_credentials(document)


AUTHORITY = dict(zip(("ca.crt", "ca.key"), certificates.authority("public endpoints"), strict=True))
PAIR = {
    "tls.crt": Value(kind="certificate", text="cloud.example.org, *.cloud.example.org", source=("ca", "")),
    "tls.key": Value(kind="certificate-key"),
}


def the_authority(secret: str, key: str) -> bytes:
    assert secret == "ca"
    return AUTHORITY[key]


def test_a_certificate_and_its_key_are_made_together() -> None:
    made = changes(credential(**PAIR), {}, the_authority)
    assert (made["tls.crt"].split(b"\n")[0], made["tls.key"].split(b"\n")[0]) == (
        b"-----BEGIN CERTIFICATE-----",
        b"-----BEGIN PRIVATE KEY-----",
    )
    assert changes(credential(**PAIR), made, the_authority) == {}


@pytest.mark.parametrize("key", sorted(PAIR))
def test_half_a_pair_is_a_contradiction(key: str) -> None:
    with pytest.raises(Contradiction, match=f"Secret s holds {key} without its counterpart"):
        changes(credential(**PAIR), {key: b"x"}, no_source)


def test_a_certificate_from_elsewhere_is_left_to_its_owner() -> None:
    assert changes(credential(**PAIR), {"tls.crt": b"x", "tls.key": b"y"}, the_authority) == {}


def issuing(names: list[str], title: str = "etcd") -> list[Credential]:
    """An authority, and a certificate of it for these names, as their records describe them."""
    leaf = certificate_keys("ca", names, usages=("server", "client"))
    models = [("server", leaf), ("ca", authority_keys(title))]
    return read_credentials([described(ModelCredential(name=n, keys=keys, readers=frozenset())) for n, keys in models])


def settled(credentials: list[Credential], secrets: dict[str, dict[str, bytes]]) -> list[str]:
    """Bring ``secrets`` up to date: the names of those that changed."""
    changed = []
    for wanted in credentials:
        data = secrets.setdefault(wanted.name, {})
        made = changes(wanted, data, lambda secret, key: secrets[secret][key])
        data |= made
        changed += [wanted.name] * bool(made)
    return changed


def test_an_authority_is_made_before_what_it_issues_and_neither_a_second_time() -> None:
    secrets: dict[str, dict[str, bytes]] = {}
    assert settled(issuing(["a"]), secrets) == ["ca", "server"]
    assert {name: sorted(data) for name, data in secrets.items()} == {
        "ca": ["ca.crt", "ca.key"],
        "server": ["ca.crt", "tls.crt", "tls.key"],
    }
    assert secrets["server"]["ca.crt"] == secrets["ca"]["ca.crt"]
    assert settled(issuing(["a"]), secrets) == []


def test_what_an_authority_issued_follows_the_names_and_the_authority_stays() -> None:
    secrets: dict[str, dict[str, bytes]] = {}
    settled(issuing(["a"]), secrets)
    former = dict(secrets["server"])
    assert settled(issuing(["a", "b"]), secrets) == ["server"]
    assert {key for key in former if former[key] != secrets["server"][key]} == {"tls.crt", "tls.key"}


def test_a_new_authority_issues_everything_anew() -> None:
    secrets: dict[str, dict[str, bytes]] = {}
    settled(issuing(["a"]), secrets)
    secrets["ca"].clear()
    assert settled(issuing(["a"]), secrets) == ["ca", "server"]
    assert not certificates.needs_renewal(secrets["server"]["tls.crt"], ["a"], ["server"], secrets["ca"]["ca.crt"])


def test_an_authority_without_its_key_issues_nothing() -> None:
    secrets = {"ca": dict(zip(("ca.crt", "ca.key"), certificates.authority("etcd"), strict=True)), "server": {}}
    secrets["ca"]["ca.key"] = certificates.authority("other")[1]
    with pytest.raises(
        Contradiction, match="Secret ca holds no authority that can issue server: not the key of that certificate"
    ):
        settled(issuing(["a"]), secrets)


def test_a_certificate_that_somebody_brought_is_kept_beside_an_authority_of_ours() -> None:
    brought = {"tls.crt": b"theirs", "tls.key": b"theirs"}
    secrets = {"server": dict(brought)}
    settled(issuing(["a"]), secrets)
    assert {key: secrets["server"][key] for key in brought} == brought


def test_a_secret_for_the_api_carries_its_values_in_base64_and_says_who_manages_it() -> None:
    body = credentials.body_of(Credential(name="s", keys={}, type="kubernetes.io/tls"), {"k": b"v"}, "openstack")
    assert (body["type"], body["data"]) == ("kubernetes.io/tls", {"k": base64.b64encode(b"v").decode()})
    assert body["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "stackloom"


FILE = "[a]\nkey = $(key)\nagain = $(key)\nname = $(user)\n"


def composed(text: str = FILE) -> Credential:
    keys = {"file": Value(kind="template", text=text), "key": Value(kind="fernet"), "user": Value(kind="text", text="nova")}
    return Credential(name="s", keys=keys)


def test_a_template_is_composed_of_the_keys_that_are_made_with_it() -> None:
    made = changes(composed(), {}, no_source)
    key = made["key"].decode()
    assert made["file"].decode() == f"[a]\nkey = {key}\nagain = {key}\nname = nova\n"


def test_a_template_follows_its_keys_and_its_text() -> None:
    data = {"key": b"k", "user": b"nova", "file": b"[a]\nkey = k\nagain = k\nname = nova\n"}
    assert changes(composed(), data, no_source) == {}
    assert changes(composed(), {**data, "key": b"other"}, no_source)["file"].startswith(b"[a]\nkey = other\n")
    assert changes(composed("$(key)"), data, no_source) == {"file": b"k"}


def test_a_template_takes_bytes_as_they_are() -> None:
    assert changes(composed("$(key)."), {"key": b"\xff\\1", "user": b"nova"}, no_source) == {"file": b"\xff\\1."}


def test_a_template_of_what_is_not_there_is_refused() -> None:
    keys = {"file": {"kind": "template", "text": "$(file) $(kex)"}, "key": {"kind": "fernet"}}
    with pytest.raises(Failure, match="Secret s: file is composed of what is not there: file, kex"):
        read_credentials([{"name": "s", "keys": keys}])
