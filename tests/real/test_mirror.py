"""The script that ``stackloom images`` writes, run by the real skopeo between real registries."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from stackloom import image_list
from stackloom.app import Cloud
from stackloom.checks.images import UsedImage, used_images
from stackloom.image_list import Format
from stackloom.images import moved, registry_and_path
from tests.real.parts import absent
from tests.real.servers import LOOPBACK, free_port, run_checked, served

pytestmark = pytest.mark.real

MANIFEST, INDEX = ("application/vnd.oci.image." + kind + ".v1+json" for kind in ("manifest", "index"))


@dataclass(frozen=True)
class Registry:
    """A registry on loopback, and an environment in which tools find under ``<address>/<host>`` what ``host`` publishes."""

    address: str
    folder: Path

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder / ".config")}

    def stands_for(self, hosts: set[str]) -> None:
        plain = f'[[registry]]\nlocation = "{self.address}"\ninsecure = true\n'
        others = (f'[[registry]]\nprefix = "{h}"\nlocation = "{self.address}/{h}"\ninsecure = true\n' for h in sorted(hosts))
        settings = self.folder / ".config" / "containers"
        settings.mkdir(parents=True)
        (settings / "registries.conf").write_text(plain + "".join(others))

    def digest_of(self, name: str) -> str:
        """The digest of what the registry has under a name; HTTPError where it has nothing."""
        repository, _, tag = name.removeprefix(f"{self.address}/").rpartition(":")
        url = f"http://{self.address}/v2/{repository}/manifests/{tag}"
        with urlopen(Request(url, method="HEAD", headers={"Accept": f"{MANIFEST}, {INDEX}"}), timeout=10) as answer:
            return str(answer.headers["Docker-Content-Digest"])


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    lacking = [program for program in ("docker-registry", "skopeo") if shutil.which(program) is None]
    if lacking:
        absent(f"no registry to copy images to: {' and '.join(lacking)} not installed")
    address = f"{LOOPBACK}:{(port := free_port())}"
    storage = {"filesystem": {"rootdirectory": str(tmp_path / "registry")}}
    config = tmp_path / "config.yml"
    config.write_text(json.dumps({"version": "0.1", "storage": storage, "http": {"addr": address}}))
    with served(["docker-registry", "serve", str(config)], os.environ, port, tmp_path / "registry.log"):
        yield Registry(address, tmp_path)


def blob(layout: Path, content: Any) -> dict[str, Any]:
    data = json.dumps(content).encode()
    digest = hashlib.sha256(data).hexdigest()
    folder = layout / "blobs" / "sha256"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def published(registry: Registry, name: str) -> str:
    """Publish an image for two architectures, with nothing in it but its name. Its digest."""
    layout = registry.folder / hashlib.sha256(name.encode()).hexdigest()
    listed = []
    for architecture in ("amd64", "arm64"):
        content = {"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, "author": name}
        config = {"mediaType": "application/vnd.oci.image.config.v1+json", **blob(layout, content)}
        manifest = blob(layout, {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []})
        listed.append({"mediaType": MANIFEST, **manifest, "platform": {"os": "linux", "architecture": architecture}})
    index = blob(layout, {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed})
    whole = {"schemaVersion": 2, "manifests": [{"mediaType": INDEX, **index}]}
    (layout / "index.json").write_text(json.dumps(whole))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    place = "/".join((registry.address, *registry_and_path(name)))
    run_checked(["skopeo", "copy", "--all", "--preserve-digests", f"oci:{layout}", f"docker://{place}"], registry.env)
    return str(index["digest"])


def images(registry: str | None, digests: dict[str, str]) -> list[UsedImage]:
    cloud = Cloud("deployment.yaml")
    own = cloud.deployment.spec.images.model_copy(update={"registry": registry, "digests": digests})
    spec = cloud.deployment.spec.model_copy(update={"images": own})
    return used_images(Cloud(cloud.deployment.model_copy(update={"spec": spec})).output())


def test_the_script_fills_a_mirror_with_all_that_the_cloud_takes_from_there(workplace: Path, registry: Registry) -> None:
    names = [image.name for image in images(None, {})]
    registry.stands_for({registry_and_path(name)[0] for name in names})
    digests = {name: published(registry, name) for name in names}
    mirror = f"{registry.address}/mirror"
    pinned = dict([next(iter(digests.items()))])  # one image by its digest, the others by their tags
    script = image_list.text(Format.SKOPEO, lambda place: images(place, pinned), None, mirror)
    (workplace / "copy.sh").write_text(script)
    subprocess.run(["sh", "copy.sh"], env=registry.env, check=True, capture_output=True)
    wanted = {image.name for image in images(mirror, pinned)}
    assert wanted == {moved(name, mirror) for name in names}
    assert {name: registry.digest_of(name) for name in wanted} == {moved(n, mirror): d for n, d in digests.items()}
