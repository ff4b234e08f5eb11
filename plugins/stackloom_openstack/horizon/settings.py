"""What Horizon is told of this cloud: its settings by what they are for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from stackloom import SecretKey
from stackloom.fields import ValueFrom
from stackloom_openstack.horizon import messages, panels, themes, websso
from stackloom_openstack.horizon.local_settings import Expression, LaidOver, Settings, laid_over, variable

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom_openstack.horizon.features import HorizonFeatures

STATIC = "/var/lib/horizon/static"
SECRET_KEY = "HORIZON_SECRET_KEY"
FILE, PLAIN = "local_settings", "DEFAULT"


def statements(ctx: ServiceContext) -> dict[str, str]:
    """What is to be done before anything is set, by its reason."""
    chosen = panels.panels(ctx)
    paths = "[path for name in _panels for path in _module(name).__path__]"
    return {
        "Django's driver for MySQL is written in C, and not in the image.": "_module('pymysql').install_as_MySQLdb()",
        "The panels of services of this cloud, and no others that the image may have.": (
            f"_panels = {chosen!r}\n_module('openstack_dashboard.local.enabled').__path__ = {paths}"
        ),
    }


def sections(ctx: ServiceContext, features: HorizonFeatures) -> dict[str, Settings]:
    """All settings."""
    return {
        "Who may call it, and how. TLS ends at the ingress, which says so to what is behind it.": _web(ctx),
        "Sessions are in the database, signed: they survive restarts of everything, and are gone with a log-out.": _sessions(ctx),
        "How it reaches the services of the cloud: from inside.": _cloud(ctx),
        "Log-in with an account of another system.": websso.settings(ctx),
        "What the services can do.": _abilities(ctx),
        "Without servers there is no overview to begin with.": _home(ctx),
        "By which rules it shows what a user may do.": _policies(ctx),
        "How it looks. Static files are made by each Pod before it starts, and served by uWSGI.": _looks(features),
        "What it logs.": {"LOGGING": _logging(ctx)},
        "What the operator sets.": dict(_values(ctx)),
    }


def _web(ctx: ServiceContext) -> Settings:
    own = ctx.endpoint(ctx.service.type)
    return {
        "DEBUG": False,
        "SECRET_KEY": variable(SECRET_KEY),
        # Probes call the Pod by its address. Tasks have no need of one.
        "ALLOWED_HOSTS": [ctx.public_host(own), ctx.host(own.service), Expression("os.environ.get('POD_IP', 'localhost')")],
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
        "SECURE_PROXY_ADDR_HEADER": "HTTP_X_FORWARDED_FOR",
        "CSRF_COOKIE_SECURE": True,
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": True,
        "SECURE_CONTENT_TYPE_NOSNIFF": True,
        "WEBROOT": "/",
    }


def _sessions(ctx: ServiceContext) -> Settings:
    (database,) = ctx.service.databases
    return {
        "SESSION_ENGINE": "django.contrib.sessions.backends.db",
        "DATABASES": {
            "default": {
                "ENGINE": "django.db.backends.mysql",
                "HOST": ctx.host("mariadb"),
                "PORT": 3306,
                "NAME": database.name,
                "USER": variable("DB_USER"),
                "PASSWORD": variable("DB_PASSWORD"),
                "OPTIONS": {"charset": "utf8mb4"},
            }
        },
        # What else it keeps, each process makes again for itself.
        "CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    }


def _cloud(ctx: ServiceContext) -> Settings:
    return {
        "OPENSTACK_KEYSTONE_URL": ctx.url("identity"),
        "OPENSTACK_ENDPOINT_TYPE": "internalURL",
        # Whoever logs in says of which domain: domains are made while the cloud runs.
        "OPENSTACK_KEYSTONE_MULTIDOMAIN_SUPPORT": True,
        "OPENSTACK_KEYSTONE_DEFAULT_DOMAIN": ctx.deployment.feature("keystone.users.admin.user_domain_name"),
        "DEFAULT_SERVICE_REGIONS": {"*": ctx.deployment.spec.region_name},
    }


def _abilities(ctx: ServiceContext) -> Settings:
    found: dict[str, Any] = {}
    if ctx.deployment.has("block-storage"):
        found["OPENSTACK_CINDER_FEATURES"] = {"enable_backup": ctx.deployment.feature("cinder.backup.enabled")}
    if ctx.deployment.has("networking"):
        neutron = ctx.deployment.feature("neutron")
        changed = {"enable_distributed_router": neutron["dvr"]["enabled"], "default_dns_nameservers": neutron["dns_servers"]}
        found["OPENSTACK_NEUTRON_NETWORK"] = laid_over("OPENSTACK_NEUTRON_NETWORK", changed)
    return found


def _home(ctx: ServiceContext) -> Settings:
    return {} if ctx.deployment.has("compute") else {"HORIZON_CONFIG": laid_over("HORIZON_CONFIG", {"user_home": "/identity/"})}


def _policies(ctx: ServiceContext) -> Settings:
    """Horizon's own files have the defaults of most services; those of others come from their panels, the operator's from us."""
    known, changed = panels.known_policies(ctx), panels.changed_policies(ctx)
    files = {p.kind: Expression(f"_inside({p.package!r}, {p.rules!r})") for p in known if p.rules}
    files |= {p.kind: Expression("os.devnull") for p in known if p.unknown and p in changed}
    defaults = {p.kind: Expression(f"_inside({p.package!r}, {p.defaults!r})") for p in known if p.defaults}
    directories = {p.kind: [Expression(f"*_settings.POLICY_DIRS.get({p.kind!r}, [])"), panels.directory(p)] for p in changed}
    wanted: dict[str, dict[str, Any]] = {"POLICY_FILES": files, "DEFAULT_POLICY_FILES": defaults, "POLICY_DIRS": directories}
    return {name: laid_over(name, differing) for name, differing in wanted.items() if differing}


def _looks(features: HorizonFeatures) -> Settings:
    before = any(message.beforeLogin for message in features.motd.values())
    after = any(message.afterLogin for message in features.motd.values())
    return {
        **themes.settings(features),
        "STATIC_ROOT": STATIC,
        "COMPRESS_OFFLINE": True,
        "COMPRESS_STORAGE": "compressor.storage.GzipCompressorFileStorage",
        **({"ADD_TEMPLATE_DIRS": [messages.TEMPLATES]} if before else {}),
        **({"MESSAGES_PATH": messages.MESSAGES} if after else {}),
    }


def _logging(ctx: ServiceContext) -> dict[str, Any]:
    quiet = ("django.template", "iso8601", "urllib3", "scss", "stevedore")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(process)d %(levelname)s %(name)s %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": ctx.log_level, "handlers": ["stderr"]},
        "loggers": {
            # Django's own handlers are for development, and for administrators with a mailbox.
            "django": {"handlers": [], "propagate": True},
            **{name: {"level": "WARNING"} for name in quiet},
        },
    }


def secrets(ctx: ServiceContext) -> dict[str, SecretKey]:
    """The variables for what the operator's settings refer to."""
    given = ctx.values.conf.get(FILE, {})
    references = {
        (group, name): v.value_from.secret_key_ref
        for group, options in given.items()
        for name, v in options.items()
        if isinstance(v, ValueFrom)
    }
    return {_variable(*where): SecretKey(secret=ref.name, key=ref.key) for where, ref in references.items()}


def _values(ctx: ServiceContext) -> Iterator[tuple[str, Any]]:
    """The operator's settings: those of ``DEFAULT`` by name; other groups are settings that are mappings, laid over theirs."""
    for group, options in ctx.values.conf.get(FILE, {}).items():
        values = {
            name: variable(_variable(group, name)) if isinstance(value, ValueFrom) else value for name, value in options.items()
        }
        if group == PLAIN:
            yield from values.items()
        else:
            yield group, LaidOver(Expression(f"globals().get({group!r}, getattr(_settings, {group!r}, {{}}))"), values)


def _variable(group: str, name: str) -> str:
    return f"HORIZON_{name if group == PLAIN else f'{group}__{name}'}".upper()
