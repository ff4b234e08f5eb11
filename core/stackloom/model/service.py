"""What a plugin says of a service: frozen records, read by the whole core and by nobody changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stackloom.fields import LogLevel, Preset, Size, SpecModel
from stackloom.model.conf import ConfFile
from stackloom.model.credential import Credential
from stackloom.model.image import Image

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.errors import Problem
    from stackloom.spec.deployment import OpenStackDeployment


# Named here, because inside the record `type` is a field.
Model = type[SpecModel]


@dataclass(frozen=True, kw_only=True, slots=True)
class BySize:
    """A number that grows with ``spec.size``: replicas, workers."""

    single: int = 1
    tiny: int
    small: int
    medium: int

    def of(self, size: Size) -> int:
        """The number for a size."""
        number: int = getattr(self, size)
        return number


@dataclass(frozen=True, kw_only=True, slots=True)
class Members:
    """The Pods of a StatefulSet whose clients call each by its own name: how many, and behind which headless Service.

    The operator's number is that of the ``role`` in ``values.replicas``.
    """

    role: str
    domain: str
    count: BySize


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A port on which a service is called, behind a Service of Kubernetes of the name ``service``.

    ``type`` is the entry in Keystone's catalogue (None: not in it); ``path`` is appended to its URLs. ``public`` is the
    host's first label under ``public_domain_name`` (None: not reachable from outside). ``members`` is for those that clients
    call one by one, by Pods of the name of the Service: databases whose clients look for the leader.
    """

    service: str
    port: int
    type: str | None = None
    path: str = ""
    public: str | None = None
    name: str = "api"
    members: Members | None = None


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """An account in Keystone with which a service calls others: ``roles`` are those that it has on ``project``.

    Without a project it has them on its ``domain``. A ``lasting`` account keeps its name when passwords are rotated, because
    something that is kept in Keystone names it: then its password changes, and who has the old one must start anew.
    """

    name: str
    roles: tuple[str, ...] = ("admin", "service")
    domain: str = "service"
    project: str | None = "service"
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class Database:
    """A schema in the MariaDB cluster, with a user of its own.

    Its connection URL reaches the service as the ``option`` of ``group``, through the environment; without a group it does not,
    because no variable could name that or who reads it takes none: see ``ctx.database_login``. Where another
    database of the service is named as ``user_of``, that one's user owns this one too, and the service finds it by itself.
    ``reader`` is the name of a second user, who may read all that is there and change nothing.
    """

    name: str
    group: str = "database"
    user_of: str = ""
    option: str = "connection"
    reader: str = ""

    @property
    def owner(self) -> str:
        """The name of its user, without the generation."""
        return self.user_of or self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Cleanup:
    """Defaults of ``features.database.cleanup.<service>``: a CronJob that removes deleted rows."""

    schedule: str
    age: int | None = 30
    batch: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """A service of the cloud.

    ``type`` is its name in the deployment's ``services`` (``identity``), ``name`` what runs it (``keystone``): the name of
    its folder in ``dist/``, of its subtree in ``features`` and of its ``values``. ``requires`` names service types and
    the infrastructure ``database``, ``cache``, ``messaging``, ``coordination``: from it come the start order, the gates,
    the network policies and the refusal of a cloud that lacks one. ``uses`` names what it calls when that is there: the
    network is opened, but nothing waits for it and it may be missing. ``build`` contributes the constructs.

    ``features`` models ``spec.features.<features_key>``, ``node_features`` what of it may differ by node
    (``spec.nodes.<label::value>.features.<features_key>``); ``rules`` checks what one field cannot: it gets the whole
    validated deployment and yields problems whose path is relative to ``spec`` (``features.glance.backends``).
    ``defaults`` are the preset's values of that subtree, laid under the operator's. A service without ``build`` is
    modelled but not made yet: a deployment that asks for it is refused.

    ``peer_ports`` are those on which its own Pods call one another and nobody else does, ``metrics_port`` the one that monitoring
    reads. ``user`` is its account in Keystone, ``users`` are further ones, ``roles`` what its policies know besides: all
    are made there. ``backs`` marks the core's own infrastructure, which comes by itself: the requirement that it meets, for all
    services or for its one ``client``, or what every cloud has.

    ``conf`` lists the oslo.config files that an operator may override as ``values.conf.<file without .conf>``, by name or as
    :class:`ConfFile`; ``schemas`` is the package that says which options they take (see :mod:`stackloom.oslo.schema`), "" if
    nothing says it. ``programs`` is a package whose modules run inside the cluster (:meth:`ServiceContext.program`), beside the
    core's own. ``images`` are the roles that ``values.images`` may replace; ``log_level`` is the default of
    ``features.logging.<service>.level``.
    """

    name: str
    type: str
    build: Callable[[ServiceContext], None] | None = None
    features: Model | None = None
    features_key: str = ""
    node_features: Model | None = None
    rules: Callable[[OpenStackDeployment], Iterable[Problem]] | None = None
    presets: frozenset[Preset] = frozenset()
    defaults: Mapping[Preset, Mapping[str, Any]] = field(default_factory=dict)
    requires: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    endpoints: tuple[Endpoint, ...] = ()
    peer_ports: tuple[int, ...] = ()
    metrics_port: int | None = None
    backs: str = ""
    client: str = ""
    images: Mapping[str, Image] = field(default_factory=dict)
    databases: tuple[Database, ...] = ()
    user: ServiceUser | None = None
    users: tuple[ServiceUser, ...] = ()
    roles: tuple[str, ...] = ()
    credentials: tuple[Credential, ...] = ()
    conf: tuple[str | ConfFile, ...] = ()
    schemas: str = ""
    programs: str = ""
    cleanup: Cleanup | None = None
    log_level: LogLevel = "INFO"

    @property
    def conf_files(self) -> dict[str, ConfFile]:
        """Its oslo.config files by name."""
        files = (ConfFile(file) if isinstance(file, str) else file for file in self.conf)
        return {file.name: file for file in files}

    @property
    def accounts(self) -> tuple[ServiceUser, ...]:
        """All its accounts in Keystone."""
        return (*((self.user,) if self.user else ()), *self.users)

    @property
    def needs(self) -> frozenset[str]:
        """All that it calls, whether it waits for it or not."""
        return self.requires | self.uses

    def serves(self, other: Service) -> bool:
        """Whether it is infrastructure that the other service stands on."""
        return self.backs in other.needs and self.client in ("", other.name)

    @property
    def features_name(self) -> str:
        """The key of its subtree in ``spec.features``."""
        return self.features_key or self.name
