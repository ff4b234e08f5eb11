#!/usr/bin/env python3
"""Build the Traefik that the tests run, once per version, into a cache, and put the definitions of the Gateway API beside it.

Both come from the Go modules that tests/real/traefik/go.mod pins; go.sum vouches for every byte. The last line of the output is
the directory that holds ``traefik`` and ``gateway-api/*.yaml``. A cold build takes some eight minutes on two cores.

Traefik's module is not made to be built outside its repository, so copies of two modules are changed (``CHANGES``). What differs
from the published program, none of which Stackloom uses:

* The module lacks the dashboard's files: the dashboard is an empty page.
* Traefik's module ``dynamic/ext``, two empty types, is not published: tests/real/traefik/ext has them.
* Traefik replaces go-http-auth by a fork that module proxies do not all have, by two functions more than the original: without
  them, basic authentication lets nobody in, and digest authentication does not say that a nonce is stale.
* It replaces gorilla/mux likewise: without the fork, rules in the syntax of Traefik 2 match a path with its escapes decoded. What
  Ingresses and HTTPRoutes become are rules in the syntax of Traefik 3, which do not go through mux.
* The hundreds of DNS providers of its ACME client, for which the whole of every cloud's SDK would be fetched, are left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "tests" / "real" / "traefik"
TRAEFIK, LEGO, GATEWAY_API = "github.com/traefik/traefik/v3", "github.com/go-acme/lego/v5", "sigs.k8s.io/gateway-api"

_DNS_PROVIDERS = """package dns

import (
	"fmt"

	"github.com/go-acme/lego/v5/challenge"
)

// NewDNSChallengeProviderByName knows no provider.
func NewDNSChallengeProviderByName(name string) (challenge.Provider, error) {
	return nil, fmt.Errorf("built without the DNS provider %s", name)
}
"""

# In each module: files that are written whole, and texts that are replaced in files.
NEW_FILES = {
    TRAEFIK: {
        "webui/static/index.html": "<html></html>\n",
        "pkg/muxer/http/routing_path.go": "package http\n\ntype routingPathKey struct{}\n",
    },
    LEGO: {"providers/dns/zz_gen_dns_providers.go": _DNS_PROVIDERS},
}
CHANGES = {
    TRAEFIK: {
        "pkg/muxer/http/mux.go": {'\t"github.com/gorilla/mux"\n': "", "mux.RoutingPathKey": "routingPathKey{}"},
        "pkg/muxer/http/matcher_v2.go": {".UseRoutingPath()": ""},
        "pkg/middlewares/auth/basic_auth.go": {"goauth.CheckSecret": "func(string, string) bool { return false }"},
        "pkg/middlewares/auth/digest_auth.go": {"RequireAuthStale": "RequireAuth"},
    },
    LEGO: {},
}


class BuildError(Exception):
    """The program cannot be had; the message says why and what would help."""


def directory() -> Path:
    """Where the program and the definitions are, or will be once built: a place of this version's own in the cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    pinned = [(SOURCE / name).read_text() for name in ("go.mod", "go.sum")]
    made_of = hashlib.sha256(json.dumps([pinned, NEW_FILES, CHANGES]).encode())
    return cache / "stackloom" / "traefik" / f"{version()}-{made_of.hexdigest()[:8]}"


def version() -> str:
    """The release that go.mod pins, as Traefik writes it: ``v3.7.13``."""
    lines = (SOURCE / "go.mod").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.split()[:1] == [TRAEFIK])


def is_built() -> bool:
    """Whether the program is there. The definitions are put there before it."""
    return os.access(directory() / "traefik", os.X_OK)


def build() -> Path:
    """The directory with the program, built if it was not there. BuildError where that cannot be done."""
    place = directory()
    if is_built():
        print(f"traefik: found in {place}", file=sys.stderr)
        return place
    if shutil.which("go") is None:
        raise BuildError("Traefik is built with Go, which is not on the PATH: install it")
    place.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    print(f"traefik: building {version()}, some minutes when cold", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=place) as folder:
        work = Path(folder) / "source"
        shutil.copytree(SOURCE, work)
        modules = _downloaded(work)
        for number, module in enumerate(CHANGES):
            _changed_copy(module, modules[module], work / f"module-{number}")
            _go(work, "mod", "edit", "-replace", f"{module}=./module-{number}")
        _copy_definitions(modules[GATEWAY_API], place / "gateway-api")
        flags = f"-s -w -X {TRAEFIK}/pkg/version.Version={version().removeprefix('v')}"
        _go(work, "build", "-trimpath", "-ldflags", flags, "-o", str(work / "traefik"), f"{TRAEFIK}/cmd/traefik")
        (work / "traefik").replace(place / "traefik")
    print(f"traefik: {(place / 'traefik').stat().st_size / 1e6:.0f} MB in {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return place


def _go(work: Path, *arguments: str) -> str:
    """What ``go`` says. It says what goes wrong to standard error itself."""
    env = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}
    try:
        return subprocess.run(["go", *arguments], cwd=work, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    except subprocess.CalledProcessError as failure:
        raise BuildError(
            f"go {' '.join(arguments[:2])} failed with status {failure.returncode}, for the reason above"
        ) from failure


def _downloaded(work: Path) -> Mapping[str, Path]:
    """The modules whose files are used as such, each with its folder. go.sum has been asked about them."""
    said, decoder, found = _go(work, "mod", "download", "-json", *CHANGES, GATEWAY_API), json.JSONDecoder(), {}
    while said := said.lstrip():
        module, end = decoder.raw_decode(said)
        found[module["Path"]] = Path(module["Dir"])
        said = said[end:]
    return found


def _changed_copy(module: str, original: Path, copy: Path) -> None:
    """A copy of the module with its changes. BuildError where a text to replace is not there any more."""
    shutil.copytree(original, copy, copy_function=shutil.copyfile)
    for name in (folder for folder, _, _ in os.walk(copy)):
        Path(name).chmod(0o755)  # Go keeps its modules write-protected
    for name, text in NEW_FILES[module].items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(text)
    for name, replaced in CHANGES[module].items():
        text = (copy / name).read_text()
        for old, new in replaced.items():
            if old not in text:
                raise BuildError(f"{module}: {name} has no {old!r} any more: look at what this version needs")
            text = text.replace(old, new)
        (copy / name).write_text(text)


def _copy_definitions(module: Path, place: Path) -> None:
    """Copy the CustomResourceDefinitions of the Gateway API's standard channel."""
    place.mkdir(exist_ok=True)
    for file in (module / "config" / "crd" / "standard").glob("gateway.*.yaml"):
        shutil.copyfile(file, place / file.name)


def main() -> None:
    """Build, and say where the program is."""
    os.nice(10)  # nobody waits for the build at a keyboard, and the compiler would take every core
    try:
        print(build())
    except BuildError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
