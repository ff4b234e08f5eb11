"""Workloads that are not APIs: workers, services with state, agents on every node of a kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

from stackloom.constructs.part import Part
from stackloom.constructs.running import Running, container_of, pod_of, watched
from stackloom.constructs.variants import EVERY_NODE, Variant
from stackloom.manifests.gate import Gate
from stackloom.manifests.objects import service
from stackloom.manifests.pod import Probes, Resources
from stackloom.manifests.workloads import daemon_set, deployment, stateful_set, volume_claim
from stackloom.model.placement import NodeRole
from stackloom.model.service import BySize

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

_USUAL = Resources(memory="256Mi", memory_limit="1Gi")
Nodes = NodeRole | Mapping[str, str]


class Worker(Part):
    """A Deployment that nobody calls: it works through a queue or a schedule, or waits to be entered (a shell).

    ``ports`` are named, for its probes and for who reads its metrics; without ``probes`` it is ready when it hears the service's
    message bus, or that of notifications where it has no other. ``nodes`` says where it runs, by a role or by labels,
    ``before_stop`` what runs before it is told to end. The rest is as in :class:`Running`.
    """

    def __init__(
        self,
        ctx: ServiceContext,
        role: str,
        *,
        command: Sequence[str],
        probes: Probes | None = None,
        ports: Mapping[str, int] | None = None,
        replicas: BySize | int = 1,
        nodes: Nodes = NodeRole.CONTROL_PLANE,
        before_stop: Sequence[str] = (),
        **running: Unpack[Running],
    ) -> None:
        super().__init__(ctx)
        who = ctx.identity(f"{ctx.name}-{role}", role)
        count = ctx.replicas(role, replicas)
        gate = ctx.gate(running.get("needs"), running.get("after", ()))
        container = container_of(ctx, who.name, role, command, running, env=ctx.service_env(), usual=_USUAL)
        container = watched(ctx, replace(container, ports=ports or {}, before_stop=before_stop), probes, running)
        pod = replace(pod_of(ctx, container, running, gate=gate), role=nodes, spread=count > 1)
        self.put(deployment(who, pod, replicas=count, deadline_seconds=ctx.rollout_deadline), gate=gate)
        self.put_budget(who, count)


class StatefulService(Part):
    """A StatefulSet behind a headless Service, whose Pods have names, and volumes that outlive them.

    Both are called ``name``, unless the Service has a name of its own: ``domain``. ``ports`` are named; ``volumes`` gives a size
    for each mount path (``{"/var/lib/x": "5Gi"}``), of the storage class ``storage_class``.
    ``found_early`` gives a Pod its address before it is ready: for those that form a
    cluster. ``apart`` is for those that must not be lost together: no node gets two. ``before_stop`` is what runs before it is
    told to end; ``affinity``, ``bound`` and ``runtime_labels`` are the Pod's. The rest is as in :class:`Worker`.
    """

    def __init__(
        self,
        ctx: ServiceContext,
        role: str,
        *,
        command: Sequence[str],
        ports: Mapping[str, int] | None = None,
        probes: Probes | None = None,
        name: str = "",
        domain: str = "",
        replicas: BySize | int = 1,
        nodes: Nodes = NodeRole.CONTROL_PLANE,
        volumes: Mapping[str, str] | None = None,
        storage_class: str | None = None,
        affinity: Mapping[str, Any] | None = None,
        before_stop: Sequence[str] = (),
        found_early: bool = False,
        apart: bool = False,
        bound: bool = False,
        runtime_labels: Sequence[str] = (),
        **running: Unpack[Running],
    ) -> None:
        super().__init__(ctx)
        who = ctx.identity(name or f"{ctx.name}-{role}", role)
        headless = ctx.identity(domain or who.name, role)
        count = ctx.replicas(role, replicas)
        gate = ctx.gate(running.get("needs"), running.get("after", ()))
        names = {path: path.strip("/").replace("/", "-") for path in volumes or {}}
        container = container_of(ctx, who.name, role, command, running, env=ctx.service_env(), usual=_USUAL)
        container = replace(
            watched(ctx, container, probes, running),
            ports=ports or {},
            before_stop=before_stop,
            volume_mounts=[{"name": name, "mountPath": path} for path, name in names.items()],
        )
        pod = replace(
            pod_of(ctx, container, running, gate=gate),
            role=nodes,
            spread=count > 1 and not apart,
            apart=count > 1 and apart,
            bound=bound,
            runtime_labels=runtime_labels,
            affinity=affinity,
        )
        bodies = [volume_claim(names[path], size, storage_class) for path, size in (volumes or {}).items()]
        self.put(stateful_set(who, pod, replicas=count, service=headless.name, claims=bodies), gate=gate)
        self.put(service(headless, ports or {}, headless=True, not_ready_too=found_early))
        self.put_budget(who, count)
        self.awaited = Gate(services=(headless.name,))


class Agent(Part):
    """One DaemonSet of an agent that runs on every node of a ``role_of_nodes``, a role or labels.

    Make one for each of ``ctx.variants()``: together they serve every such node exactly once. Nodes that have the role ``not_on``
    as well are left to another agent. An agent has no database
    credential and does not wait for the database; otherwise it waits for what the service requires, or for ``needs``.
    ``on_delete`` leaves it to the operator when an agent restarts, where that would cut traffic. ``name`` replaces that of
    service and role. The rest is as in :class:`Worker`.
    """

    def __init__(
        self,
        ctx: ServiceContext,
        role: str,
        *,
        role_of_nodes: Nodes,
        not_on: NodeRole | None = None,
        command: Sequence[str],
        probes: Probes | None = None,
        variant: Variant = EVERY_NODE,
        name: str = "",
        ports: Mapping[str, int] | None = None,
        host_ports: Mapping[str, int] | None = None,
        before_stop: Sequence[str] = (),
        on_delete: bool = False,
        **running: Unpack[Running],
    ) -> None:
        super().__init__(ctx)
        name = name or f"{ctx.name}-{role}"
        who = ctx.identity(f"{name}{variant.suffix}", f"{role}{variant.suffix}", {"stackloom.io/agent": role})
        needs = running.get("needs")
        gate = ctx.gate(sorted(ctx.service.requires - {"database"}) if needs is None else needs, running.get("after", ()))
        env = {**ctx.bus_env(), **ctx.user_env()}
        container = container_of(ctx, name, role, command, running, env=env, usual=_USUAL)
        container = replace(
            watched(ctx, container, probes, running), ports=ports or {}, host_ports=host_ports or {}, before_stop=before_stop
        )
        pod = replace(pod_of(ctx, container, running, gate=gate), role=role_of_nodes, affinity=variant.affinity_but_on(not_on))
        self.put(daemon_set(who, pod, on_delete=on_delete), gate=gate)
        self.awaited = Gate(node_pods=(f"application={ctx.name},stackloom.io/agent={role}",))
