"""Write what the OpenStack services of each supported release can be told into the package: ``python -m scripts.option_schemas``.

For each release ``scripts/option_extract.py`` reads the options and policies of the published packages, in the environment that
``scripts/openstack_environment.py`` makes. Names of releases as arguments renew only these.
"""

from __future__ import annotations

import json
import lzma
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from scripts.openstack_environment import make
from stackloom.spec.releases import SUPPORTED

PROJECT = Path(__file__).parents[1]
OUTPUT = PROJECT / "plugins" / "stackloom_openstack" / "schemas"
PARALLEL = 2
POLICIES = (
    "aodh",
    "barbican",
    "cinder",
    "designate",
    "glance",
    "gnocchi",
    "heat",
    "keystone",
    "masakari",
    "neutron",
    "nova",
    "octavia",
    "placement",
)
"""The services that have policies, by the names under which they declare them."""


def main(releases: list[str]) -> None:
    """Renew these releases, or all."""
    OUTPUT.mkdir(exist_ok=True)
    for release in releases or SUPPORTED:
        schema = read(make(release) / "bin" / "python")
        text = json.dumps(schema, sort_keys=True, separators=(",", ":"))
        (OUTPUT / f"{release}.json.xz").write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
        options = sum(len(group) for file in schema["files"].values() for group in file.values())
        print(f"{release}: {options} options in {len(schema['files'])} files")


def read(python: Path) -> dict[str, Any]:
    """What the services of an environment say of themselves."""
    wanted = tomllib.loads((PROJECT / "scripts" / "option_files.toml").read_text())
    with ThreadPoolExecutor(PARALLEL) as pool:
        files = {file: pool.submit(_extract, python, "options", *namespaces) for file, namespaces in wanted.items()}
        policies = {service: pool.submit(_extract, python, "policies", service) for service in POLICIES}
        auth = pool.submit(_extract, python, "auth")
        return {
            "files": {file: found.result() for file, found in files.items()},
            "policies": {service: found.result() for service, found in policies.items()},
            "auth": auth.result(),
        }


def _extract(python: Path, *arguments: str) -> Any:
    return json.loads(_run(python, "-W", "ignore", PROJECT / "scripts" / "option_extract.py", *arguments))


def _run(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    main(sys.argv[1:])
