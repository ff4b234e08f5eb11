"""The Kubernetes API of the session.

It is, in this order: that of the programs in ``KUBEBUILDER_ASSETS``; that of the cluster in ``KUBECONFIG``; that of the programs
in the cache, where ``scripts/build_control_plane.py`` puts them. A cluster of yours is used only if it has a namespace
``stackloom-disposable``: tests overwrite what is cluster-wide, and KUBECONFIG often names a cluster that matters.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from kubernetes.config import ConfigException

from scripts.build_control_plane import assets_directory, missing
from tests.real.cluster import Cluster
from tests.real.control_plane import ControlPlane
from tests.real.galera import GaleraCluster, Writer, galera_cluster
from tests.real.parts import absent

CONSENT = "stackloom-disposable"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run a test of real servers once more where it fails: it shares two cores with others, and what it waits for has a clock.

    One that fails twice is broken, and one that needed its second run is named in the summary. A whole cloud is not booted twice:
    what it waits for has minutes.
    """
    for item in items:
        if item.get_closest_marker("real") and not any(item.get_closest_marker(name) for name in ("cloud", "soak")):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane | None]:
    """The programs that this session runs, or None where it uses a cluster that runs already."""
    if os.environ.get("KUBECONFIG") and not os.environ.get("KUBEBUILDER_ASSETS"):
        yield None
        return
    assets = assets_directory()
    if lacking := missing(assets):
        absent(f"no Kubernetes API: {assets} has no {' and no '.join(lacking)}; run scripts/build_control_plane.py")
    with tempfile.TemporaryDirectory(prefix="stackloom-control-plane-", ignore_cleanup_errors=True) as directory:
        programs = ControlPlane(assets, Path(directory))
        try:
            programs.start()
            yield programs
        finally:
            programs.stop()


@pytest.fixture(scope="session")
def kubernetes(control_plane: ControlPlane | None) -> Iterator[Cluster]:
    """A Kubernetes API with real semantics, and full rights in it."""
    cluster = Cluster.from_kubeconfig(control_plane.kubeconfig) if control_plane else _cluster_of_kubeconfig()
    yield cluster
    cluster.close()


@pytest.fixture
def api_server(control_plane: ControlPlane | None) -> ControlPlane:
    """The programs behind ``kubernetes``, for tests that stop and start them."""
    return control_plane or absent("the cluster in KUBECONFIG is not this session's to stop: unset KUBECONFIG")


@pytest.fixture
def namespace(kubernetes: Cluster) -> Iterator[str]:
    """The name of a namespace of the test's own."""
    name = kubernetes.new_namespace()
    yield name
    kubernetes.delete_namespace(name)


@pytest.fixture(scope="module")
def running(kubernetes: Cluster) -> Iterator[GaleraCluster]:
    """Three servers of the database, all of which are ready again at the end of each test."""
    with galera_cluster(kubernetes, kubernetes.new_namespace()) as cluster:
        cluster.prepare()
        yield cluster


@pytest.fixture
def writer(running: GaleraCluster) -> Iterator[Writer]:
    """A writer that has begun, and whose rows are looked for at the end of the test."""
    running.wait_until_ready()
    with Writer(running) as writer:
        writer.rows()
        yield writer
    running.check(writer.acknowledged)


def _cluster_of_kubeconfig() -> Cluster:
    file = Path(os.environ["KUBECONFIG"])
    try:
        cluster = Cluster.from_kubeconfig(file)
        answer = cluster.request("GET", f"/api/v1/namespaces/{CONSENT}")
    except (ConfigException, urllib3.exceptions.HTTPError) as error:
        absent(f"the cluster in KUBECONFIG ({file}) cannot be used: {error}")
    if answer.status != 200:
        cluster.close()
        absent(f"the cluster in KUBECONFIG ({cluster.host}) has no namespace {CONSENT}: make one to let tests change it at will")
    return cluster
