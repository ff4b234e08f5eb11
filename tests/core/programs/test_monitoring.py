from __future__ import annotations

import socket
import urllib.error
import urllib.request
from http import HTTPStatus

import pytest
from monitoring import Metrics, serve

MEANINGS = {"up": "Whether it is up.", "done_total": "What was done.", "who": "Who it is."}


def test_figures_are_told_with_their_kind_and_what_they_mean() -> None:
    metrics = Metrics(MEANINGS)
    metrics.set("up", True)
    metrics.add("done_total", 2, kind="a")
    metrics.add("done_total", 0.5, kind="a")
    assert metrics.text().splitlines() == [
        "# HELP done_total What was done.",
        "# TYPE done_total counter",
        'done_total{kind="a"} 2.5',
        "# HELP up Whether it is up.",
        "# TYPE up gauge",
        "up 1",
    ]


def test_a_figure_for_each_of_several_forgets_those_that_are_gone() -> None:
    metrics = Metrics(MEANINGS)
    metrics.set_all("who", "pod", {"a": 1, "b": 1})
    metrics.set_all("who", "pod", {"b": 0})
    assert [line for line in metrics.text().splitlines() if line.startswith("who")] == ['who{pod="b"} 0']


def test_a_label_may_hold_any_text() -> None:
    metrics = Metrics(MEANINGS)
    metrics.add("done_total", kind='a"b\\c\nd')
    assert r'done_total{kind="a\"b\\c\nd"} 1' in metrics.text()


def test_a_time_keeps_its_seconds() -> None:
    metrics = Metrics(MEANINGS)
    metrics.set("up", 1795484123.0)
    assert "up 1795484123\n" in metrics.text()


def test_a_figure_that_nothing_explains_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="other"):
        Metrics(MEANINGS).set("other", 1)


def test_pages_are_served_with_their_status() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve(port, {"/well": lambda: (HTTPStatus.OK, "ok\n"), "/ill": lambda: (HTTPStatus.SERVICE_UNAVAILABLE, "stuck\n")})
    assert urllib.request.urlopen(f"http://127.0.0.1:{port}/well", timeout=5).read() == b"ok\n"
    for path, status, text in (("/ill", 503, "stuck\n"), ("/none", 404, "there are /well, /ill\n")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5)
        assert (refused.value.code, refused.value.read().decode()) == (status, text)
        refused.value.close()
