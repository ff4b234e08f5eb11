"""The configuration of a service in files of oslo.config, and whether the service of this release takes it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackloom.constructs import access
from stackloom.constructs.common_options import common_options
from stackloom.constructs.variants import EVERY_NODE, Variant
from stackloom.errors import Problem, StackloomError, did_you_mean
from stackloom.fields import ValueFrom
from stackloom.manifests.files import ConfigFile
from stackloom.model.credential import SecretKey
from stackloom.oslo.check import Finding, check, sections_like
from stackloom.oslo.files import logging_conf, paste_ini, policy_yaml
from stackloom.oslo.ini import Multi, Option, Sections, merge, render, text
from stackloom.oslo.renamed import as_called_in
from stackloom.oslo.schema import OptionFile, exists, schema_of
from stackloom.spec.paths import KeyPath
from stackloom.spec.paths import render as path_text
from stackloom.spec.releases import LATEST

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext


Given = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was made: the name without ``.conf`` of that whose options it has, what stands in it, what Secrets hold of it.

    ``paths`` says where in the deployment the operator set an option.
    """

    file: str
    sections: Sections
    secrets: Mapping[tuple[str, str], ValueFrom]
    paths: Mapping[tuple[str, str], str]


# oslo.config reads OS_<GROUP>__<OPTION>, before any file.
_VARIABLE = re.compile(r"OS_(?P<group>.+?)__(?P<option>.+)")
_LEGAL = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_REFERENCE = "Put it into a Secret and refer to it: {value_from: {secret_key_ref: {name: ..., key: ...}}}"


def oslo_config(
    ctx: ServiceContext,
    filename: str,
    sections: Sections,
    *,
    variant: Variant = EVERY_NODE,
    accounts: Sequence[str] = (),
    key: str = "",
    without: Collection[str] = (),
) -> tuple[ConfigFile, ...]:
    """An oslo.config file under ``/etc/<service>/``, and the files that it names: logging and policy. Mount them together.

    Under ``sections`` lies what every service says (:mod:`stackloom.constructs.common_options`), of it what this file takes.
    ``accounts`` are the groups with which the service logs in to others as its own account. Agents on nodes may read another file
    of the same name, without what is none of their business: ``key`` tells its text apart, and ``without`` names groups of what
    every service says that it leaves out. The operator's ``values.conf`` is
    laid over ``sections``, and over that what is set for the nodes of a ``variant``. An option that is read from a Secret
    becomes a variable of the containers that mount the file. Options of ``sections`` have the names that they have in the newest
    release: where an older one is deployed, they get those that they had.
    """
    stem = filename.removesuffix(".conf")
    if stem not in ctx.service.conf_files:
        what = f"the service {ctx.name!r} makes the file {filename} without declaring it"
        raise StackloomError(Problem(what, f"Add {stem!r} to `conf` of the Service"))
    directory = f"/etc/{ctx.name}"
    known = known_options(ctx, stem)
    accounts = [group for group in accounts if known is None or group in known.groups]  # not every release has every one
    usual = {group: options for group, options in common_options(ctx, directory).items() if group not in without}
    common = merge(usual, {group: access.own_account(ctx) for group in accounts})
    # What takes only some of it says so by its schema; where there is none, the first file is taken for the service's own.
    takes_all = known is None and stem == next(iter(ctx.service.conf_files))
    base = common if takes_all else _known_to(known, common) if known else _logging(common)
    everywhere, there = ctx.values.conf.get(stem, {}), variant.conf.get(stem, {})
    given: Given = merge({}, everywhere, there)
    paths = _paths(_values_path(ctx), stem, everywhere) | _paths(_node_values_path(ctx, variant), stem, there)
    text, secrets = _text(ctx, stem, (base, sections), given, paths)
    variables = {**access.own_password(ctx, accounts), **secrets}
    return (
        ctx.file(f"{directory}/{filename}", text, key=f"{key or stem}{variant.suffix}.conf", secrets=variables),
        ctx.file(f"{directory}/logging.conf", logging_conf(ctx.log_level)),
        ctx.file(f"{directory}/policy.yaml", policy_yaml(ctx.deployment.policies_of(ctx.service))),
    )


def oslo_overlay(
    ctx: ServiceContext, filename: str, name: str, sections: Sections, *, given: Given, at: Mapping[str, str]
) -> ConfigFile:
    """A file that some Pods read after ``filename``, and whose options are those of that: ``/etc/<service>/<name>.conf``.

    ``given`` is what the operator sets in it, laid over ``sections`` with what Secrets hold as in :func:`oslo_config`; ``at`` is
    the path of each of its groups in the deployment.
    """
    stem = filename.removesuffix(".conf")
    paths = {(group, option): f"{at[group]}.{option}" for group, options in given.items() for option in options}
    text, secrets = _text(ctx, stem, ({}, sections), given, paths)
    return ctx.file(f"/etc/{ctx.name}/{name}.conf", text, secrets=secrets)


def _text(
    ctx: ServiceContext, stem: str, ours: tuple[Sections, Sections], given: Given, paths: Mapping[tuple[str, str], str]
) -> tuple[str, dict[str, SecretKey]]:
    """A file's text, and the variables for those of its options that Secrets hold. ``ours`` are common options, then others."""
    base, sections = ours
    known = known_options(ctx, stem)
    held = {(g, name): one for g, options in given.items() for name, one in options.items() if isinstance(one, ValueFrom)}
    own = as_called_in(known, newest, sections) if known and (newest := _newest(ctx, stem)) else sections
    merged: Sections = merge(base, own, _without(given, held))
    if known:
        merged = _on_lines_of_their_own(merged, known)
    ctx.written.append(Written(stem, merged, held, paths))
    return render(merged), {_variable(*where): _secret_key(value) for where, value in held.items()}


def paste(
    ctx: ServiceContext,
    filename: str,
    sections: Mapping[str, Mapping[str, str | Sequence[str]]],
    *,
    audit_map: ConfigFile | None = None,
) -> ConfigFile:
    """A paste.deploy file under ``/etc/<service>/``: which filters stand before an application.

    A pipeline may be a list; ``audit`` in it stays where the deployment wants audit notifications, and brings its own section.
    What the paths of an API mean in them is in the images for a dozen services: others bring a file of theirs, ``audit_map``,
    and mount it too, because without it their API does not start.
    """
    audited = ctx.deployment.spec.features.logging.cadf.enabled
    where = audit_map.path if audit_map else ""
    return ctx.file(f"/etc/{ctx.name}/{filename}", paste_ini(sections, service=ctx.name, audited=audited, audit_map=where))


def _known_to(known: OptionFile, common: Sections) -> Sections:
    """Those of the common options that a file of these options takes."""
    return {
        group: {name: value for name, value in options.items() if name in known.options(group, options)}
        for group, options in common.items()
        if group in known.groups
    }


def _logging(common: Sections) -> Sections:
    return {group: common[group] for group in ("DEFAULT", "oslo_policy")}


def known_options(ctx: ServiceContext, stem: str) -> OptionFile | None:
    """What the file can hold in this release; None where nothing says it."""
    if not ctx.service.schemas:
        return None
    name = _schema_name(ctx, stem)
    found = schema_of(ctx.service.schemas, ctx.release).file(name)
    if found is None:
        what = f"nothing says which options {name}.conf has in {ctx.release}"
        raise StackloomError(Problem(what, f"Add it to the schemas of {ctx.service.schemas}, or name another `schema`"))
    return found


def _newest(ctx: ServiceContext, stem: str) -> OptionFile | None:
    """What the file can hold in the newest release; None where that is not known, or is the one that is deployed."""
    if ctx.release == LATEST or not exists(ctx.service.schemas, LATEST):
        return None
    return schema_of(ctx.service.schemas, LATEST).file(_schema_name(ctx, stem))


def _schema_name(ctx: ServiceContext, stem: str) -> str:
    return ctx.service.conf_files[stem].schema or stem


def _without(given: Given, secrets: Collection[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    return {g: {name: one for name, one in options.items() if (g, name) not in secrets} for g, options in given.items()}


def _variable(group: str, option: str) -> str:
    return f"OS_{group}__{option}".upper()


def _secret_key(value: ValueFrom) -> SecretKey:
    reference = value.value_from.secret_key_ref
    return SecretKey(secret=reference.name, key=reference.key)


def _on_lines_of_their_own(sections: Sections, known: OptionFile) -> Sections:
    """Nobody need know that some lists are written line by line, and some in brackets."""

    def written(group: str, name: str, value: Option) -> Option:
        declared = known.group(group).get(name) if group in known.groups else None
        if declared is None or not isinstance(value, list | tuple):
            return value
        if declared.bounds:
            return f"[{','.join(map(text, value))}]"
        return Multi(tuple(value)) if declared.multi else value

    return {g: {name: written(g, name, value) for name, value in options.items()} for g, options in sections.items()}


def option_problems(ctx: ServiceContext) -> Iterator[Problem]:
    """What the service would not take of its files, its environment and its policies, once it is built."""
    excused: set[tuple[str, str]] = set()
    for written in ctx.written:
        for finding in _findings(ctx, written):
            where = f"{finding.group}.{finding.option}"
            if where in ctx.values.unchecked.get(written.file, []):
                excused.add((written.file, where))
            else:
                yield _problem(ctx, written, finding)
    for file, options in ctx.values.unchecked.items():
        for option in options:
            if (file, option) not in excused:
                path = path_text((*_values_path(ctx), "unchecked", file))
                yield Problem(f"{option} is not set, or nothing is wrong with it", "Leave it out", path)
    yield from _unknown_variables(ctx)
    yield from _unknown_policies(ctx)


def _findings(ctx: ServiceContext, written: Written) -> Iterator[Finding]:
    known = known_options(ctx, written.file)
    if known:
        yield from check(_all_sections(written), known, like=ctx.service.conf_files[written.file].sections)
    for group, option in written.secrets:
        if not _LEGAL.fullmatch(_variable(group, option)):
            what = f"a section called {group!r} cannot be reached from a Secret"
            yield Finding(group, option, what, "Kubernetes takes no such name for a variable: name the section otherwise")
        elif known and group in known.groups and (declared := known.group(group).get(option)) and declared.multi:
            hint = "If yours hold no secret, write them here and name the option in values.unchecked"
            yield Finding(group, option, f"{option} takes several values, which cannot come from a Secret", hint)


def _all_sections(written: Written) -> Sections:
    """What the service reads, without the values of what is read from Secrets."""
    secrets: dict[str, dict[str, Option]] = {}
    for group, option in written.secrets:
        secrets.setdefault(group, {})[option] = None
    return merge(written.sections, secrets)


def _problem(ctx: ServiceContext, written: Written, finding: Finding) -> Problem:
    """The finding where the operator can see it, or else as the plugin's."""
    if where := written.paths.get((finding.group, finding.option)):
        return Problem(finding.what, _REFERENCE if finding.secret else finding.hint, where)
    return Problem(finding.what, finding.hint, f"{ctx.name}: {written.file}.conf: [{finding.group}] {finding.option}")


def _paths(values: KeyPath, stem: str, given: Given) -> dict[tuple[str, str], str]:
    """Where in the deployment each of these options of a file stands."""
    return {(g, name): path_text((*values, "conf", stem, g, name)) for g, options in given.items() for name in options}


def _values_path(ctx: ServiceContext) -> KeyPath:
    return ("spec", "services", ctx.service.type, ctx.name, "values")


def _node_values_path(ctx: ServiceContext, variant: Variant) -> KeyPath:
    return ("spec", "nodes", variant.label, "services", *_values_path(ctx)[2:])


def _unknown_variables(ctx: ServiceContext) -> Iterator[Problem]:
    """A variable that names no option is passed over by the service, and one with several values is read letter by letter."""
    files = [(known, _all_sections(w), w.file) for w in ctx.written if (known := known_options(ctx, w.file))]
    if not files:
        return
    names = {e["name"] for pod in ctx.component.pods() for c in pod["containers"] for e in c.get("env", ())}
    given = {_variable(*where) for written in ctx.written for where in written.secrets}
    for name in sorted(names - given):
        if match := _VARIABLE.fullmatch(name):
            found = [
                option
                for known, sections, stem in files
                for option in _called(known, sections_like(ctx.service.conf_files[stem].sections, sections), match, sections)
            ]
            if not found:
                yield Problem(f"the variable {name} names no option of {ctx.name}", "Check its group and option", ctx.name)
            elif any(found):
                what = f"the variable {name} sets an option that takes several values, which a variable cannot hold"
                yield Problem(what, "Mount a file below <service>.conf.d instead", ctx.name)


def _called(known: OptionFile, named: Mapping[str, str], match: re.Match[str], sections: Sections) -> Iterator[bool]:
    """For each option that a variable can mean: whether it takes several values."""
    for group, model in {**{group: group for group in known.groups}, **named}.items():
        if group.upper() == match["group"]:
            for name, option in known.options(model, sections.get(group, {})).items():
                if name.upper().replace("-", "_") == match["option"]:
                    yield option.multi


def _unknown_policies(ctx: ServiceContext) -> Iterator[Problem]:
    rules = ctx.deployment.policies_of(ctx.service)
    if not rules or not ctx.service.schemas:
        return
    known = schema_of(ctx.service.schemas, ctx.release).policies(ctx.name)
    renamed = {rule["formerly"]: name for name, rule in known.items() if "formerly" in rule}
    for name in rules:
        path = path_text(("spec", "features", "policies", ctx.name, name))
        if name not in known and name in renamed:
            yield Problem(f"the policy {name} has another name now", f"Write {renamed[name]}", path)
        elif name not in known and not any(f"rule:{name}" in text for text in rules.values()):
            yield Problem(f"{ctx.name} knows no policy {name!r}", did_you_mean(name, known), path)
        elif (why := known.get(name, {}).get("leaves")) is not None:
            yield Problem(f"the policy {name} will be removed", why, path)
