from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import certificates
import kube
import pytest
from program import Failure

from tests.real.cluster import Cluster
from tests.real.control_plane import ControlPlane
from tests.real.programs.cluster import account, rule, secret_of

pytestmark = pytest.mark.real


@pytest.fixture
def api(kubernetes: Cluster, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> kube.Kube:
    """The client, with the rights to do all it can on secrets."""
    kubernetes.apply(account(namespace, "all", [rule("secrets", "get", "list", "watch", "create", "patch", "update")]))
    for name, value in kubernetes.mount(namespace, "all", tmp_path).items():
        monkeypatch.setenv(name, value)
    return kube.Kube.in_cluster()


def body(namespace: str, name: str, **data: bytes) -> dict[str, Any]:
    return secret_of(namespace, name, data)


def test_what_is_created_can_be_read_found_patched_and_replaced(api: kube.Kube, namespace: str) -> None:
    labelled = body(namespace, "a", k=b"1")
    labelled["metadata"]["labels"] = {"app": "x"}
    created = api.create(kube.SECRETS, labelled)
    assert api.get(kube.SECRETS, "a") == created
    assert [s["metadata"]["name"] for s in api.find(kube.SECRETS, "app in (x,y)")] == ["a"]
    assert [s["metadata"]["name"] for s in api.find(kube.SECRETS, fields="metadata.name=b")] == []
    patched = api.patch(kube.SECRETS, "a", {"metadata": {"labels": {"app": None}}})
    assert ("labels" in patched["metadata"], patched["data"]) == (False, created["data"])
    assert api.replace(kube.SECRETS, {**patched, "data": {}}).get("data") is None


def test_every_kind_of_refusal_has_its_own_error(api: kube.Kube, namespace: str) -> None:
    created = api.create(kube.SECRETS, body(namespace, "a"))
    with pytest.raises(kube.NotFound, match=r"cannot get secrets 'none' in namespace .*: secrets \"none\" not found"):
        api.get(kube.SECRETS, "none")
    with pytest.raises(kube.Conflict, match="already exists"):
        api.create(kube.SECRETS, body(namespace, "a"))
    api.patch(kube.SECRETS, "a", {"metadata": {"labels": {"a": "b"}}})
    with pytest.raises(kube.Conflict, match="the object has been modified"):
        api.replace(kube.SECRETS, created)
    with pytest.raises(kube.Conflict, match="the object has been modified"):
        api.patch(
            kube.SECRETS, "a", {"metadata": {"resourceVersion": created["metadata"]["resourceVersion"], "labels": {"a": "c"}}}
        )
    with pytest.raises(kube.Forbidden, match="the Role of this service account lacks the verb 'list' on 'pods'"):
        api.find(kube.PODS)
    with pytest.raises(kube.ApiError, match=r"cannot create secrets in namespace .*Invalid value"):
        api.create(kube.SECRETS, body(namespace, "not a name"))


def test_a_watch_tells_what_there_is_and_what_happens_until_its_time_is_over(api: kube.Kube, namespace: str) -> None:
    api.create(kube.SECRETS, body(namespace, "a"))
    seen = []
    for kind, changed in api.watch(kube.SECRETS, seconds=1):
        seen.append((kind, changed["metadata"]["name"]))
        if len(seen) == 1:
            api.patch(kube.SECRETS, "a", {"metadata": {"labels": {"a": "b"}}})
    assert seen == [("ADDED", "a"), ("MODIFIED", "a")]


def test_a_watch_that_is_refused_or_falls_silent_says_so(
    api: kube.Kube, api_server: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(kube.Forbidden, match="lacks the verb 'watch' on 'pods'"):
        next(api.watch(kube.PODS, seconds=1))
    api.create(kube.SECRETS, body(api.namespace, "a"))
    monkeypatch.setattr(kube, "WATCH_GRACE_SECONDS", 0.0)
    events = api.watch(kube.SECRETS, seconds=1)
    assert next(events)[0] == "ADDED"
    with api_server.api_silent(), pytest.raises(kube.Unavailable, match="timed out"):
        next(events)


def test_an_account_can_ask_what_it_may_do(kubernetes: Cluster, api: kube.Kube, namespace: str) -> None:
    named = rule("leases", "get", group="coordination.k8s.io", names=("x",))
    kubernetes.apply(account(namespace, "all", [rule("secrets", "list", "watch"), named]))
    assert api.may("list", kube.SECRETS)
    assert not api.may("get", kube.SECRETS, "a")
    assert [api.may("get", kube.LEASES, name) for name in ("x", "y", "")] == [True, False, False]


def test_an_api_that_is_away_or_silent_is_unavailable(api: kube.Kube, api_server: ControlPlane, namespace: str) -> None:
    with api_server.api_stopped(), pytest.raises(kube.Unavailable, match=r"does not answer: .*refused"):
        api.get(kube.SECRETS, "a")
    hurried = kube.Kube(host=api.host, port=api.port, namespace=namespace, directory=api.directory, timeout=0.5)
    with api_server.api_silent(), pytest.raises(kube.Unavailable, match=r"does not answer: .*timed out"):
        hurried.get(kube.SECRETS, "a")


def test_an_api_with_a_certificate_from_elsewhere_is_not_talked_to(api: kube.Kube, namespace: str, tmp_path: Path) -> None:
    foreign, _ = certificates.authority("kubernetes")
    (tmp_path / "ca.crt").write_bytes(foreign)
    with pytest.raises(kube.Unavailable, match="certificate verify failed") as refused:
        api.get(kube.SECRETS, "a")
    assert isinstance(refused.value.__cause__, ssl.SSLCertVerificationError)


def test_a_pod_without_a_token_says_so(api: kube.Kube, tmp_path: Path) -> None:
    (tmp_path / "token").unlink()
    with pytest.raises(Failure, match="token cannot be read: No such file or directory; mount the service account"):
        api.get(kube.SECRETS, "a")
