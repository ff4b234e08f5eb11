"""Make volume types in Cinder: ``volume_types.py FILE``.

Reads the path of a JSON file,

    {"types": [{"name": "rbd", "extra_specs": {"volume_backend_name": "rbd"}}]}

and makes each type, public, where there is none of its name. An extra spec that is named here gets its value; what else was said
of a type, and other types, stay as they are. OS_* is an administrator, VOLUME_URL Cinder's API.
"""

from __future__ import annotations

from typing import Any

from program import Failure, read_json, run, say
from volumes import Volumes


def settle_types(cinder: Volumes, wanted: list[dict[str, Any]]) -> None:
    """Make the types what is wanted of them."""
    known = {found["name"]: found for found in cinder.get("types?is_public=None")["volume_types"]}
    for each in wanted:
        name, specs = each["name"], each["extra_specs"]
        found = known.get(name)
        if found is None:
            cinder.post("types", {"volume_type": {"name": name, "os-volume-type-access:is_public": True, "extra_specs": specs}})
            say(f"created volume type {name}")
            continue
        # Only administrators are shown the extra specs, and this is one.
        differing = {key: value for key, value in specs.items() if found.get("extra_specs", {}).get(key) != value}
        if differing:
            cinder.post(f"types/{found['id']}/extra_specs", {"extra_specs": differing})
            say(f"updated volume type {name}: {', '.join(sorted(differing))}")
        else:
            say(f"volume type {name}: as wanted")


def main(arguments: list[str]) -> None:
    """Settle the types that the file of the first argument lists."""
    if len(arguments) != 1:
        raise Failure("usage: volume_types.py FILE")
    settle_types(Volumes(), read_json(arguments[0])["types"])


if __name__ == "__main__":
    run(main)
