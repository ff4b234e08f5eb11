"""The files that OpenStack services need beside their own configuration: logging, policy, uWSGI, paste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

from stackloom.fields import LogLevel

# Libraries whose DEBUG output drowns the service's own; oslo.log's default_log_levels has no effect beside a logging file.
_NOISY = (
    "amqp",
    "amqplib",
    "keystonemiddleware",
    "oslo.messaging",
    "oslo_messaging",
    "routes.middleware",
    "sqlalchemy",
    "stevedore",
    "urllib3",
)


def logging_conf(level: LogLevel = "INFO") -> str:
    """A logging configuration (``log_config_append``): everything from ``level`` up to the container's standard output."""
    noisy = [name.replace(".", "-") for name in _NOISY]
    lines = [
        "[loggers]",
        f"keys = {','.join(['root', *noisy])}",
        "",
        "[handlers]",
        "keys = stdout",
        "",
        "[formatters]",
        "keys = context",
        "",
        "[logger_root]",
        f"level = {level}",
        "handlers = stdout",
    ]
    for key, name in zip(noisy, _NOISY, strict=True):
        lines += ["", f"[logger_{key}]", "level = WARNING", "handlers =", f"qualname = {name}"]
    lines += [
        "",
        "[handler_stdout]",
        "class = StreamHandler",
        "args = (sys.stdout,)",
        "formatter = context",
        "",
        "[formatter_context]",
        "class = oslo_log.formatters.ContextFormatter",
        "datefmt = %Y-%m-%d %H:%M:%S",
    ]
    return "\n".join(lines) + "\n"


def policy_yaml(rules: Mapping[str, str]) -> str:
    """A policy file of oslo.policy: the operator's rules, by name; every other rule keeps the service's own default."""
    return yaml.safe_dump(dict(rules), sort_keys=True, default_flow_style=False, width=4096) if rules else "{}\n"


def uwsgi_ini(*, module: str, port: int, name: str, processes: int, extra: Mapping[str, str] | None = None) -> str:
    """How uWSGI serves the WSGI application ``module`` (``package.module:callable``) on ``port``."""
    options = {
        "module": module,
        "http-socket": f"0.0.0.0:{port}",
        "master": "true",
        "processes": str(processes),
        "enable-threads": "true",
        "lazy-apps": "true",  # each worker loads the application itself: connections must not be shared over a fork
        "need-app": "true",
        "thunder-lock": "true",
        "die-on-term": "true",
        "exit-on-reload": "false",
        "hook-master-start": "unix_signal:15 gracefully_kill_them_all",
        "worker-reload-mercy": "80",
        "buffer-size": "65535",  # tokens and long query strings do not fit the default of 4 KiB
        "add-header": "Connection: close",
        "log-x-forwarded-for": "true",
        "route-user-agent": "^kube-probe.* donotlog:",
        "procname-prefix-spaced": f"{name}:",
        **(extra or {}),
    }
    return "[uwsgi]\n" + "".join(f"{key} = {value}\n" for key, value in options.items())


AUDIT = "audit"
# Where the published images have what pycadf installs: the meaning of each path of an API.
_AUDIT_MAPS = "/var/lib/openstack/etc/pycadf"


def paste_ini(
    sections: Mapping[str, Mapping[str, str | Sequence[str]]], *, service: str, audited: bool, audit_map: str = ""
) -> str:
    """A paste.deploy file: pipelines may be lists, in which ``audit`` stands for what tells of each call in the CADF format.

    ``audit_map`` is the path of the file that says what the API's paths mean, where pycadf brings none for the service.
    """
    audit_filter = {
        "paste.filter_factory": "keystonemiddleware.audit:filter_factory",
        "audit_map_file": audit_map or f"{_AUDIT_MAPS}/{service}_api_audit_map.conf",
    }
    blocks = []
    for name, options in {**sections, **({f"filter:{AUDIT}": audit_filter} if audited else {})}.items():
        lines = [f"{key} = {_piped(value, audited=audited)}" for key, value in options.items()]
        blocks.append("\n".join([f"[{name}]", *lines]) + "\n")
    return "\n".join(blocks)


def _piped(value: str | Sequence[str], *, audited: bool) -> str:
    return value if isinstance(value, str) else " ".join(word for word in value if audited or word != AUDIT)
