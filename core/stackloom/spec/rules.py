"""Rules across the common fields: what one field alone cannot tell. Each yields problems with paths from ``spec`` on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from stackloom.errors import Problem, did_you_mean
from stackloom.fields import ValueFrom
from stackloom.model.service import Service
from stackloom.spec.database import Remote
from stackloom.spec.deployment import OpenStackDeployment
from stackloom.spec.paths import render
from stackloom.spec.values import Conf, Resources, quantity

Rule = Callable[[OpenStackDeployment, Sequence[Service]], Iterable[Problem]]
_SECRET_WORDS = ("pass", "secret", "token", "private", "_key", "credential")
_BACKUP = "spec.features.database.backup"


def domains_differ(deployment: OpenStackDeployment, services: Sequence[Service]) -> Iterator[Problem]:
    """The public and the internal domain are two: a name means one address."""
    del services
    if deployment.spec.public_domain_name == deployment.spec.internal_domain_name:
        yield Problem(
            path="spec.public_domain_name",
            what="is the internal domain as well, and a name under it could mean two things",
            hint="Take another domain for the public endpoints",
        )


def external_secrets_have_a_store(deployment: OpenStackDeployment, services: Sequence[Service]) -> Iterator[Problem]:
    """A store is given with the provider that reads it, and with no other."""
    del services
    credentials = deployment.spec.credentials
    if credentials.provider == "external-secrets" and credentials.external_secrets is None:
        hint = "Add spec.credentials.external_secrets: {store: {name: <store>}}"
        yield Problem(path="spec.credentials.provider", what="external-secrets reads a store, and none is given", hint=hint)
    if credentials.provider != "external-secrets" and credentials.external_secrets is not None:
        yield Problem(
            path="spec.credentials.external_secrets",
            what=f"the provider {credentials.provider} reads no store",
            hint="Remove it, or set provider to external-secrets",
        )


def backups_have_a_place(deployment: OpenStackDeployment, services: Sequence[Service]) -> Iterator[Problem]:
    """A share, or a node's directory, is given with the backend that writes to it."""
    del services
    backup = deployment.spec.features.database.backup
    if backup.backend == "pv_nfs" and backup.pv_nfs is None:
        hint = "Add pv_nfs: {server: <host>, path: <path>}"
        yield Problem(path=f"{_BACKUP}.backend", what="pv_nfs needs the share's server and path", hint=hint)
    if backup.backend != "pv_nfs" and backup.pv_nfs is not None:
        yield Problem(
            path=f"{_BACKUP}.pv_nfs",
            what=f"the backend {backup.backend} has no share",
            hint="Remove it, or set backend to pv_nfs",
        )
    if backup.enabled and backup.backend == "hostpath" and backup.hostpath is None:
        hint = "Add hostpath: {node: <node>}"
        yield Problem(path=f"{_BACKUP}.backend", what="hostpath needs the node on which backups are kept", hint=hint)
    if backup.backend != "hostpath" and backup.hostpath is not None:
        yield Problem(
            path=f"{_BACKUP}.hostpath",
            what=f"the backend {backup.backend} has no directory of a node",
            hint="Remove it, or set backend to hostpath",
        )


def backups_are_copied_to_one_remote(deployment: OpenStackDeployment, services: Sequence[Service]) -> Iterator[Problem]:
    """Copies go to exactly one remote, which is described well enough for rclone."""
    del services
    sync = deployment.spec.features.database.backup.sync_remote
    if sync is None:
        return
    path = f"{_BACKUP}.sync_remote"
    if sync.enabled and not sync.remotes:
        yield Problem(
            path=f"{path}.remotes", what="no remote is given to copy the backups to", hint="Add one, or set enabled to false"
        )
    if len(sync.remotes) > 1:
        yield Problem(
            path=f"{path}.remotes", what=f"{len(sync.remotes)} remotes are given, and one is supported", hint="Keep one of them"
        )
    if sync.enabled and not deployment.spec.features.database.backup.enabled:
        yield Problem(
            path=f"{path}.enabled", what="copies are asked for, and backups are off", hint=f"Set {_BACKUP}.enabled to true"
        )
    for name, remote in sync.remotes.items():
        yield from _remote_problems(remote, f"{path}.remotes.{name}.conf")


def _remote_problems(remote: Remote, path: str) -> Iterator[Problem]:
    conf = remote.conf
    if conf.type == "s3":
        for key in ("provider", "access_key_id", "secret_access_key"):
            if getattr(conf, key) is None:
                yield Problem(path=path, what=f"s3 needs {key}", hint=f"Add {key}")
    if conf.type == "s3" and conf.provider == "Ceph" and conf.endpoint is None:
        yield Problem(path=path, what="Ceph needs endpoint", hint="Add endpoint, like https://rgw.example.org")
    for key, value in (conf.model_extra or {}).items():
        if isinstance(value, str) and any(word in key for word in _SECRET_WORDS):
            yield Problem(
                path=f"{path}.{key}",
                what="a secret must not stand here in clear: it would be readable in Git",
                hint="Put it into a Secret and refer to it: {value_from: {secret_key_ref: {name: ..., key: ...}}}",
            )


def cleanup_fits_the_service(deployment: OpenStackDeployment, services: Sequence[Service]) -> Iterator[Problem]:
    """Age and batch are given only where the service's program takes them."""
    for service in services:
        given = deployment.cleanup_of(service)
        if given is None or service.cleanup is None:
            continue
        for key in ("age", "batch"):
            if getattr(service.cleanup, key) is None and getattr(given, key) is not None:
                path = f"spec.features.database.cleanup.{service.name}.{key}"
                yield Problem(path=path, what=f"the cleanup of {service.name} takes no {key}", hint="Remove it")
        if given.batch == 0:
            yield Problem(
                path=f"spec.features.database.cleanup.{service.name}.batch",
                what="0 removes nothing",
                hint="Write a number of rows, or -1 for all",
            )


def notifications_have_topics(deployment: OpenStackDeployment, services: Sequence[Service]) -> Iterator[Problem]:
    """External notifications have topics, each once."""
    del services
    external, path = deployment.spec.features.messaging.notifications.external, "spec.features.messaging.notifications.external"
    if external.enabled and not external.topics:
        yield Problem(
            path=path, what="external notifications are enabled without a topic", hint="Add topics, one for each consumer"
        )
    for index, topic in enumerate(external.topics):
        if topic in external.topics[:index]:
            yield Problem(path=f"{path}.topics[{index}]", what=f"{topic!r} stands in the list twice", hint="Name each topic once")


def dedicated_buses_are_for_services(deployment: OpenStackDeployment, services: Sequence[Service]) -> Iterator[Problem]:
    """A bus of its own is given to services that are there and use one."""
    names = deployment.spec.features.messaging.components_with_dedicated_messaging
    users = {s.type for s in services if "messaging" in s.requires and deployment.has(s.type)}
    for index, name in enumerate(names):
        path = f"spec.features.messaging.components_with_dedicated_messaging[{index}]"
        if name in names[:index]:
            yield Problem(path=path, what=f"{name} stands in the list twice", hint="Name each service once")
        elif name not in users:
            hint = "Leave it out" if any(s.type == name for s in services) else did_you_mean(name, users)
            yield Problem(path=path, what=f"no service {name!r} of this deployment uses a message bus", hint=hint)


def values_name_what_is_there(deployment: OpenStackDeployment, services: Sequence[Service]) -> Iterator[Problem]:
    """Values change files and images that the service has."""
    for service in services:
        values = deployment.values_of(service)
        path = ("spec", "services", service.type, service.name, "values")
        yield from _unknown(
            values.conf,
            service.conf_files,
            (*path, "conf"),
            f"{service.name} has no configuration file that can be changed under this name",
        )
        if service.backs:
            yield from _references(values.conf, (*path, "conf"))
        yield from _unknown(values.images, service.images, (*path, "images"), f"{service.name} has no image for this role")
        yield from _limit_problems(values.resources, (*path, "resources"))
        for label, node in deployment.spec.nodes.items():
            chart = node.services.get(service.type, {}).get(service.name)
            if chart is not None:
                node_path = ("spec", "nodes", label, "services", *path[2:])
                what = f"{service.name} has no configuration file that can be changed under this name"
                yield from _unknown(chart.values.conf, service.conf_files, (*node_path, "conf"), what)
                yield from _limit_problems(chart.values.resources, (*node_path, "resources"))


def _unknown(given: Iterable[str], known: Iterable[str], path: tuple[str, ...], what: str) -> Iterator[Problem]:
    names = list(known)
    for key in given:
        if key not in names:
            yield Problem(path=render((*path, key)), what=what, hint=did_you_mean(key, names))


def _references(conf: Conf, path: tuple[str, ...]) -> Iterator[Problem]:
    """What is no service of OpenStack does not read its options from the environment."""
    for file, groups in conf.items():
        for group, options in groups.items():
            for option in (name for name, value in options.items() if isinstance(value, ValueFrom)):
                where = render((*path, file, group, option))
                yield Problem(path=where, what="takes no reference to a Secret", hint="Only services of OpenStack do")


def _limit_problems(resources: dict[str, Resources], path: tuple[str, ...]) -> Iterator[Problem]:
    for component, amounts in resources.items():
        for kind in ("cpu", "memory"):
            request, limit = getattr(amounts.requests, kind), getattr(amounts.limits, kind)
            if request is not None and limit is not None and quantity(request) > quantity(limit):
                where = render((*path, component, "requests", kind))
                yield Problem(
                    path=where, what=f"{request} are requested, and the limit is {limit}", hint="Request at most the limit"
                )


def ceph_is_reached_in_one_way(deployment: OpenStackDeployment, services: Sequence[Service]) -> Iterator[Problem]:
    """Ceph is Rook's or outside; whoever makes pools there has the rights to, and nobody else is told how."""
    del services
    ceph, path = deployment.spec.features.ceph, "spec.features.ceph"
    if ceph.monitors and ceph.rook is not None:
        yield Problem(
            path=f"{path}.rook", what="monitors of a Ceph outside are given as well", hint="Keep rook or monitors, not both"
        )
    for index, monitor in enumerate(ceph.monitors):
        if monitor in ceph.monitors[:index]:
            yield Problem(path=f"{path}.monitors[{index}]", what=f"{monitor} stands in the list twice", hint="Name each once")
    provision = ceph.provision
    if ceph.monitors and provision.enabled and provision.keyring is None:
        yield Problem(
            path=f"{path}.provision",
            what="pools and users are to be made in a Ceph outside, and no keyring is given that may",
            hint="Add keyring, or set enabled to false and make the pools and the Secrets yourself",
        )
    if provision.enabled and provision.keyring is not None and not ceph.monitors:
        hint = "Leave it out, or give the monitors of a Ceph outside"
        yield Problem(path=f"{path}.provision.keyring", what="Rook has a keyring of its own, which is used", hint=hint)
    if not provision.enabled:
        for key in sorted({"keyring", "replicas", "application"} & provision.model_fields_set):
            what = "nothing is made in Ceph, and this has no effect"
            yield Problem(path=f"{path}.provision.{key}", what=what, hint="Leave it out, or set enabled to true")
    pools = ceph.pools.model_dump()
    for use, name in pools.items():
        first = next(other for other, taken in pools.items() if taken == name)
        if first != use:
            yield Problem(
                path=f"{path}.pools.{use}",
                what=f"{name} is the pool of {first} as well, and the users of either could read the other's data",
                hint="Give each use a pool of its own",
            )


COMMON: tuple[Rule, ...] = (
    ceph_is_reached_in_one_way,
    domains_differ,
    external_secrets_have_a_store,
    backups_have_a_place,
    backups_are_copied_to_one_remote,
    cleanup_fits_the_service,
    notifications_have_topics,
    dedicated_buses_are_for_services,
    values_name_what_is_there,
)
