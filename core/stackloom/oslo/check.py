"""Whether a service takes what an oslo.config file tells it: the file's sections against what the service declares.

oslo.config itself passes over what it does not know, and a value of the wrong type comes to light when the service reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stackloom.errors import did_you_mean
from stackloom.model.conf import SectionsLike
from stackloom.oslo.ini import Multi, Sections
from stackloom.oslo.ini import Option as Value
from stackloom.oslo.schema import Option, OptionFile
from stackloom.oslo.values import unfit

_SECRET = "Describe it as a Credential, which reaches the service through the environment or a mounted file"
_ELSEWHERE = "If a driver from elsewhere declares it, name it in values.unchecked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one option, and how to mend it. ``secret``: only that it stands there."""

    group: str
    option: str
    what: str
    hint: str = ""
    secret: bool = False


def check(sections: Sections, known: OptionFile, *, like: Iterable[SectionsLike] = ()) -> Iterator[Finding]:
    """What the service would not take of ``sections``, or not for long; ``like`` are the sections that the file names itself."""
    named = sections_like(like, sections)
    for group, options in sections.items():
        model = group if group in known.groups else named.get(group)
        options_known = known.options(model, options) if model else {}
        for name, value in options.items():
            if option := options_known.get(name):
                yield from _of_value(group, name, option, value)
            elif now := known.renamed.get((group, name)):
                where = "" if now[0] == group else f" in the section {now[0]}"
                yield Finding(group, name, f"the option {name} has another name now", f"Write {now[1]}{where}")
            elif model:
                what = f"the service knows no option {name!r} in the section {group!r}"
                yield Finding(group, name, what, did_you_mean(name, options_known) or _ELSEWHERE)
            else:
                hint = did_you_mean(group, known.groups | named.keys()) or _ELSEWHERE
                yield Finding(group, name, f"the service knows no section {group!r}", hint)


def sections_like(rules: Iterable[SectionsLike], sections: Sections) -> dict[str, str]:
    """The sections that the file or its record names, each with the group whose options it has."""
    named: dict[str, str] = {}
    for rule in rules:
        group, _, option = rule.listed_in.partition(".")
        value = sections.get(group, {}).get(option)
        words = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else ()
        listed = (rule.prefix + str(word).partition(":")[0].strip() for word in words)
        named |= dict.fromkeys([*listed, *rule.names], rule.like)
    return named


def _of_value(group: str, name: str, option: Option, value: Value) -> Iterator[Finding]:
    if value is None:
        return
    if reason := unfit(option, value):
        yield Finding(group, name, f"{_shown(value)} does not fit {name}", f"It must be {reason}")
    if option.leaves is not None:
        why = option.leaves or "the service will not read it any more"
        yield Finding(group, name, f"the option {name} will be removed", why)
    if option.secret and value != "":
        yield Finding(group, name, f"the option {name} is a secret, and this file can be read in Git", _SECRET, secret=True)


def _shown(value: Value) -> str:
    return repr(list(value.values)) if isinstance(value, Multi) else repr(value)
