"""The keys that encrypt what lies in the database: how Barbican gets them, and how they turn.

A key of a generation encrypts the key of each project, and that the project's secrets. Every API also knows the key of the next
generation, so that while Pods roll those of before read what those of after write; and all keys of before, so that what they
encrypted can be read in whatever state it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackloom import SecretFile, Value

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Files, Part

SECRET = "barbican-keys"


def key_file(ctx: ServiceContext) -> SecretFile:
    """The file with the keys of this generation. An option with several values cannot come from the environment."""
    current = ctx.generation
    generations = range(1, current + 2)
    order = [current, current + 1, *reversed(range(1, current))]
    lines = "".join(f"kek = $(key-{generation})\n" for generation in order)
    name = f"keys-{current}.conf"
    made = {f"key-{generation}": Value.fernet() for generation in generations}
    ctx.credential(SECRET, {**made, name: Value.template(f"[simple_crypto_plugin]\n{lines}")})
    return SecretFile("/etc/barbican/barbican.conf.d/keys.conf", SECRET, name)


def rewrap(ctx: ServiceContext, *, config: Files, after: Part) -> None:
    """Encrypt the keys of all projects again with the key of this generation. It can be done while old Pods still run."""
    if ctx.generation == 1:
        return
    command = ["barbican-manage", "simple_crypto", "rewrap_pkek"]
    ctx.task(f"rewrap-{ctx.generation}", command=command, config=config, after=[after], needs=["database"])
