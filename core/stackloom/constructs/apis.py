"""APIs: what is called over HTTP, by the cloud's users or its services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from stackloom.constructs import tls_proxy
from stackloom.constructs.part import Part, flat
from stackloom.constructs.routes import route
from stackloom.constructs.running import Running, container_of, pod_of
from stackloom.errors import Problem, StackloomError, did_you_mean
from stackloom.manifests.gate import Gate
from stackloom.manifests.objects import service
from stackloom.manifests.pod import Probe, Probes, Resources
from stackloom.manifests.workloads import deployment
from stackloom.model.service import BySize
from stackloom.oslo.files import uwsgi_ini

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext


class ApiDeployment(Part):
    """A Deployment that serves the endpoint ``endpoint`` of the service, its Service, its route where it is public.

    ``wsgi`` is the application that uWSGI serves (``package.module:callable``), ``workers`` its processes, ``uwsgi`` what else
    uWSGI is told; give ``command`` instead for a server of another kind. The service's database and account reach it through the
    environment.
    ``health`` is a path that answers 200 without a token; ``alive`` is how else the API shows that it lives, where requests may
    take all its workers for long. The rest is as in :class:`Running`.
    """

    def __init__(
        self,
        ctx: ServiceContext,
        role: str = "api",
        *,
        wsgi: str = "",
        command: Sequence[str] = (),
        endpoint: str = "api",
        replicas: BySize | int = 2,
        workers: BySize | int = 2,
        uwsgi: Mapping[str, str] | None = None,
        health: str = "/healthcheck",
        alive: Probe | None = None,
        **running: Unpack[Running],
    ) -> None:
        super().__init__(ctx)
        served = next((e for e in ctx.service.endpoints if e.name == endpoint), None)
        if served is None:
            known = [e.name for e in ctx.service.endpoints]
            raise StackloomError(Problem(f"the service {ctx.name!r} has no endpoint {endpoint!r}", did_you_mean(endpoint, known)))
        who = ctx.identity(served.service, role)
        if wsgi:
            path = f"/etc/{ctx.name}/{served.service}-uwsgi.ini"
            processes = ctx.by_size(workers)
            text = uwsgi_ini(module=wsgi, port=served.port, name=served.service, processes=processes, extra=uwsgi)
            ini = ctx.file(path, text)
            running["config"] = [*flat(running.get("config", ())), ini]
            command = ["uwsgi", "--ini", path]
        proxied = served.public is not None and tls_proxy.is_used(ctx.deployment)
        if proxied:
            running["sidecars"] = [*running.get("sidecars", ()), tls_proxy.proxy(ctx, served)]
        count = ctx.replicas(role, replicas)
        gate = ctx.gate(running.get("needs"), running.get("after", ()))
        usual = Resources(memory="512Mi", memory_limit="2Gi")
        container = replace(
            container_of(ctx, served.service, role, command, running, env=ctx.service_env(), usual=usual),
            ports={served.name: served.port},
            probes=Probes(path=health, port=served.name, alive=alive),
            drain_seconds=10,
        )
        pod = replace(pod_of(ctx, container, running, gate=gate), spread=count > 1)
        self.put(deployment(who, pod, replicas=count, deadline_seconds=ctx.rollout_deadline), gate=gate)
        ports = {served.name: served.port, **({tls_proxy.PORT_NAME: tls_proxy.PORT} if proxied else {})}
        body = service(who, ports)
        if proxied:
            tls_proxy.trusted_by_traefik(body)
        self.put(body)
        self.put_budget(who, count)
        for body in route(ctx, who, served, proxied=proxied) if served.public else ():
            self.put(body)
        self.awaited = Gate(services=(served.service,))
