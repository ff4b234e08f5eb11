"""Glance's manifests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stackloom import BySize, ConfigFile, Container, Gate, PodField, Probe, Probes, Resources
from stackloom_openstack.glance import stores
from stackloom_openstack.glance.features import GlanceFeatures

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Part
    from stackloom.manifests.files import File

CONFIG, PASTE = "glance-api.conf", "glance-api-paste.ini"
PYTHON = "/var/lib/openstack/bin/python3"
# The definitions that come with the release, where the published images have them.
METADATA = "/var/lib/openstack/etc/glance/metadefs"
CACHE = f"{stores.OWN}/cache"
# What is being imported goes on in a Pod that is told to end.
GRACE_SECONDS = 300


def build(ctx: ServiceContext) -> None:
    """Database, API, catalogue; then what is made in the database by the way, and removed by the clock."""
    features = ctx.features_as(GlanceFeatures)
    stores.claim(ctx, features)
    config = (*ctx.oslo_config(CONFIG, sections(ctx, features), accounts=accounts(ctx)), paste(ctx, features))
    # The old API goes on with what these two leave.
    migration = ctx.migrate_database(["glance-manage", "db", "expand"], ["glance-manage", "db", "migrate"], config=config)
    registered = ctx.register_in_catalogue()
    api = add_api(ctx, features, config=(*config, *stores.files(ctx, features)), after=[migration])
    contract(ctx, config, api)
    ctx.task(
        "metadefs",
        # New ones replace those of before; what the operator added stays.
        command=["glance-manage", "db", "load_metadefs", "--path", METADATA, "--merge", "--prefer_new"],
        config=config,
        needs=["database"],
        after=[migration],
    )
    volume_types(ctx, features, after=registered)
    purge(ctx, config)


def sections(ctx: ServiceContext, features: GlanceFeatures) -> stores.Sections:
    """glance-api.conf."""
    conf = stores.sections(ctx, features)
    # Ceph and Cinder make volumes and disks of an image without copying it, if they are told where it lies.
    conf["DEFAULT"]["show_image_direct_url"] = stores.has(features, "rbd") or stores.has(features, "cinder")
    # Not web-download: who may import an image could have Glance call whatever it reaches.
    conf["DEFAULT"]["enabled_import_methods"] = ["glance-direct", "copy-image"]
    conf["paste_deploy"] = {"config_file": f"/etc/glance/{PASTE}"}
    # Under uWSGI Python's own path is uWSGI's.
    conf["wsgi"] = {"python_interpreter": PYTHON}
    if cached(features):
        conf["DEFAULT"]["image_cache_dir"] = CACHE
    if ctx.graph.provides("key-manager"):
        # Signatures are checked with certificates from there.
        conf["key_manager"] = {"backend": "barbican"}
        conf["barbican"] = {
            "auth_endpoint": ctx.url("identity"),
            "barbican_endpoint_type": "internal",
            "barbican_region_name": ctx.deployment.spec.region_name,
            "send_service_user_token": True,
        }
    return conf


def accounts(ctx: ServiceContext) -> list[str]:
    """The sections with which Glance logs in to others."""
    return ["barbican_service_user"] if ctx.graph.provides("key-manager") else []


def cached(features: GlanceFeatures) -> bool:
    """Whether an API Pod keeps images that were asked for: it would attach a volume for each download."""
    return stores.has(features, "cinder")


def paste(ctx: ServiceContext, features: GlanceFeatures) -> ConfigFile:
    """What stands before the API. Health is told without a token."""
    cache = ["cache", "cachemanage"] if cached(features) else []
    before = ["cors", "http_proxy_to_wsgi", "versionnegotiation", "authtoken", "context", "audit", *cache]
    filters = {
        "cors": {"paste.filter_factory": "oslo_middleware.cors:filter_factory", "oslo_config_project": "glance"},
        "http_proxy_to_wsgi": {"paste.filter_factory": "oslo_middleware:HTTPProxyToWSGI.factory"},
        "versionnegotiation": {
            "paste.filter_factory": "glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory"
        },
        "authtoken": {"paste.filter_factory": "keystonemiddleware.auth_token:filter_factory", "delay_auth_decision": "true"},
        "context": {"paste.filter_factory": "glance.api.middleware.context:ContextMiddleware.factory"},
        "cache": {"paste.filter_factory": "glance.api.middleware.cache:CacheFilter.factory"},
        "cachemanage": {"paste.filter_factory": "glance.api.middleware.cache_manage:CacheManageFilter.factory"},
    }
    apps = "glance.api:root_app_factory"
    return ctx.paste(
        PASTE,
        {
            "composite:glance-api": {"paste.composite_factory": apps, "/": "api", "/healthcheck": "healthcheck"},
            "pipeline:api": {"pipeline": [*before, "rootapp"]},
            "composite:rootapp": {"paste.composite_factory": apps, "/": "apiversions", "/v2": "apiv2app"},
            "app:apiversions": {"paste.app_factory": "glance.api.versions:create_resource"},
            "app:apiv2app": {"paste.app_factory": "glance.api.v2.router:API.factory"},
            "app:healthcheck": {"paste.app_factory": "oslo_middleware:Healthcheck.app_factory"},
            **{f"filter:{name}": filters[name] for name in before if name in filters},
        },
    )


def add_api(ctx: ServiceContext, features: GlanceFeatures, *, config: tuple[File, ...], after: list[Part]) -> Part:
    """The API. A Pod that has staged an image is the one that imports it, unless all see what is staged: others send on to it."""
    itself: dict[str, Any] = {
        "POD_IP": PodField("status.podIP"),
        "OS_DEFAULT__WORKER_SELF_REFERENCE_URL": "http://$(POD_IP):9292",
    }
    alone = cached(features) or not stores.has(features, "file")
    privileged = stores.privilege(features)
    # A store of volumes asks Cinder when it begins, and is not there otherwise.
    needs = [*sorted(ctx.service.requires), *(["block-storage"] if privileged else [])]
    running: dict[str, Any] = {"privilege": privileged, "host_network": True} if privileged else {}
    return ctx.api(
        wsgi="glance.wsgi.api:application",
        config=config,
        env={**stores.env(ctx, features), **(itself if alone else {})},
        needs=needs,
        after=after,
        replicas=BySize(tiny=3, small=3, medium=3),
        workers=BySize(single=4, tiny=2, small=8, medium=8),
        # An image takes its time to pass. A Pod that is full gets no more requests, and is not killed for it.
        uwsgi={"threads": "8"},
        alive=Probe(listens="api"),
        writable=stores.writable(features),
        mounts=list(stores.mounts(features)),
        resources=Resources(cpu="200m", memory="1Gi", memory_limit="4Gi"),
        sidecars=[cache_keeper(ctx, features, config, itself)] if cached(features) else [],
        grace_seconds=GRACE_SECONDS,
        **running,
    )


def cache_keeper(ctx: ServiceContext, features: GlanceFeatures, config: tuple[File, ...], itself: dict[str, Any]) -> Container:
    """What keeps the cache of a Pod within its size, beside the API: nobody else sees it."""
    done, minutes = "/tmp/kept", 30  # noqa: S108 - in the container
    work = "glance-cache-pruner && glance-cache-cleaner"
    loop = f"trap exit TERM; while true; do {work} && touch {done}; sleep {minutes * 60} & wait $!; done"
    return Container(
        name="cache-keeper",
        image=ctx.image("glance"),
        command=["bash", "-c", loop],
        env={**ctx.database_env(), **stores.env(ctx, features), **itself},
        files=config,
        writable=stores.writable(features),
        mounts=list(stores.mounts(features)),
        resources=ctx.resources("cache-keeper", Resources(cpu="10m", memory="128Mi", memory_limit="512Mi").body()),
        probes=Probes(command=("bash", "-c", f'test -n "$(find {done} -mmin -{2 * minutes + 5})"'), period=60),
        privilege=stores.privilege(features),
    )


def contract(ctx: ServiceContext, config: tuple[File, ...], api: Part) -> None:
    """Take out of the database what the release before needed, when none of its Pods is left."""
    ctx.task(
        "db-contract",
        command=["glance-manage", "db", "contract"],
        config=config,
        needs=["database"],
        after=[api, Gate(replaced=(ctx.name,))],
    )


def volume_types(ctx: ServiceContext, features: GlanceFeatures, *, after: Part) -> None:
    """The volume types of stores that name a backend of Cinder instead of a type."""
    named = [store.backend_name for store in features.backends.cinder.values() if store.backend_name]
    if not named:
        return
    pairs = [name.partition(":")[::2] for name in dict.fromkeys(named)]
    types = [{"name": name, "extra_specs": {"volume_backend_name": backend}} for name, backend in pairs]
    path = "/etc/stackloom/volume-types.json"
    ctx.task(
        "volume-types",
        image="toolbox",
        command=["python3", "/opt/stackloom/programs/volume_types.py", path],
        config=[ctx.program("volume_types.py"), ctx.file(path, json.dumps({"types": types}, indent=2) + "\n")],
        env={**ctx.account_env(), "VOLUME_URL": ctx.url("block-storage")},
        credentials=False,
        needs=["identity", "block-storage"],
        after=[after],
    )


def purge(ctx: ServiceContext, config: tuple[File, ...]) -> None:
    """Remove rows that were deleted long ago. Those of images themselves stay: else their ids could be taken by others."""
    chosen = ctx.deployment.cleanup_of(ctx.service)
    if chosen is not None:
        words = ["--age_in_days", str(chosen.age), "--max_rows", str(chosen.batch)]
        ctx.clean_database(["glance-manage", "db", "purge", *words], config=config)
