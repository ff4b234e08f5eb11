"""What a service is built with: the ServiceContext, given to every plugin's ``build``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar

from stackloom import images
from stackloom.constructs import access, ceph, coordination, options, routes
from stackloom.constructs.apis import ApiDeployment
from stackloom.constructs.ceph import CephClients
from stackloom.constructs.jobs import Task, clean_database, migrate_database, register_in_catalogue
from stackloom.constructs.variants import Variant, variants_of
from stackloom.constructs.workers import Agent, StatefulService, Worker
from stackloom.errors import Problem, StackloomError, did_you_mean
from stackloom.fields import LogLevel, SpecModel
from stackloom.graph import Graph
from stackloom.incluster import read_programs
from stackloom.manifests import objects
from stackloom.manifests.files import ConfigFile
from stackloom.manifests.gate import Gate
from stackloom.manifests.programs import program_files
from stackloom.manifests.workloads import Identity
from stackloom.model.credential import Credential, SecretKey, Value
from stackloom.model.image import Image
from stackloom.model.service import BySize, Endpoint, Service

if TYPE_CHECKING:
    from stackloom.constructs.component import Component
    from stackloom.spec.deployment import OpenStackDeployment

P = ParamSpec("P")
T = TypeVar("T")
Ports = int | range
M = TypeVar("M", bound=SpecModel)


def word(construct: Callable[Concatenate[ServiceContext, P], T]) -> Callable[Concatenate[ServiceContext, P], T]:
    """A construct as a method of the context, with the construct's own parameters and documentation."""

    @functools.wraps(construct, updated=())
    def speak(ctx: ServiceContext, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return construct(ctx, *args, **kwargs)

    return speak


class ServiceContext:
    """The deployment as one service sees it, and the vocabulary in which the service is written.

    ``component`` is the service's chart, for constructs that the vocabulary does not have; ``values`` is what the operator
    changes of the service in ``spec.services``; ``generation`` is that of its passwords.
    """

    def __init__(
        self,
        *,
        deployment: OpenStackDeployment,
        service: Service,
        component: Component,
        graph: Graph,
        programs: Mapping[str, str],
        ceph_clients: CephClients | None = None,
    ) -> None:
        self.deployment = deployment
        self.service = service
        self.component = component
        self.graph = graph
        self.name = service.name
        self.namespace = deployment.metadata.namespace
        self.release = deployment.spec.openstack_version
        self.values = deployment.values_of(service)
        self.generation = deployment.generation_of(service.name)
        self.credentials: list[Credential] = []
        self.ceph_clients = CephClients() if ceph_clients is None else ceph_clients
        self.egress_ports: list[Ports] = []
        self.open_ports: list[int] = []
        self.open_udp_ports: list[int] = []
        self.monitored_ports: list[int] = [service.metrics_port] if service.metrics_port else []
        self._programs = programs
        self._asked: dict[str, set[str]] = {"replicas": set(), "resources": set()}
        self._files: dict[str, ConfigFile] = {}
        self.written: list[options.Written] = []

    def features_as(self, model: type[M]) -> M:
        """The service's own subtree of the specification, validated: an instance of its ``features`` model."""
        return self.deployment.features_of(self.service.features_name, model)

    # -- Facts ---------------------------------------------------------------------------------------------------------

    def host(self, service: str) -> str:
        """The name by which a Service of Kubernetes in this namespace is called."""
        return f"{service}.{self.namespace}.svc.{self.deployment.spec.internal_domain_name}"

    def public_host(self, endpoint: Endpoint) -> str:
        """The host under ``public_domain_name`` of an endpoint that is public."""
        return f"{endpoint.public}.{self.deployment.spec.public_domain_name}"

    def url(self, service_type: str, *, public: bool = False, path: bool = True, name: str = "api") -> str:
        """The URL of a service of the cloud, as Pods call it or, with ``public``, as the cloud's users do.

        Only what the service requires or uses may be asked for, because the network is open to nothing else.
        """
        endpoint = self.endpoint(service_type, name)
        base = (
            f"https://{self.public_host(endpoint)}"
            if public and endpoint.public
            else f"http://{self.host(endpoint.service)}:{endpoint.port}"
        )
        return base + (endpoint.path if path else "")

    def endpoint(self, service_type: str, name: str = "api") -> Endpoint:
        """The endpoint of a service of this type, which must be declared in ``requires`` or ``uses``."""
        self.declared(service_type)
        found = self.graph.endpoint(service_type, name)
        if found is None:
            raise StackloomError(
                Problem(f"nothing in this cloud has the endpoint {name!r} of {service_type!r}", "Check graph.provides() first")
            )
        return found

    def members(self, service_type: str, name: str) -> list[str]:
        """``host:port`` of each Pod behind an endpoint that has ``members``; as with :meth:`url`, only what is declared."""
        endpoint = self.endpoint(service_type, name)
        if endpoint.members is None:
            raise StackloomError(Problem(f"the endpoint {name!r} of {service_type!r} has no members", "Call it by its url"))
        owner = next(s for s in self.graph.services.values() if endpoint in s.endpoints)
        usual = self.by_size(endpoint.members.count)
        count = self.deployment.values_of(owner).replicas.get(endpoint.members.role, usual)
        return [f"{endpoint.service}-{i}.{self.host(endpoint.members.domain)}:{endpoint.port}" for i in range(count)]

    def declared(self, requirement: str) -> None:
        """Raise StackloomError unless the service says that it calls this."""
        if requirement not in self.service.requires | self.service.uses | {self.service.type}:
            raise StackloomError(
                Problem(
                    f"the service {self.name!r} asks for {requirement!r} without declaring that it needs it",
                    f"Add {requirement!r} to `requires` (it waits for it) or to `uses` of the Service",
                )
            )

    def image(self, role: str) -> str:
        """The image of a role of this service, or of one of the core's (``toolbox``, ``python``, ``tls-proxy``).

        An image that the operator names whole, with its tag, is taken as it stands.
        """
        if ":" in role:
            return images.pinned(role, self.deployment.spec.images.digests)
        known: Mapping[str, Image] = {**images.ROLES, **self.service.images}
        if role not in known:
            raise StackloomError(
                Problem(f"the service {self.name!r} has no image for the role {role!r}", did_you_mean(role, known))
            )
        settings = self.deployment.spec.images
        if own := self.values.images.get(role):
            return images.pinned(own, settings.digests)
        return images.placed(known[role].reference(self.release), settings.registry, settings.digests)

    def by_size(self, numbers: BySize | int) -> int:
        """The number for this deployment's size."""
        return numbers if isinstance(numbers, int) else numbers.of(self.deployment.spec.size)

    def replicas(self, role: str, numbers: BySize | int) -> int:
        """How many Pods of ``role``: the operator's number (``values.replicas``), or that of the size."""
        self._asked["replicas"].add(role)
        return self.values.replicas.get(role, self.by_size(numbers))

    @property
    def rollout_deadline(self) -> int:
        """Seconds without progress after which a rollout has failed: what gates need, or more where the operator says so."""
        return max(1800, self.deployment.readiness_of(self.service).timeout)

    def resources(self, role: str, default: Mapping[str, Any]) -> dict[str, Any]:
        """The resources of ``role``, with the operator's (``values.resources``) laid over the default."""
        self._asked["resources"].add(role)
        override = self.values.resources_of(role)
        merged = {part: {**default.get(part, {}), **override.get(part, {})} for part in ("requests", "limits")}
        return {part: amounts for part, amounts in merged.items() if amounts}

    def identity(self, name: str, role: str, extra: Mapping[str, str] | None = None) -> Identity:
        """Name, namespace and labels of an object of this service; ``role`` becomes the label ``component``."""
        labels = {
            "app.kubernetes.io/name": self.name,
            "app.kubernetes.io/component": role,
            "app.kubernetes.io/part-of": "openstack",
            "app.kubernetes.io/managed-by": "stackloom",
            "app.kubernetes.io/instance": self.deployment.metadata.name,
            "application": self.name,
            "component": role,
        }
        if not self.service.backs:  # an upgrade of OpenStack restarts no infrastructure
            labels["stackloom.io/release"] = self.release
        return Identity(name=name, namespace=self.namespace, labels={**labels, **(extra or {})})

    # -- Configuration -------------------------------------------------------------------------------------------------

    def file(
        self,
        path: str,
        text: str,
        *,
        key: str = "",
        mode: int | None = None,
        rolls: bool = True,
        secrets: Mapping[str, SecretKey] | None = None,
    ) -> ConfigFile:
        """A file of the service's configuration, kept in the ConfigMap ``<service>-etc``; see :class:`ConfigFile`."""
        key = key or path.rsplit("/", 1)[1]
        new = ConfigFile(path, f"{self.name}-etc", key, text, mode, rolls, secrets or {})
        known = self._files.setdefault(key, new)
        if known.text != text:
            raise StackloomError(
                Problem(f"two files of the service {self.name!r} are called {key!r}", "Give one of them another `key`")
            )
        return new

    @property
    def log_level(self) -> LogLevel:
        """The service's level (``features.logging.<service>.level``)."""
        return self.deployment.log_level_of(self.service)

    def program(self, name: str) -> tuple[ConfigFile, ...]:
        """A program of the service's own (``Service.programs``) or of the core, as files in ``/opt/stackloom/programs``.

        With it come the modules that it imports, of either.
        """
        own = read_programs(self.service.programs) if self.service.programs else {}
        files = program_files(name, {**self._programs, **own})
        return tuple(self.file(f.path, f.text) if f.key in own else f for f in files)

    # -- Secrets -------------------------------------------------------------------------------------------------------

    def credential(
        self, name: str, keys: Mapping[str, Value], *, readers: Iterable[str] = (), seeded: bool = False
    ) -> Credential:
        """A Secret that this service needs, read by its own Pods and by ``readers``."""
        made = Credential(name=name, keys=keys, readers=frozenset({self.name, *readers}), seeded=seeded)
        self.credentials.append(made)
        return made

    database_env = word(access.database_env)
    database_login = word(access.database_login)
    bus_env = word(access.bus_env)
    user_env = word(access.user_env)
    service_env = word(access.service_env)
    admin_env = word(access.admin_env)
    login = word(access.login)
    account_env = word(access.account_env)
    ceph_files = word(ceph.ceph_files)
    ceph_pool = word(ceph.ceph_pool)
    ceph_user_key = word(ceph.ceph_user_key)
    coordination_files = word(coordination.coordination_files)
    coordination_url = word(coordination.coordination_url)
    oslo_config = word(options.oslo_config)
    oslo_overlay = word(options.oslo_overlay)
    paste = word(options.paste)
    memcached_servers = word(access.memcached_servers)
    public_authority = word(routes.public_authority)

    # -- Vocabulary ----------------------------------------------------------------------------------------------------

    def gate(self, needs: Iterable[str] | None = None, after: Sequence[Any] = ()) -> Gate:
        """What a Pod waits for: the services that this one requires (or of them only ``needs``), and ``after``."""
        for need in needs or ():
            self.declared(need)
        services = self.graph.waits_for(self.service, needs)
        gates = [item if isinstance(item, Gate) else item.awaited for item in after]
        return Gate(
            services=tuple(dict.fromkeys([*services, *(s for g in gates for s in g.services)])),
            jobs=tuple(dict.fromkeys(j for g in gates for j in g.jobs)),
            lasting_jobs=tuple(dict.fromkeys(j for g in gates for j in g.lasting_jobs)),
            node_pods=tuple(dict.fromkeys(p for g in gates for p in g.node_pods)),
            replaced=tuple(dict.fromkeys(a for g in gates for a in g.replaced)),
            release=self.release,
            image=self.image("toolbox"),
            files=self.program("gate.py"),
        )

    api = word(ApiDeployment)
    worker = word(Worker)
    stateful = word(StatefulService)
    agent = word(Agent)
    task = word(Task)
    migrate_database = word(migrate_database)
    clean_database = word(clean_database)
    register_in_catalogue = word(register_in_catalogue)

    def variants(
        self, apart: Callable[[Variant], bool] | None = None, *, of: str = "", beside: Sequence[str] = ()
    ) -> list[Variant]:
        """The kinds of nodes that ``spec.nodes`` sets apart for this service; the last is for all others.

        ``apart`` says of a kind whether it is another one for some agent: those that are not belong to the last. ``of`` names
        another service, whose kinds of nodes these are too. ``beside`` are the subtrees of services (``neutron``) whose features
        of nodes make a difference here as well: a kind has them in its ``beside``.
        """
        return variants_of(self.deployment, self.graph.services[of] if of else self.service, apart, beside)

    def allow_egress(self, *ports: Ports) -> None:
        """Let the service's Pods call these TCP ports anywhere, for what lives outside the cloud (LDAP, an identity provider).

        A ``range`` opens all of its ports.
        """
        self.egress_ports += ports

    def allow_ingress(self, *ports: int, protocol: Literal["TCP", "UDP"] = "TCP") -> None:
        """Let anybody call these ports of the service's Pods, from outside the cluster too."""
        if protocol == "TCP":
            self.open_ports += ports
        else:
            self.open_udp_ports += ports

    def allow_monitoring(self, *ports: int) -> None:
        """Let the Pods of the namespace of the monitoring call these TCP ports, beside the one for metrics."""
        self.monitored_ports += ports

    def account(self, rules: Sequence[Mapping[str, Any]], name: str = "") -> str:
        """A ServiceAccount of its own, with a Role that allows ``rules``: for Pods that talk to the Kubernetes API. Its name."""
        who = self.identity(name or self.name, "access")
        self.component.add(objects.service_account(who))
        self.component.add(objects.role(who, rules))
        subject = {"kind": "ServiceAccount", "name": who.name, "namespace": self.namespace}
        self.component.add(objects.role_binding(who, [subject]))
        return who.name

    def unused_values(self) -> Iterable[Problem]:
        """A problem for each of the operator's values that no part of the service asked for, once it is built."""
        wanted: dict[str, tuple[Iterable[str], set[str]]] = {
            "replicas": (self.values.replicas, self._asked["replicas"]),
            "resources": (self.values.resources, self._asked["resources"]),
        }
        for kind, (given, known) in wanted.items():
            for name in sorted(set(given) - known):
                yield Problem(
                    f"the service {self.name!r} has no part of this name",
                    did_you_mean(name, known),
                    f"spec.services.{self.service.type}.{self.name}.values.{kind}.{name}",
                )

    @property
    def config_files(self) -> Mapping[str, ConfigFile]:
        """All files of the service's configuration by key."""
        return self._files
