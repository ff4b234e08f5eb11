"""Image pre-caching: every node has the images that can run there before it needs them.

A DaemonSet for each role of nodes has one init container per image. Each runs a tiny program that the first of them brings along,
because many an image has none of its own that ends. What remains is a container that waits and does no work; while its Pod is
there, the kubelet counts the images as used and does not remove them.

Nothing waits for a slow node: Argo CD counts a DaemonSet that is updated on deletion as healthy at once. So that it need not be
updated, its name and its selector end in a hash of its content: other images make another DaemonSet, and the old one is pruned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from stackloom import images
from stackloom.checks.images import used_images
from stackloom.manifests import objects
from stackloom.manifests.pod import Container, Pod, Probes, Resources
from stackloom.manifests.workloads import Body, Identity, daemon_set
from stackloom.model.image import Image
from stackloom.model.output import Output
from stackloom.model.placement import NodeRole
from stackloom.names import content_hash, slug

if TYPE_CHECKING:
    from stackloom.constructs.component import Component
    from stackloom.spec.deployment import OpenStackDeployment

COMPONENT = "image-cache"
# Its one program is linked statically, and so runs in any image.
TOOL = Image("docker.io/library/busybox", "1.37.0-musl")
PAUSE = Image("registry.k8s.io/pause", "3.10.2")

_UID = 65534
_RESOURCES = Resources(cpu="1m", memory="4Mi", memory_limit="32Mi").body()
_DIRECTORY = "/stackloom"
_PROGRAM = f"{_DIRECTORY}/true"  # busybox is what it is called: under this name it ends with 0 and does nothing
_VOLUME = {"name": "program", "emptyDir": {}}
_WRITABLE = {"name": "program", "mountPath": _DIRECTORY}
_READABLE = {**_WRITABLE, "readOnly": True}


def build_image_cache(
    component: Component, labels: Mapping[str, str], deployment: OpenStackDeployment, output: Sequence[Output]
) -> None:
    """Have ``component`` pull the images of ``output``: what it pulls already stays as it is, the rest is replaced."""
    namespace = component.target_namespace
    account = Identity(name=COMPONENT, namespace=namespace, labels=labels)
    tool, pause = (_named(image, deployment) for image in (TOOL, PAUSE))
    used = [u for u in used_images([o for o in output if o.component != COMPONENT]) if u.reference not in (tool, pause)]
    by_role = {role: [u.reference for u in used if role in u.roles] for role in NodeRole}
    pods = {role: _pod(role, references, tool=tool, pause=pause) for role, references in by_role.items() if references}
    wanted = [objects.service_account(account), *(_cache(account, role, pod) for role, pod in pods.items())]
    names = {body["metadata"]["name"] for body in wanted}
    for manifest in [m for m in component.manifests if m.body["metadata"]["name"] not in names]:
        component.manifests.remove(manifest)
        component.node.try_remove_child(manifest.node.id)
    there = {(m.body["kind"], m.body["metadata"]["name"]) for m in component.manifests}
    for body in wanted:
        if (body["kind"], body["metadata"]["name"]) not in there:
            component.add(body)


def _named(image: Image, deployment: OpenStackDeployment) -> str:
    spec = deployment.spec
    return images.placed(image.reference(spec.openstack_version), spec.images.registry, spec.images.digests)


def _pod(role: NodeRole, references: Sequence[str], *, tool: str, pause: str) -> Pod:
    bring = Container(
        name="program",
        image=tool,
        command=["cp", "/bin/busybox", _PROGRAM],
        resources=_RESOURCES,
        volume_mounts=[_WRITABLE],
    )
    pulled = [
        Container(name=slug(reference), image=reference, command=[_PROGRAM], resources=_RESOURCES, volume_mounts=[_READABLE])
        for reference in references
    ]
    wait = Container(
        name="pause",
        image=pause,
        command=["/pause"],
        probes=Probes(command=(_PROGRAM,), period=300, startup_seconds=0),
        resources=_RESOURCES,
        volume_mounts=[_READABLE],
    )
    return Pod(
        containers=[wait],
        init=[bring, *pulled],
        role=role,
        service_account=COMPONENT,
        user=_UID,
        volumes=[_VOLUME],
        grace_seconds=1,
    )


def _cache(who: Identity, role: NodeRole, pod: Pod) -> Body:
    part = role.name.lower().replace("_", "-")
    generation = f"{part}-{content_hash(daemon_set(who, pod)['spec']['template'])}"
    labels = {**who.labels, "component": generation}
    return daemon_set(Identity(name=f"{COMPONENT}-{generation}", namespace=who.namespace, labels=labels), pod, on_delete=True)
