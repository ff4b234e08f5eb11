"""Workloads that are not APIs: workers, services with state, agents on every node of a kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stackloom.constructs.part import Files, Part, flat
from stackloom.constructs.variants import EVERY_NODE, Variant
from stackloom.manifests.gate import Gate
from stackloom.manifests.objects import service
from stackloom.manifests.pod import OPENSTACK_UID, Container, Env, Pod, Privilege, Probes, Resources
from stackloom.manifests.workloads import daemon_set, deployment, stateful_set, volume_claim
from stackloom.model.placement import NodeRole
from stackloom.model.service import BySize

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext


class Worker(Part):
    """A Deployment that nobody calls: it works through a queue or a schedule, or waits to be entered (a shell).

    It waits for the services that this one requires, or of them only for
    ``needs``; ``credentials`` brings those of the service. ``account`` is a ServiceAccount, for a worker that talks to the
    Kubernetes API; ``ports`` are named, for its probes and for who reads its metrics.
    """

    def __init__(
        self,
        ctx: ServiceContext,
        role: str,
        *,
        command: Sequence[str],
        probes: Probes,
        ports: Mapping[str, int] | None = None,
        config: Files = (),
        image: str = "",
        replicas: BySize | int = 1,
        after: Sequence[Part | Gate] = (),
        env: Env | None = None,
        writable: Sequence[str] = (),
        resources: Resources | None = None,
        needs: Sequence[str] | None = None,
        credentials: bool = True,
        account: str = "",
    ) -> None:
        super().__init__(ctx)
        who = ctx.identity(f"{ctx.name}-{role}", role)
        count = ctx.replicas(role, replicas)
        gate = ctx.gate(needs, after)
        container = Container(
            name=who.name,
            image=ctx.image(image or ctx.name),
            command=command,
            env={**(ctx.service_env() if credentials else {}), **(env or {})},
            ports=ports or {},
            files=flat(config),
            writable=writable,
            probes=probes,
            resources=ctx.resources(role, (resources or Resources(memory="256Mi", memory_limit="1Gi")).body()),
        )
        pod = Pod(
            containers=[container],
            gate=gate,
            service_account=account or ctx.name,
            token=bool(account),
            spread=count > 1,
            grace_seconds=60,
        )
        self.put(deployment(who, pod, replicas=count, deadline_seconds=ctx.rollout_deadline), gate=gate)
        self.put_budget(who, count)


class StatefulService(Part):
    """A StatefulSet behind a headless Service, whose Pods have names, and volumes that outlive them.

    Both are called ``name``, unless the Service has a name of its own: ``domain``. ``ports`` are named; ``volumes`` gives a size
    for each mount path (``{"/var/lib/x": "5Gi"}``), of the storage class ``storage_class``; ``mounted`` the body of a volume that
    is there already (``{"/shared": {"nfs": ...}}``). ``init`` runs first and ``sidecars`` run beside it; they share its
    ``writable`` directories of the same path. ``found_early`` gives a Pod its address before it is ready: for those that form a
    cluster. ``apart`` is for those that must not be lost together: no node gets two. ``before_stop`` is what runs before it is
    told to end; ``affinity``, ``bound`` and ``runtime_labels`` are the Pod's.
    """

    def __init__(
        self,
        ctx: ServiceContext,
        role: str,
        *,
        command: Sequence[str],
        probes: Probes,
        ports: Mapping[str, int],
        name: str = "",
        domain: str = "",
        config: Files = (),
        image: str = "",
        replicas: BySize | int = 1,
        volumes: Mapping[str, str] | None = None,
        storage_class: str | None = None,
        mounted: Mapping[str, Mapping[str, Any]] | None = None,
        affinity: Mapping[str, Any] | None = None,
        after: Sequence[Part | Gate] = (),
        env: Env | None = None,
        writable: Sequence[str] = (),
        resources: Resources | None = None,
        init: Sequence[Container] = (),
        sidecars: Sequence[Container] = (),
        user: int = OPENSTACK_UID,
        account: str = "",
        before_stop: Sequence[str] = (),
        grace_seconds: int = 60,
        found_early: bool = False,
        apart: bool = False,
        bound: bool = False,
        runtime_labels: Sequence[str] = (),
    ) -> None:
        super().__init__(ctx)
        who = ctx.identity(name or f"{ctx.name}-{role}", role)
        headless = ctx.identity(domain or who.name, role)
        count = ctx.replicas(role, replicas)
        gate = ctx.gate(after=after)
        names = {path: path.strip("/").replace("/", "-") for path in [*(volumes or {}), *(mounted or {})]}
        container = Container(
            name=who.name,
            image=ctx.image(image or ctx.name),
            command=command,
            env={**ctx.service_env(), **(env or {})},
            ports=ports,
            files=flat(config),
            writable=writable,
            probes=probes,
            resources=ctx.resources(role, (resources or Resources(memory="256Mi", memory_limit="1Gi")).body()),
            before_stop=before_stop,
            volume_mounts=[{"name": name, "mountPath": path} for path, name in names.items()],
        )
        pod = Pod(
            containers=[container, *sidecars],
            init=init,
            gate=gate,
            service_account=account or ctx.name,
            token=bool(account),
            user=user,
            spread=count > 1 and not apart,
            apart=count > 1 and apart,
            bound=bound,
            runtime_labels=runtime_labels,
            grace_seconds=grace_seconds,
            affinity=affinity,
            volumes=[{"name": names[path], **body} for path, body in (mounted or {}).items()],
        )
        bodies = [volume_claim(names[path], size, storage_class) for path, size in (volumes or {}).items()]
        self.put(stateful_set(who, pod, replicas=count, service=headless.name, claims=bodies), gate=gate)
        self.put(service(headless, ports, headless=True, not_ready_too=found_early))
        self.put_budget(who, count)
        self.awaited = Gate(services=(headless.name,))


class Agent(Part):
    """One DaemonSet of an agent that runs on every node of a ``role_of_nodes``.

    Make one for each of ``ctx.variants()``: together they serve every such node exactly once. An agent has no database
    credential and does not wait for the database; otherwise it waits for what the service requires, or for ``needs``.
    ``host`` holds Pod fields like hostNetwork, ``volumes`` and ``volume_mounts`` bodies of host paths; ``on_delete`` leaves
    it to the operator when an agent restarts, where that would cut traffic. ``account`` is a ServiceAccount, for an agent that
    talks to the Kubernetes API.
    """

    def __init__(
        self,
        ctx: ServiceContext,
        role: str,
        *,
        role_of_nodes: NodeRole,
        command: Sequence[str],
        probes: Probes,
        variant: Variant = EVERY_NODE,
        name: str = "",
        ports: Mapping[str, int] | None = None,
        host_ports: Mapping[str, int] | None = None,
        config: Files = (),
        image: str = "",
        needs: Sequence[str] | None = None,
        after: Sequence[Part | Gate] = (),
        env: Env | None = None,
        writable: Sequence[str] = (),
        privilege: Privilege | None = None,
        resources: Resources | None = None,
        host: Mapping[str, Any] | None = None,
        volumes: Sequence[Mapping[str, Any]] = (),
        volume_mounts: Sequence[Mapping[str, Any]] = (),
        on_delete: bool = False,
        user: int = OPENSTACK_UID,
        account: str = "",
        grace_seconds: int = 60,
    ) -> None:
        super().__init__(ctx)
        name = name or f"{ctx.name}-{role}"
        who = ctx.identity(f"{name}{variant.suffix}", f"{role}{variant.suffix}", {"stackloom.io/agent": role})
        gate = ctx.gate(sorted(ctx.service.requires - {"database"}) if needs is None else needs, after)
        container = Container(
            name=name,
            image=ctx.image(image or ctx.name),
            command=command,
            env={**ctx.bus_env(), **ctx.user_env(), **(env or {})},
            ports=ports or {},
            host_ports=host_ports or {},
            files=flat(config),
            writable=writable,
            probes=probes,
            privilege=privilege,
            resources=ctx.resources(role, (resources or Resources(memory="256Mi", memory_limit="1Gi")).body()),
            volume_mounts=volume_mounts,
        )
        pod = Pod(
            containers=[container],
            gate=gate,
            service_account=account or ctx.name,
            token=bool(account),
            user=user,
            role=role_of_nodes,
            affinity=variant.affinity,
            host=host or {},
            volumes=volumes,
            grace_seconds=grace_seconds,
        )
        self.put(daemon_set(who, pod, on_delete=on_delete), gate=gate)
        self.awaited = Gate(node_pods=(f"application={ctx.name},stackloom.io/agent={role}",))
