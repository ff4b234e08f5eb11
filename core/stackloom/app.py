"""From a deployment to the output: load, build, check, write. Every problem on the way is reported, or nothing is written."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stackloom import checks, images, incluster, publish
from stackloom.attribution import attributed, blaming, collecting
from stackloom.constructs import tls_proxy
from stackloom.constructs.ceph import CephClients
from stackloom.constructs.component import Component, body_of, manifest_text, new_app, outline, validate
from stackloom.constructs.context import ServiceContext
from stackloom.constructs.options import option_problems
from stackloom.constructs.routes import existing_objects
from stackloom.errors import Problem, StackloomError, did_you_mean
from stackloom.graph import BASE_LEVEL, Graph
from stackloom.infra.argocd import COMPONENT as ARGOCD
from stackloom.infra.argocd import build_argocd
from stackloom.infra.base import build_base
from stackloom.infra.credentials import COMPONENT as CREDENTIALS
from stackloom.infra.credentials import build_credentials, cloud_credentials, service_credentials
from stackloom.infra.image_cache import COMPONENT as IMAGE_CACHE
from stackloom.infra.image_cache import build_image_cache
from stackloom.infra.network import service_policy
from stackloom.infra.offered import with_infrastructure
from stackloom.manifests import objects
from stackloom.manifests.programs import program_files
from stackloom.manifests.workloads import Identity
from stackloom.model.backend import BACKENDS, CEPH, backend
from stackloom.model.credential import Credential
from stackloom.model.output import Output
from stackloom.model.service import Service
from stackloom.plugins import Plugins, load
from stackloom.spec import loader
from stackloom.spec.deployment import OpenStackDeployment
from stackloom.spec.paths import parse
from stackloom.spec.references import referenced_secrets, referenced_storage_classes
from stackloom.spec.source import Source, read
from stackloom.waves import set_waves

if TYPE_CHECKING:
    from cdk8s import ApiObject, Chart  # importing it starts Node.js, and stackloom.constructs chooses which

DEPLOYMENT_VARIABLE = "STACKLOOM_DEPLOYMENT"
ALLOW_REMOVAL_VARIABLE = "STACKLOOM_ALLOW_REMOVAL"


# A cloud lives as long as its program: looking for garbage while it is made and once more at the end takes a third of the time.
atexit.register(gc.freeze)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep Python from looking for garbage."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass(frozen=True, slots=True)
class Written:
    """What a synthesis wrote."""

    folder: Path
    components: int
    objects: int

    def __str__(self) -> str:
        return f"{self.folder}: {self.objects} objects in {self.components} components"


class Cloud:
    """A cloud: a deployment, and the constructs that it becomes.

    ``deployment`` is the path of a file, or an :class:`OpenStackDeployment` written in Python. Between making a Cloud and
    :meth:`synth`, constructs of your own may be added to ``app``, and components changed. Raises :class:`StackloomError`.
    """

    @_collector_paused()
    def __init__(self, deployment: str | Path | OpenStackDeployment, *, plugins: Plugins | None = None) -> None:
        self._source = source = _source(deployment)
        with _located_in(source):
            self.plugins = plugins or load(disabled=loader.disabled_plugins(source))
        self.deployment = loader.load(
            source,
            with_infrastructure(self.plugins.services),
            [origin.plugin for origin in self.plugins.origins],
            lambda service: self._blaming(service, "in its rules"),
        )
        self.graph = Graph(self.deployment.services, self._source_of)
        self.outdir = Path(os.environ.get("CDK8S_OUTDIR") or "dist")
        publish.refuse_foreign(self.outdir)
        self.app = new_app(self.outdir)
        self.components: dict[str, Component] = {}
        self._contexts: dict[str, ServiceContext] = {}
        self._delivered: set[str] = set()
        self.credentials: list[Credential] = cloud_credentials(self.deployment)
        self._programs = incluster.read_programs()
        self._ceph_clients = CephClients()
        self._build()

    def component(self, name: str) -> Component:
        """The component of this name (its folder in the output): a chart of cdk8s."""
        if name not in self.components:
            raise StackloomError(Problem(f"this cloud has no component {name!r}", did_you_mean(name, self.components)))
        return self.components[name]

    def context(self, service: str) -> ServiceContext:
        """The deployment as the service of this name sees it."""
        if service not in self._contexts:
            raise StackloomError(Problem(f"this cloud has no service {service!r}", did_you_mean(service, self._contexts)))
        return self._contexts[service]

    @_collector_paused()
    def synth(self, *, allow_removal: Collection[str] = ()) -> Written:
        """Check what was built and write it to ``CDK8S_OUTDIR`` (``dist`` unless set).

        A component that the folder had and that would vanish must be confirmed by name, here or in ``STACKLOOM_ALLOW_REMOVAL``.
        """
        output, problems = self._examined()
        confirmed = {*allow_removal, *os.environ.get(ALLOW_REMOVAL_VARIABLE, "").replace(",", " ").split()}
        problems += publish.unconfirmed_removals(self.outdir, {o.component for o in output}, confirmed)
        if problems:
            raise StackloomError(problems)
        publish.publish(((o.file, manifest_text(dict(o.body))) for o in output), self.outdir)
        return Written(self.outdir, len({o.component for o in output}), len(output))

    @_collector_paused()
    def checked(self) -> list[Output]:
        """Every object as it stands now, when all checks have passed; nothing is written."""
        output, problems = self._examined()
        if problems:
            raise StackloomError(problems)
        return output

    def _examined(self) -> tuple[list[Output], list[Problem]]:
        """Every object, and what all checks find."""
        validate(self.app)
        output = self.output()
        problems = checks.run_all(output, self._check_context())
        arguments = {"deployment": self.deployment, "output": output}
        for origin, found in self.plugins.ask("stackloom_validate", Problem, problems, **arguments):
            problems += [attributed(problem, origin) for problem in found]
        return output, problems

    def output(self) -> list[Output]:
        """Every object as it stands now, whoever made it."""
        self._complete()
        found: list[Output] = []
        problems: list[Problem] = []
        charts = outline(self.app)
        for chart in sorted(charts, key=_folder):
            with collecting(problems):
                found += _output_of(chart, charts[chart])
        if problems:
            raise StackloomError(problems)
        return self._with_image_cache(found)

    def _with_image_cache(self, output: list[Output]) -> list[Output]:
        """``output`` with the component that pulls its images, which is made of all that is there."""
        component = self.components.get(IMAGE_CACHE)
        if component is None:
            return output
        build_image_cache(component, self._labels(IMAGE_CACHE), self.deployment, output)
        set_waves(component)
        rest = [o for o in output if o.component != IMAGE_CACHE]
        return sorted([*rest, *_output_of(component, list(component.manifests))], key=lambda o: o.component)

    def _source_of(self, service: str) -> str:
        return str(self.plugins.origin_of(service) or "")

    def _blaming(self, service: Service, doing: str) -> AbstractContextManager[object]:
        """Attribute to its plugin what a service raises; the core's own infrastructure has none."""
        origin = self.plugins.origin_of(service.name)
        return blaming(origin, doing) if origin else nullcontext()

    def _labels(self, name: str) -> dict[str, str]:
        return {
            "app.kubernetes.io/name": name,
            "app.kubernetes.io/part-of": "openstack",
            "app.kubernetes.io/managed-by": "stackloom",
            "app.kubernetes.io/instance": self.deployment.metadata.name,
            "application": name,
            "component": name,
        }

    def _component(self, name: str, level: int, source: str = "") -> Component:
        if name in self.components:
            raise StackloomError(Problem(f"the name {name!r} is that of a component of the core", "Rename the service"))
        made = Component(self.app, name, namespace=self.deployment.metadata.namespace, level=level, source=source)
        self.components[name] = made
        return made

    def _build(self) -> None:
        problems: list[Problem] = []
        base = self._component("base", BASE_LEVEL)
        build_base(base, self._labels("base"), self._programs, closed=self.deployment.spec.features.network_policies.enabled)
        credentials = self._component(CREDENTIALS, BASE_LEVEL)
        argocd = self._component(ARGOCD, BASE_LEVEL) if self.deployment.spec.argocd.repository else None
        # What makes the clients of Ceph comes when it is known who wants one.
        for service in sorted(self.graph.services.values(), key=lambda s: s.backs == CEPH):
            with collecting(problems), self._blaming(service, f"while building {service.name!r}"):
                self._build_service(service)
        self._add_policies()
        self._build_credentials(credentials)
        if self.deployment.spec.images.precache:
            self._component(IMAGE_CACHE, BASE_LEVEL)
        if problems:
            raise StackloomError(problems)
        self._set_waves()
        if argocd:
            levels = {
                name: component.level for name, component in self.components.items() if component.manifests or name == IMAGE_CACHE
            }
            build_argocd(argocd, self._labels(ARGOCD), self.deployment, levels)

    def _set_waves(self) -> None:
        for name, component in self.components.items():
            if name != ARGOCD:  # Applications are ordered among themselves
                set_waves(component)

    def _complete(self) -> None:
        """Add what follows from all that is there: waves, and Applications for the charts of the operator's own."""
        self._set_waves()
        if ARGOCD not in self.components or self.deployment.spec.argocd.profile == "single":
            return
        own = {_folder(c) for c in self.app.charts if not isinstance(c, Component) and c.api_objects}
        last = max(component.level for component in self.components.values()) + 1  # they may lean on anything
        build_argocd(self.components[ARGOCD], self._labels(ARGOCD), self.deployment, dict.fromkeys(own - self._delivered, last))
        self._delivered |= own

    def _build_service(self, service: Service) -> None:
        assert service.build is not None  # noqa: S101 - the loader selects no service that has none
        component = self._component(service.name, self.graph.level(service.name), self._source_of(service.name))
        context = ServiceContext(
            deployment=self.deployment,
            service=service,
            component=component,
            graph=self.graph,
            programs=self._programs,
            ceph_clients=self._ceph_clients,
        )
        self._contexts[service.name] = context
        service.build(context)
        if not (component.manifests or context.credentials or context.config_files):  # it is not for this deployment
            return
        with _located_in(self._source):
            if problems := [*context.unused_values(), *option_problems(context)]:
                raise StackloomError(problems)
        if context.config_files:
            data = {key: file.text for key, file in context.config_files.items()}
            component.add(objects.config_map(context.identity(f"{service.name}-etc", "configuration"), data))
        component.add(objects.service_account(context.identity(service.name, "access")))
        for credential in (*service_credentials(service, context.generation), *context.credentials):
            if any(other.name == credential.name for other in self.credentials):
                what = f"the service {service.name!r} makes the credential {credential.name!r}, which is there already"
                raise StackloomError(Problem(what, "Give it another name"))
            self.credentials.append(credential)

    def _add_policies(self) -> None:
        """The network policies, once it is known whose Pods are on their nodes' network."""
        settings = self.deployment.spec.features.network_policies
        pods = {name: self.components[name].pods() for name in self._contexts}
        on_nodes = {name for name, found in pods.items() if any(pod.get("hostNetwork") for pod in found)}
        behind_tls = {name for name, found in pods.items() if any(map(tls_proxy.has_proxy, found))}
        for name, context in self._contexts.items():
            if settings.enabled and pods[name]:
                policy = service_policy(
                    context.identity(name, "network"),
                    self.graph,
                    context.service,
                    pods[name],
                    egress_ports=context.egress_ports,
                    open_ports=context.open_ports,
                    open_udp_ports=context.open_udp_ports,
                    monitored_ports=context.monitored_ports,
                    monitoring=settings.monitoring_namespace,
                    on_nodes=on_nodes,
                    behind_tls=behind_tls,
                    absent={name for name, found in pods.items() if not found},
                    node_networks=settings.node_networks,
                )
                context.component.add(policy)

    def _build_credentials(self, component: Component) -> None:
        who = Identity(name=CREDENTIALS, namespace=self.deployment.metadata.namespace, labels=self._labels(CREDENTIALS))
        spec = self.deployment.spec
        toolbox = images.placed(images.TOOLBOX.reference(spec.openstack_version), spec.images.registry, spec.images.digests)
        program = program_files("credentials.py", self._programs)
        build_credentials(component, who, self.deployment, self.credentials, image=toolbox, program=program)

    def _check_context(self) -> checks.CheckContext:
        return checks.CheckContext(
            namespace=self.deployment.metadata.namespace,
            credentials=tuple(self.credentials),
            externals=self._externals(),
            images=self.deployment.spec.images,
        )

    def _externals(self) -> checks.External:
        """What the output leans on and does not hold: what others run, and the Secrets that the operator refers to."""
        services, built = self.graph.services.values(), self.components
        backends = {b.service for s in services for r in s.needs & BACKENDS if (b := backend(r, s.name)).component not in built}
        chosen = self.deployment.spec.credentials.external_secrets
        return checks.External.of(
            {
                **({chosen.store.kind: [chosen.store.name]} if chosen else {}),
                "Service": sorted(backends),
                "Secret": sorted({*referenced_secrets(self.deployment), *self._ceph_clients.secrets}),
                **existing_objects(self.deployment),
                "StorageClass": sorted(referenced_storage_classes(self.deployment)),
                "Namespace": [self.deployment.spec.argocd.namespace, *self._ceph_clients.namespaces(self.deployment)],
            }
        )


def _folder(chart: Chart) -> str:
    return chart.folder if isinstance(chart, Component) else chart.node.path.replace("/", "-")


def _output_of(chart: Chart, objects: Sequence[ApiObject]) -> list[Output]:
    folder = _folder(chart)
    try:
        if isinstance(chart, Component):
            return [Output(folder, body_of(thing), chart.source) for thing in objects]
        return [Output(folder, body, foreign=True) for body in chart.to_json()]
    except RuntimeError as error:  # what cdk8s raises, from Node.js
        what, source = str(error).removeprefix("Error: "), chart.source if isinstance(chart, Component) else ""
        raise StackloomError(Problem(what, "Found by cdk8s in rendering the chart", folder, source=source)) from error


@contextmanager
def _located_in(source: Source) -> Iterator[None]:
    """Give problems the place of the key path that they name."""
    try:
        yield
    except StackloomError as error:
        raise StackloomError(_located(problem, source) for problem in error.problems) from error


def _located(problem: Problem, source: Source) -> Problem:
    """With its place, if it is about the deployment and not about what a plugin makes of it."""
    if not problem.path.startswith("spec"):
        return problem
    return replace(problem, location=source.locate(parse(problem.path, source.data)))


def _source(deployment: str | Path | OpenStackDeployment) -> Source:
    if isinstance(deployment, OpenStackDeployment):
        return Source.from_model(deployment)
    return read(Path(deployment))


def deployment_path(arguments: Sequence[str] | None = None) -> str:
    """The deployment's file: the first argument, or STACKLOOM_DEPLOYMENT, or ``deployment.yaml``."""
    given = sys.argv[1:] if arguments is None else arguments
    return next(iter(given), "") or os.environ.get(DEPLOYMENT_VARIABLE, "") or "deployment.yaml"


def report(written: Written, cloud: Cloud) -> None:
    """Say what was written, and what the preset names that is not built yet, on standard error: the cdk8s CLI shows only that."""
    if cloud.deployment.left_out:
        names = ", ".join(f"{s.type} ({s.name})" for s in cloud.deployment.left_out)
        print(f"note: the preset {cloud.deployment.spec.preset} also names what is not built yet: {names}", file=sys.stderr)  # noqa: T201
    print(written, file=sys.stderr)  # noqa: T201


@contextmanager
def reporting() -> Iterator[None]:
    """Print the problems of a program to standard error, one a line, and exit with status 1; never a traceback.

    What the program leaves is not looked through for garbage any more: put all of it into the block.
    """
    gc.disable()
    try:
        yield
    except StackloomError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    finally:
        gc.freeze()  # before the collector looks through all that is left
        gc.enable()
