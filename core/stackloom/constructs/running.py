"""What all words of the vocabulary that run something take, and the Pod that comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict

from stackloom.constructs.part import Files, Part, flat
from stackloom.errors import Problem, StackloomError
from stackloom.incluster import PROGRAMS_DIRECTORY
from stackloom.manifests.files import ConfigFile, File
from stackloom.manifests.gate import Gate
from stackloom.manifests.mounts import Mount
from stackloom.manifests.pod import OPENSTACK_UID, Container, Env, Pod, Privilege, Probe, Probes, Resources
from stackloom.model.names import BUS_OPTIONS

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

STARTUP_SECONDS = 300
_BUS_PROBE = f"{PROGRAMS_DIRECTORY}/bus_probe.py"


class Running(TypedDict, total=False):
    """What may be said of anything that runs.

    ``config`` are the files that it reads, ``image`` the role of its image (that of the service's name, unless given), or one by
    its whole name; ``env``
    its variables beside the service's credentials, which ``credentials=False`` leaves out. ``writable`` are directories that it
    may write, empty and lost with the Pod; ``mounts`` are volumes. ``privilege`` is what it needs beyond an ordinary container.
    ``before`` are commands that run first in a container like its own, one by one; ``init`` are other containers that run before
    those, ``sidecars`` run beside it: what they write to a ``writable`` directory of the same path, all see.
    It waits for the services that this one requires, or of them only for ``needs``, and for ``after``. ``account`` is a
    ServiceAccount, for what talks to the Kubernetes API; ``user`` the numeric user; ``host_network``, ``host_pid`` and
    ``host_ipc`` share with the node what they say; told to end, it has ``grace_seconds``. Where its bus is what shows that
    it is ready, it is started again when it has not reached that after ``startup_seconds``; ``connected_to`` names the variable
    with the URL of something else that shows it, as the database does of what hears no bus.
    """

    config: Files
    image: str
    env: Env
    credentials: bool
    writable: Sequence[str]
    mounts: Sequence[Mount]
    resources: Resources
    privilege: Privilege
    before: Sequence[Sequence[str]]
    init: Sequence[Container]
    sidecars: Sequence[Container]
    needs: Sequence[str] | None
    after: Sequence[Part | Gate]
    account: str
    user: int
    host_network: bool
    host_pid: bool
    host_ipc: bool
    grace_seconds: int
    startup_seconds: int
    connected_to: str


def container_of(
    ctx: ServiceContext, name: str, role: str, command: Sequence[str], running: Running, *, env: Env, usual: Resources
) -> Container:
    """The main container. ``env`` are the credentials of the service that it gets, ``usual`` what it asks for unless told."""
    files = flat(running.get("config", ()))
    return Container(
        name=name,
        image=ctx.image(running.get("image") or ctx.name),
        command=[_rendered(word, files, ctx) for word in command],
        env={**(env if running.get("credentials", True) else {}), **running.get("env", {})},
        files=files,
        writable=[*running.get("writable", ()), *([_run(ctx)] if _for_node(files) else [])],
        mounts=running.get("mounts", ()),
        resources=ctx.resources(role, (running.get("resources") or usual).body()),
        privilege=running.get("privilege"),
    )


def pod_of(ctx: ServiceContext, container: Container, running: Running, *, gate: Gate) -> Pod:
    """A Pod around the main container. For Secrets that a Job makes it waits as well."""
    account = running.get("account", "")
    quiet = replace(container, probes=None, ports={}, host_ports={}, drain_seconds=0, before_stop=())
    steps = [
        replace(quiet, name=f"step-{i}", command=[_rendered(word, container.files, ctx) for word in words])
        for i, words in enumerate(running.get("before", ()), 1)
    ]
    containers = [container, *running.get("sidecars", ())]
    init = [*_node_files(ctx, container, running), *running.get("init", ()), *steps]
    return Pod(
        containers=containers,
        init=init,
        gate=ctx.ceph_clients.awaited(ctx.deployment, gate, [*init, *containers]),
        service_account=account or ctx.name,
        token=bool(account),
        user=running.get("user", OPENSTACK_UID),
        host_network=running.get("host_network", False),
        host_pid=running.get("host_pid", False),
        host_ipc=running.get("host_ipc", False),
        grace_seconds=running.get("grace_seconds", 60),
    )


def watched(ctx: ServiceContext, container: Container, probes: Probes | None, running: Running) -> Container:
    """The container with its probes, or with those of what it is connected to where none are given: its bus, or that of all."""
    if probes:
        return replace(container, probes=probes)
    heard = next((option for bus, option in BUS_OPTIONS.items() if bus in ctx.service.requires), "")
    variable = running.get("connected_to") or heard
    if not variable:
        what = f"nothing shows whether {container.name!r} is ready and lives"
        raise StackloomError(
            Problem(what, "Give `probes`: without any it would be its connection to a message bus, and it has none")
        )
    named = () if variable == BUS_OPTIONS["messaging"] else (variable,)
    ready, alive = (("python3", _BUS_PROBE, question, *named) for question in ("ready", "alive"))
    patient = Probe(command=alive, timeout=15, period=30, failures=10)
    probes = Probes(
        command=ready, timeout=15, period=15, alive=patient, startup_seconds=running.get("startup_seconds", STARTUP_SECONDS)
    )
    return replace(container, probes=probes, files=[*container.files, *ctx.program("bus_probe.py")])


def _for_node(files: Sequence[File]) -> list[ConfigFile]:
    return [file for file in files if isinstance(file, ConfigFile) and file.differs_by_node]


def _run(ctx: ServiceContext) -> str:
    return f"/run/stackloom/{ctx.name}"


def _rendered(word: str, files: Sequence[File], ctx: ServiceContext) -> str:
    """A word of a command, with the path at which a file that differs by node is found in the end."""
    for file in _for_node(files):
        word = word.replace(file.path, f"{_run(ctx)}/{file.path.rpartition('/')[2]}")
    return word


def _node_files(ctx: ServiceContext, container: Container, running: Running) -> list[Container]:
    """The init container that writes them."""
    files = _for_node(container.files)
    if not files:
        return []
    if not running.get("host_network"):
        what = f"{files[0].path} names the address of an interface of the node, which {container.name!r} does not see"
        raise StackloomError(Problem(what, "Give it host_network=True, or no InterfaceAddress"))
    pairs = [path for file in files for path in (file.path, _rendered(file.path, files, ctx))]
    made = Container(
        name="node-files",
        image=container.image,
        command=["python3", f"{PROGRAMS_DIRECTORY}/node_file.py", *pairs],
        files=[*files, *ctx.program("node_file.py")],
        writable=[_run(ctx)],
        resources=Resources(cpu="10m", memory="32Mi", memory_limit="128Mi").body(),
    )
    return [made]
