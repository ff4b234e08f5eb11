"""Apache's configuration for Keystone's API: all of it, for a process without privileges on a read-only root."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

PROTOCOL = "mapped"
MODULES = "/usr/lib/apache2/modules"
WSGI_SCRIPT = "from keystone.wsgi.api import application\n\n__all__ = ['application']\n"

_BROWSERS = "/v3/auth/OS-FEDERATION"
_CLIENTS = "/v3/OS-FEDERATION"
WEB_LOG_IN = f"{_BROWSERS}/websso/{PROTOCOL}"

# One argument each, in which spaces have a meaning. Other texts may hold several arguments, as Apache's users write them.
_ONE_ARGUMENT = frozenset(
    {
        "OIDCClaimDelimiter",
        "OIDCClaimPrefix",
        "OIDCClientName",
        "OIDCMemCacheServers",
        "OIDCPathScope",
        "OIDCResponseType",
        "OIDCScope",
    }
)


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that Apache reads from its environment. It must hold neither a quotation mark nor a backslash."""

    name: str


Argument = str | int | float | bool | Variable
Directives = Mapping[str, Argument | Sequence[Argument]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """An Apache, and the paths that it knows: ``directory`` is one that it may write.

    ``name`` is the host that browsers call, ``listen`` an address or a port, ``workers`` the number of Keystone's processes.
    """

    name: str
    listen: str
    workers: int
    directory: str = "/run/apache2"
    script: str = "/etc/keystone/keystone.wsgi"
    authorities: str = "/etc/keystone/oidc-ca"
    python_home: str = "/var/lib/openstack"

    @property
    def metadata(self) -> str:
        """The directory with what mod_auth_openidc knows of each provider."""
        return f"{self.directory}/metadata"

    @property
    def bundle(self) -> str:
        """The file with the certificates of all authorities that are trusted."""
        return f"{self.directory}/authorities.pem"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entrance:
    """Where the users of one provider come in.

    ``tokens`` are mod_oauth2's directives for those who bring an access token; None leaves them to mod_auth_openidc.
    """

    provider: str
    issuer: str = ""
    tokens: Directives | None = None

    @property
    def web(self) -> str:
        """The path for browsers."""
        return f"{_BROWSERS}/identity_providers/{self.provider}/protocols/{PROTOCOL}/websso"

    @property
    def api(self) -> str:
        """The path for clients with an access token."""
        return f"{_CLIENTS}/identity_providers/{self.provider}/protocols/{PROTOCOL}/auth"


def quoted(text: str) -> str:
    """The text as one argument of a directive."""
    return '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))


def directive(name: str, value: Argument | Sequence[Argument]) -> str:
    """A line of configuration. The items of a list are its arguments; a text is written as it is (see ``_ONE_ARGUMENT``)."""
    if isinstance(value, str):
        as_it_is = name not in _ONE_ARGUMENT or value.startswith(('"', "'"))
        return f"{name} {value if as_it_is else quoted(value)}"
    values = value if isinstance(value, Sequence) else [value]
    return " ".join([name, *map(_argument, values)])


def _argument(value: Argument) -> str:
    match value:
        case bool():
            return "On" if value else "Off"
        case int() | float():
            return str(value)
        case Variable():
            return quoted(f"${{{value.name}}}")
        case _:
            return quoted(value)


def configuration(
    server: Server, directives: Directives, entrances: Sequence[Entrance], *, redirect_uri: str, from_files: bool
) -> str:
    """The text of the configuration: providers send their users back to ``redirect_uri``.

    ``directives`` are mod_auth_openidc's. They describe the only provider, unless files do (``from_files``): then
    mod_auth_openidc first asks which of the described it is, which each path for browsers answers by itself.
    """
    issuers = [e.issuer for e in entrances]
    blocks = [
        _process(server, oauth2=any(e.tokens is not None for e in entrances)),
        _log(),
        _application(server),
        [directive(name, value) for name, value in sorted(directives.items())],
        _forged(),
        _for_browsers(WEB_LOG_IN, redirect_uri, issuers[0] if from_files and len(issuers) == 1 else None),
    ]
    for entrance in entrances:
        blocks.append(_for_browsers(entrance.web, redirect_uri, entrance.issuer if from_files else None))
        blocks.append(_for_clients(entrance))
    if from_files:
        # Where the answer leads to is checked as if anybody could have written it.
        back = f"^https://{re.escape(server.name)}{_BROWSERS}/"
        blocks[3] += [directive("OIDCMetadataDir", [server.metadata]), directive("OIDCRedirectURLsAllowed", [back])]
    guard = _only_known(issuers) if from_files else []
    blocks.append(_location(urlsplit(redirect_uri).path, ["AuthType openid-connect", "Require valid-user", *guard]))
    return "\n".join("".join(f"{line}\n" for line in block) for block in blocks)


def _process(server: Server, *, oauth2: bool) -> list[str]:
    modules = ["mpm_event", "authn_core", "authz_core", "authz_user", "setenvif", "wsgi", "auth_openidc"]
    return [
        "# Keystone under Apache, because uWSGI knows no OpenID Connect.",
        *(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in [*modules, *(["oauth2"] if oauth2 else [])]),
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
        "# Without the query, in which a provider's answer stands, and without the kubelet's probes.",
        r'LogFormat "%{%F %T}t.%{usec_frac}t %{c}h \"%{X-Forwarded-For}i\" \"%m %U %H\" %>s %B %{ms}T \"%{User-Agent}i\"" access',
        "SetEnvIf User-Agent ^kube-probe probe",
        "CustomLog /dev/stdout access env=!probe",
    ]


def _application(server: Server) -> list[str]:
    options = {
        "processes": server.workers,
        "threads": 1,
        "python-home": server.python_home,
        "home": "/",  # that of the user is not in every image
        "lang": "C.UTF-8",
        "locale": "C.UTF-8",
        "display-name": "keystone",
    }
    return [
        directive("WSGISocketPrefix", [f"{server.directory}/wsgi"]),
        " ".join(["WSGIDaemonProcess keystone", *(f"{name}={value}" for name, value in options.items())]),
        f"WSGIScriptAlias / {quoted(server.script)} process-group=keystone application-group=%{{GLOBAL}}",
        "WSGIPassAuthorization On",
        "# A new script comes with new Pods.",
        "WSGIScriptReloading Off",
    ]


def _location(path: str, lines: Iterable[str]) -> list[str]:
    return [f"<Location {quoted(path)}>", *(f"    {line}" for line in lines), "</Location>"]


def _forged() -> list[str]:
    """Refuse what looks like the claims of a provider where the modules do not: on paths where nobody is let in by them."""
    allowed = ["<RequireAll>", "    Require all granted", "    Require not env forged-claims", "</RequireAll>"]
    return [
        "# Keystone reads claims from headers too, on any path: a client that sends such headers is turned away.",
        "SetEnvIfNoCase ^OIDC . forged-claims",
        *_location("/", allowed),
    ]


def _for_browsers(path: str, redirect_uri: str, issuer: str | None) -> list[str]:
    """A path for browsers: of the provider ``issuer``, or (None) of the only one, or of the one that is then chosen."""
    chosen = [directive("OIDCDiscoverURL", [f"{redirect_uri}?iss={quote(issuer, safe='')}"])] if issuer else []
    return _location(path, ["AuthType openid-connect", "Require valid-user", *chosen])


def _for_clients(entrance: Entrance) -> list[str]:
    own = [directive(name, value) for name, value in sorted((entrance.tokens or {}).items())]
    module = "oauth20" if entrance.tokens is None else "oauth2"
    return _location(entrance.api, [f"AuthType {module}", "Require valid-user", *own])


def _only_known(issuers: Sequence[str]) -> list[str]:
    """Refuse the choice of a provider that is not described: mod_auth_openidc would call any host that a visitor names."""
    known = "|".join(re.escape(quote(issuer.rstrip("/"), safe="")) for issuer in issuers)
    unknown = f"%{{QUERY_STRING}} =~ m#(^|&)(disc_user=|iss=(?!({known})(%2F)?(&|$)))#"
    answer = "%{QUERY_STRING} =~ m#(^|&)state=# && %{QUERY_STRING} =~ m#(^|&)(code|id_token)=#"
    return [
        "# No host is called because a visitor names it. (A provider's answer may name its issuer in its own way.)",
        f'<If "{unknown} && ! ({answer})">',
        "    AuthType None",
        "    Require all denied",
        "</If>",
    ]
