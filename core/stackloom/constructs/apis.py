"""APIs: what is called over HTTP, by the cloud's users or its services."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from stackloom.constructs.part import Files, Part, flat
from stackloom.constructs.routes import route
from stackloom.errors import Problem, StackloomError, did_you_mean
from stackloom.manifests.gate import Gate
from stackloom.manifests.objects import service
from stackloom.manifests.pod import Container, Env, Pod, Probes, Resources
from stackloom.manifests.workloads import deployment
from stackloom.model.service import BySize
from stackloom.oslo.files import uwsgi_ini

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext


class ApiDeployment(Part):
    """A Deployment that serves the endpoint ``endpoint`` of the service, its Service, its route where it is public.

    ``wsgi`` is the application that uWSGI serves (``package.module:callable``), ``workers`` its processes; give ``command``
    instead for a server of another kind. The service's database and account reach it through the environment.
    ``health`` is a path that answers 200 without a token; ``before`` are commands that run first, one by one, and share the
    ``writable`` directories with the server.
    """

    def __init__(
        self,
        ctx: ServiceContext,
        role: str = "api",
        *,
        config: Files,
        wsgi: str = "",
        command: Sequence[str] = (),
        endpoint: str = "api",
        image: str = "",
        replicas: BySize | int = 2,
        workers: BySize | int = 2,
        after: Sequence[Part | Gate] = (),
        before: Sequence[Sequence[str]] = (),
        env: Env | None = None,
        writable: Sequence[str] = (),
        health: str = "/healthcheck",
        resources: Resources | None = None,
    ) -> None:
        super().__init__(ctx)
        served = next((e for e in ctx.service.endpoints if e.name == endpoint), None)
        if served is None:
            known = [e.name for e in ctx.service.endpoints]
            raise StackloomError(Problem(f"the service {ctx.name!r} has no endpoint {endpoint!r}", did_you_mean(endpoint, known)))
        who = ctx.identity(served.service, role)
        files = flat(config)
        if wsgi:
            path = f"/etc/{ctx.name}/{served.service}-uwsgi.ini"
            processes = ctx.by_size(workers)
            files.append(ctx.file(path, uwsgi_ini(module=wsgi, port=served.port, name=served.service, processes=processes)))
            command = ["uwsgi", "--ini", path]
        count = ctx.replicas(role, replicas)
        gate = ctx.gate(after=after)
        container = Container(
            name=served.service,
            image=ctx.image(image or ctx.name),
            command=command,
            env={**ctx.service_env(), **(env or {})},
            ports={served.name: served.port},
            files=files,
            writable=writable,
            probes=Probes(path=health, port=served.name),
            resources=ctx.resources(role, (resources or Resources(memory="512Mi", memory_limit="2Gi")).body()),
            drain_seconds=10,
        )
        steps = [
            replace(container, name=f"step-{i}", command=words, probes=None, ports={}, drain_seconds=0)
            for i, words in enumerate(before, 1)
        ]
        pod = Pod(containers=[container], init=steps, gate=gate, service_account=ctx.name, spread=count > 1, grace_seconds=60)
        self.put(deployment(who, pod, replicas=count, deadline_seconds=ctx.rollout_deadline), gate=gate)
        self.put(service(who, {served.name: served.port}))
        self.put_budget(who, count)
        for body in route(ctx, who, served) if served.public else ():
            self.put(body)
        self.awaited = Gate(services=(served.service,))
