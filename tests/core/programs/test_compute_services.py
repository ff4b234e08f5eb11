from __future__ import annotations

import datetime
import io
import json
from typing import Any

import compute_services
import pytest
import requests
from compute_services import Living, forget, gone
from keystoneauth1 import exceptions
from keystoneauth1.noauth import NoAuth
from keystoneauth1.session import Session

NOW = datetime.datetime(2026, 11, 27, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
MEANT_FOR = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["cmp3"]}]}
DAEMON_SET = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [MEANT_FOR]}}}


def pod(name: str, node: str = "", affinity: dict[str, Any] | None = None) -> dict[str, Any]:
    """A Pod as the API has it."""
    return {"metadata": {"name": name}, "spec": {"nodeName": node, "affinity": affinity or {}}}


def service(binary: str, host: str, state: str = "down", updated_at: str | None = "2026-11-27T09:00:00.000000") -> dict[str, Any]:
    """A service as Nova has it."""
    return {"id": f"id-{host}", "binary": binary, "host": host, "state": state, "updated_at": updated_at}


LIVING = Living.of(
    [pod("nova-conductor-1", "ctl1"), pod("nova-compute-a", "cmp1")],
    [pod("nova-compute-a", "cmp1"), pod("nova-compute-b", "cmp2.example.org"), pod("nova-compute-c", "", DAEMON_SET)],
)


@pytest.mark.parametrize(
    ("found", "forgotten"),
    [
        (service("nova-conductor", "nova-conductor-0"), True),
        (service("nova-conductor", "nova-conductor-1"), False),
        (service("nova-scheduler", "nova-scheduler-0", state="up"), False),
        (service("nova-scheduler", "nova-scheduler-0", updated_at="2026-11-27T11:30:00.000000"), False),
        (service("nova-scheduler", "nova-scheduler-0", updated_at=None), True),
        (service("nova-compute", "cmp1"), False),
        (service("nova-compute", "cmp2"), False),  # the node has a domain in Kubernetes
        (service("nova-compute", "CMP1.example.org"), False),  # or at home
        (service("nova-compute", "cmp3"), False),  # its Pod waits for the node
        (service("nova-compute", "cmp4"), True),
    ],
    ids=lambda value: f"{value['binary']}-{value['host']}" if isinstance(value, dict) else "",
)
def test_a_service_is_gone_when_it_was_silent_and_nothing_can_be_it_again(found: dict[str, Any], forgotten: bool) -> None:
    assert bool(list(gone([found], LIVING, NOW, HOUR))) == forgotten


class Nova:
    """An API that refuses to remove some services, and has never heard of others."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    def delete(self, path: str) -> None:
        if "full" in path:
            raise exceptions.Conflict("it has servers")
        if "unknown" in path:
            raise exceptions.NotFound
        self.deleted.append(path)


def test_nova_keeps_what_has_servers_and_the_rest_goes(capsys: pytest.CaptureFixture[str]) -> None:
    nova = Nova()
    kept = forget(nova, [service("nova-compute", host) for host in ("full", "unknown", "empty")])  # type: ignore[arg-type]
    assert nova.deleted == ["/os-services/id-empty"]
    assert kept == ["nova-compute on full"]
    said = capsys.readouterr().out.splitlines()
    assert said == ["kept nova-compute on full: it has servers (HTTP 409)", "forgot nova-compute on empty"]


class Http:
    """What stands for the network of a session: it answers with these services, and remembers what it was asked."""

    def __init__(self, services: list[dict[str, Any]]) -> None:
        self.services = services
        self.asked: list[tuple[str, str, str]] = []

    def request(self, method: str, url: str, **how: Any) -> requests.Response:
        self.asked.append((method, url, how["headers"].get("OpenStack-API-Version", "")))
        answer = requests.Response()
        answer.status_code = 200 if method == "GET" else 204
        answer.raw = io.BytesIO(json.dumps({"services": self.services}).encode())
        return answer


def test_no_agent_at_all_says_nothing_of_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    http = Http([service(*at, updated_at=None) for at in (("nova-compute", "cmp1"), ("nova-conductor", "nova-conductor-0"))])

    class Api:
        @classmethod
        def in_cluster(cls) -> Api:
            return cls()

        def find(self, *_: str) -> list[dict[str, Any]]:
            return []

    monkeypatch.setattr(compute_services, "Kube", Api)
    monkeypatch.setattr(compute_services, "logged_in", lambda: Session(auth=NoAuth(), session=http))  # type: ignore[arg-type]
    monkeypatch.setenv("COMPUTE_URL", "http://nova/v2.1")
    monkeypatch.setenv("SILENT_SECONDS", "0")
    compute_services.main([])
    version = "compute 2.53"
    gone = "http://nova/v2.1/os-services/id-nova-conductor-0"
    assert http.asked == [("GET", "http://nova/v2.1/os-services", version), ("DELETE", gone, version)]
