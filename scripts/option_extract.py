"""Read what the OpenStack services that are installed beside this Python can be told; JSON on standard output.

It runs in the environment of one release, with what oslo.config brings there:

- ``option_extract.py options NAMESPACE...``: the options of one file, by group and name;
- ``option_extract.py auth``: those that ``auth_type`` brings into a section, by its value;
- ``option_extract.py policies NAMESPACE``: the policies of a service, by name.

Each file has a process of its own, because two services cannot be imported into one. What cannot be read is an error: an option
that is not known would be refused in a deployment.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import re
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import entry_points
from typing import Any

from keystoneauth1 import loading
from oslo_config import generator, types  # type: ignore[import-not-found]

Json = dict[str, Any]
# A number of CPUs that no machine has: what follows from it, limits among them, is of this machine and not of the service.
_CPUS = 7919
os.cpu_count = multiprocessing.cpu_count = lambda: _CPUS  # before any service is imported
_NO_LIMITS = [("longest", 0), ("max", _CPUS)]

_KINDS: dict[type, str] = {
    types.Boolean: "boolean",
    types.Integer: "integer",
    types.Float: "float",
    types.Port: "port",
    types.List: "list",
    types.Dict: "dict",
    types.IPAddress: "address",
    types.HostAddress: "host",
    types.HostDomain: "host",
    types.Hostname: "hostname",
    types.URI: "uri",
    types.String: "string",
}
# What a default says of the machine that this runs on, instead of the service.
_HERE = re.compile("|".join(map(re.escape, {sys.prefix, socket.gethostname(), socket.getfqdn()} - {"localhost"})))
_ADDRESS = re.compile(r"^(?!0\.0\.0\.0|127\.)\d+\.\d+\.\d+\.\d+$")


def main(what: str, *namespaces: str) -> None:
    """Read, and print."""
    logging.basicConfig(level=logging.WARNING, handlers=[_Failing()])
    readers: dict[str, Callable[..., Json]] = {"options": _groups, "auth": _auth, "policies": _policies}
    json.dump(readers[what](*namespaces), sys.stdout, sort_keys=True)


class _Failing(logging.Handler):
    """Stevedore leaves out what does not load, and says so in a warning."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "stevedore.extension":
            sys.exit(record.getMessage())


def _groups(*namespaces: str) -> Json:
    known = entry_points(group="oslo.config.opts").names
    if absent := [name for name in namespaces if name not in known]:
        sys.exit(f"no package has the namespaces {', '.join(absent)}")
    groups: Json = {}
    for _, listed in generator._list_opts(namespaces):  # noqa: SLF001 - as its own command does, but with the objects
        for group, options in listed:
            name = getattr(group, "name", group) or "DEFAULT"
            groups.setdefault(str(name), {}).update(_options(options))
    return groups


def _auth() -> Json:
    names = sorted(loading.get_available_plugin_names())
    return {name: _options(loading.get_auth_plugin_conf_options(name)) for name in names}


def _options(options: Iterable[Any]) -> Json:
    return {option.dest: _option(option) for option in options}


def _option(option: Any) -> Json:
    said: Json = _type(option.type)
    if option.multi:
        said["multi"] = True
    if (default := _default(option)) is not None:
        said["default"] = default
    if option.secret:
        said["secret"] = True
    if option.required:
        said["required"] = True
    if option.deprecated_opts:
        said["formerly"] = [[old.group or "", (old.name or option.dest).replace("-", "_")] for old in option.deprecated_opts]
    if option.deprecated_for_removal:
        said["leaves"] = " ".join(str(option.deprecated_reason or "").split())
    if option.help:
        said["help"] = " ".join(str(option.help).split())
    return said


def _type(kind: Any) -> Json:
    if not isinstance(kind, types.ConfigType):
        return {"type": "string"}  # a function that turns text into something
    name = next((name for cls, name in _KINDS.items() if type(kind) is cls), None)
    name = name or next((name for cls, name in _KINDS.items() if isinstance(kind, cls)), "string")
    said: Json = {"type": name}
    for key, attribute in (("min", "min"), ("max", "max"), ("longest", "max_length")):
        value = getattr(kind, attribute, None)
        if value is not None and (key, value) not in _NO_LIMITS and not (name == "port" and key != "longest"):
            said[key] = value
    if choices := getattr(kind, "choices", None):
        said["choices"] = [choice for choice in choices if choice is not None]
    if getattr(kind, "ignore_case", False):
        said["any_case"] = True
    if regex := getattr(kind, "regex", None):
        said["regex"] = regex.pattern
    if name == "list":
        if (item := _type(kind.item_type)) != {"type": "string"}:
            said["items"] = item
        if kind.bounds:
            said["bounds"] = True
    if name == "dict" and (item := _type(kind.value_type)) != {"type": "string"}:
        said["items"] = item
    return said


def _default(option: Any) -> Any:
    """The default as it would be written, unless it depends on where this runs."""
    value = option.sample_default if option.sample_default is not None else option.default
    if value is None or callable(value):
        return None
    plain = json.loads(json.dumps(value, default=str))
    texts = list(_texts(plain))
    return (
        None
        if str(_CPUS) in texts
        or (any(_HERE.search(text) or _ADDRESS.match(text) for text in texts) and option.sample_default is None)
        else plain
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    else:
        yield str(value)


def _policies(service: str) -> Json:
    found = entry_points(group="oslo.policy.policies", name=service)
    if not found:
        sys.exit(f"no package has the policies {service}")
    return {rule.name: _rule(rule) for entry in found for rule in entry.load()()}


def _rule(rule: Any) -> Json:
    said: Json = {"default": rule.check_str}
    if rule.description:
        said["help"] = " ".join(rule.description.split())
    if operations := [f"{method} {one['path']}" for one in getattr(rule, "operations", []) for method in _methods(one["method"])]:
        said["operations"] = operations
    if rule.deprecated_rule and rule.deprecated_rule.name != rule.name:
        said["formerly"] = rule.deprecated_rule.name
    if rule.deprecated_for_removal:
        said["leaves"] = " ".join(str(rule.deprecated_reason or "").split())
    return said


def _methods(method: Any) -> list[str]:
    return [method] if isinstance(method, str) else list(method)


if __name__ == "__main__":
    main(*sys.argv[1:])
