"""Files of oslo.config that a service reads, as its plugin describes them."""

from __future__ import annotations

from dataclasses import dataclass

NODE_MARK = "@address:"


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """An option whose value is the address that ``interface`` has on the node, which is known when an agent starts there."""

    interface: str

    def __str__(self) -> str:
        """As it stands in the ConfigMap, until the agent's Pod replaces it."""
        return f"{NODE_MARK}{self.interface}@"


@dataclass(frozen=True, slots=True)
class SectionsLike:
    """Sections of a file that one of its options names: each has the options of the group ``like``.

    ``listed_in`` is that option, ``<group>.<option>``: a list of names, or of ``name:type`` pairs. ``prefix`` stands before each
    name. Cinder's backends are ``SectionsLike("DEFAULT.enabled_backends", "backend_defaults")``. Sections that no option names
    and no service declares are ``names``: ``SectionsLike(like="privsep", names=("privsep_osbrick",))``.
    """

    listed_in: str = ""
    like: str = ""
    prefix: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfFile:
    """A file, without its ``.conf``. ``schema`` is the name under which its options are known, if that is another one."""

    name: str
    schema: str = ""
    sections: tuple[SectionsLike, ...] = ()
