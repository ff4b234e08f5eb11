"""Judge a file of oslo.config as its service does: run in the environment of the service, with the service's own objects.

``option_judge.py FILE [SECTION=GROUP...] NAMESPACE...`` prints a line for all that the service would pass over, not take, or not
take for long. A SECTION has the options of a GROUP. The variables ``OS_<GROUP>__<OPTION>`` that are set must each name an option.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from keystoneauth1 import loading
from oslo_config import cfg, generator  # type: ignore[import-not-found]


def main(file: str, *words: str) -> None:
    """Print what is wrong."""
    sections = dict(word.split("=") for word in words if "=" in word)
    namespaces = [word for word in words if "=" not in word]
    conf = cfg.ConfigOpts()
    conf(["--config-file", file], project="judge", default_config_dirs=[])
    known: dict[tuple[str, str], Any] = {}
    for _, listed in generator._list_opts(namespaces):
        for group, options in listed:
            name = str(getattr(group, "name", group) or "DEFAULT")
            known |= {(name, option.dest): option for option in options}
    for section, like in sections.items():
        known |= {(section, name): option for (group, name), option in known.items() if group == like}
    # Cinder registers what logs in, and lists all of it but the option that says how.
    for group in {
        group for group, _ in known if {(group, name) for name in ("auth_url", "username", "password")} <= known.keys()
    }:
        known.setdefault((group, "auth_type"), cfg.StrOpt("auth_type"))
    given = _given(file)
    for group in {group for group, name in known if name == "auth_type"}:
        how = given.get((group, "auth_type"), ["password"])[0]
        known |= {(group, option.dest): option for option in loading.get_auth_plugin_conf_options(how)}
    for (group, _), option in known.items():
        with suppress(cfg.DuplicateOptError):  # those by which oslo.config is told of its files
            conf.register_opt(option, group=None if group == "DEFAULT" else group)
    for where in given:
        for problem in _problems(conf, known, *where):
            sys.stdout.write(f"[{where[0]}] {where[1]}: {problem}\n")
    named = {f"OS_{group}__{name}".upper(): option for (group, name), option in known.items()}
    for variable in filter(re.compile("OS_.+__").match, os.environ):
        if variable not in named or named[variable].multi:
            what = "takes several values" if variable in named else "names no option"
            sys.stdout.write(f"{variable}: {what}\n")


def _given(file: str) -> dict[tuple[str, str], list[str]]:
    sections: dict[str, dict[str, list[str]]] = {}
    cfg.ConfigParser(file, sections).parse()
    return {(group, name): values for group, options in sections.items() for name, values in options.items()}


def _problems(conf: Any, known: dict[tuple[str, str], Any], group: str, name: str) -> Iterator[str]:
    option = known.get((group, name))
    if option is None:
        yield "unknown"
        return
    try:
        _ = conf[name] if group == "DEFAULT" else conf[group][name]
    except (ValueError, cfg.Error) as error:
        yield f"bad: {error}"
    if option.deprecated_for_removal:
        yield "deprecated"


if __name__ == "__main__":
    main(*sys.argv[1:])
