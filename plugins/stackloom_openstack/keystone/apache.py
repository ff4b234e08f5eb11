"""Apache's configuration for Keystone's API: all of it, for a process without privileges on a read-only root."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

PROTOCOL = "mapped"
MODULES = "/usr/lib/apache2/modules"
WRITABLE = "/run/apache2"
WSGI_SCRIPT = "from keystone.wsgi.api import application  # noqa: F401\n"

_WEB = "/v3/auth/OS-FEDERATION"
_API = "/v3/OS-FEDERATION"
WEB_LOG_IN = f"{_WEB}/websso/{PROTOCOL}"

# One argument each, in which spaces have a meaning. Other texts may hold several arguments, as Apache's users write them.
_ONE_ARGUMENT = frozenset(
    {"OIDCClaimDelimiter", "OIDCClaimPrefix", "OIDCClientName", "OIDCMemCacheServers", "OIDCPathScope", "OIDCResponseType", "OIDCScope"}
)


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that Apache reads from its environment."""

    name: str


Argument = str | int | float | bool | Variable
Directives = Mapping[str, Argument | Sequence[Argument]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """An Apache: ``name`` is the host that browsers call it by, ``listen`` an address or a port, ``workers`` the number of
    processes that run Keystone. ``directory`` is one that it may write."""

    name: str
    listen: str
    workers: int
    directory: str = WRITABLE
    script: str = "/etc/keystone/keystone.wsgi"
    python_home: str = "/var/lib/openstack"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entrance:
    """Where the users of one provider come in. ``tokens`` are mod_oauth2's directives for those who bring an access token;
    None leaves them to mod_auth_openidc."""

    provider: str
    issuer: str
    tokens: Directives | None = None

    @property
    def web(self) -> str:
        """The path for browsers."""
        return f"{_WEB}/identity_providers/{self.provider}/protocols/{PROTOCOL}/websso"

    @property
    def api(self) -> str:
        """The path for clients with an access token."""
        return f"{_API}/identity_providers/{self.provider}/protocols/{PROTOCOL}/auth"


def quoted(text: str) -> str:
    """The text as one argument of a directive."""
    return '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))


def directive(name: str, value: Argument | Sequence[Argument]) -> str:
    """A line of configuration. The items of a list are its arguments; a text is written as it is (see ``_ONE_ARGUMENT``)."""
    if isinstance(value, str):
        bare = name not in _ONE_ARGUMENT or value.startswith(('"', "'"))
        return f"{name} {value if bare else quoted(value)}"
    values = value if isinstance(value, Sequence) else [value]
    return " ".join([name, *map(_argument, values)])


def _argument(value: Argument) -> str:
    if isinstance(value, bool):
        return "On" if value else "Off"
    return quoted(f"${{{value.name}}}") if isinstance(value, Variable) else quoted(str(value))


def configuration(
    server: Server, directives: Directives, entrances: Sequence[Entrance], *, redirect_uri: str, metadata: str | None = None
) -> str:
    """The text of the configuration. ``directives`` are mod_auth_openidc's; providers come back to ``redirect_uri``.

    ``metadata`` is the directory with what mod_auth_openidc is to know of each provider; None where directives say it.
    """
    blocks = [
        _process(server, oauth2=any(e.tokens is not None for e in entrances)),
        _log(),
        _application(server),
        [directive(name, value) for name, value in sorted(directives.items())],
        _FORGED,
    ]
    if metadata:
        # Providers are known by the files alone, and after the choice of one its users come back to one of these paths.
        blocks[3] += [directive("OIDCMetadataDir", [metadata]), directive("OIDCRedirectURLsAllowed", [f"^https://{re.escape(server.name)}{_WEB}/"])]
    alone = entrances[0].issuer if metadata and len(entrances) == 1 else None
    blocks.append(_browsers(WEB_LOG_IN, redirect_uri, alone))
    for entrance in entrances:
        blocks.append(_browsers(entrance.web, redirect_uri, entrance.issuer if metadata else None))
        blocks.append(_tokens(entrance))
    blocks.append(_location(urlsplit(redirect_uri).path, [*_LOGGED_IN, *(_only_known(entrances) if metadata else [])]))
    return "\n".join("".join(f"{line}\n" for line in block) for block in blocks)


def _process(server: Server, *, oauth2: bool) -> list[str]:
    modules = ["mpm_event", "authn_core", "authz_core", "authz_user", "setenvif", "wsgi", "auth_openidc", *(["oauth2"] if oauth2 else [])]
    return [
        "# Keystone under Apache, because uWSGI knows no OpenID Connect.",
        *(f"LoadModule {module}_module {MODULES}/mod_{module}.so" for module in modules),
        "",
        directive("ServerName", [server.name]),
        directive("ServerRoot", [server.directory]),
        directive("DefaultRuntimeDir", [server.directory]),
        directive("PidFile", [f"{server.directory}/apache2.pid"]),
        f"Listen {server.listen}",
        "ServerTokens Prod",
        "TraceEnable Off",
        "Timeout 300",
        "# A connection that outlives its answer would keep its client on a Pod that is about to end.",
        "KeepAlive Off",
        "# Tokens and signed claims do not fit Apache's own limits.",
        "LimitRequestLine 16380",
        "LimitRequestFieldSize 16380",
    ]


def _log() -> list[str]:
    return [
        "ErrorLog /dev/stderr",
        "LogLevel warn",
        'ErrorLogFormat "%{cu}t %M"',
        "# The query is left out: it holds what lets one in. So are the kubelet's probes.",
        r'LogFormat "%{%F %T}t.%{usec_frac}t %{c}h \"%{X-Forwarded-For}i\" \"%m %U %H\" %>s %B %{ms}T \"%{User-Agent}i\"" access',
        "SetEnvIf User-Agent ^kube-probe probe",
        "CustomLog /dev/stdout access env=!probe",
    ]


def _application(server: Server) -> list[str]:
    return [
        directive("WSGISocketPrefix", [f"{server.directory}/wsgi"]),
        f"WSGIDaemonProcess keystone processes={server.workers} threads=1 python-home={server.python_home}"
        " home=/ lang=C.UTF-8 locale=C.UTF-8 display-name=keystone",
        f"WSGIScriptAlias / {quoted(server.script)} process-group=keystone application-group=%{{GLOBAL}}",
        "WSGIPassAuthorization On",
        "# A new script comes with new Pods.",
        "WSGIScriptReloading Off",
    ]


_FORGED = [
    "# Claims reach Keystone as headers, and also where nobody has logged in: a client that sends such headers is refused.",
    "SetEnvIfNoCase ^OIDC . forged-claims",
    '<Location "/">',
    "    <RequireAll>",
    "        Require all granted",
    "        Require not env forged-claims",
    "    </RequireAll>",
    "</Location>",
]

_LOGGED_IN = ["AuthType openid-connect", "Require valid-user"]


def _location(path: str, lines: Iterable[str]) -> list[str]:
    return [f"<Location {quoted(path)}>", *(f"    {line}" for line in lines), "</Location>"]


def _browsers(path: str, redirect_uri: str, issuer: str | None) -> list[str]:
    """A path for browsers: of the provider ``issuer``, or (None) of whichever there is or is chosen."""
    chosen = [directive("OIDCDiscoverURL", [f"{redirect_uri}?iss={quote(issuer, safe='')}"])] if issuer else []
    return _location(path, [*_LOGGED_IN, *chosen])


def _tokens(entrance: Entrance) -> list[str]:
    if entrance.tokens is None:
        return _location(entrance.api, ["AuthType oauth20", "Require valid-user"])
    own = [directive(name, value) for name, value in sorted(entrance.tokens.items())]
    return _location(entrance.api, ["AuthType oauth2", *own, "Require valid-user"])


def _only_known(entrances: Sequence[Entrance]) -> list[str]:
    """Refuse the choice of a provider that is not ours: mod_auth_openidc would call any host that its visitor names."""
    known = "|".join(re.escape(quote(e.issuer.rstrip("/"), safe="")) for e in entrances)
    return [
        "# Else a visitor could name any host as a provider, and have it called. What a provider answers may hold its name too.",
        rf'<If "%{{QUERY_STRING}} =~ m#(^|&)(disc_user=|iss=(?!({known})(%2F)?(&|$)))#'
        r' && ! (%{QUERY_STRING} =~ m#(^|&)state=# && %{QUERY_STRING} =~ m#(^|&)(code|id_token)=#)">',
        "    AuthType None",
        "    Require all denied",
        "</If>",
    ]
