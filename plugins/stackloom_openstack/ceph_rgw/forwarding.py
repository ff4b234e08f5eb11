"""The way to gateways that run already: a proxy under the name that the catalogue has.

It stands where own gateways would, so that the ingress, TLS, network policies and the rest of the cloud know no difference,
and whoever runs those gateways need not let the cloud's ingress in. It forwards bytes: signatures cover what a client sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackloom import Probe, Resources, SecretFile, Value
from stackloom_openstack.ceph_rgw.features import Existing, RookStore
from stackloom_openstack.ceph_rgw.gateway import HEALTH, REPLICAS

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.part import Part

CREDENTIAL = "ceph-rgw-keystone"
_CONFIG, _AUTHORITY = "/etc/haproxy/haproxy.cfg", "/etc/haproxy/ca/gateway.crt"
_HAPROXY = """global
  log stdout format raw local0 notice
  maxconn 4096

defaults
  mode tcp
  log global
  timeout connect 5s
  timeout check 5s
  # A large object may take long to be put together.
  timeout client 1h
  timeout server 1h

resolvers cluster
  parse-resolv-conf

frontend objects
  bind :{port}
  default_backend gateways

backend gateways
  balance leastconn
  option httpchk
  http-check send meth GET uri {health}
  default-server check inter 5s resolvers cluster init-addr last,libc,none{tls}
{servers}
"""
_TLS = " ssl verify required ca-file {authority} verifyhost {name} sni str({name}) check-sni {name}"


def of_rook(ctx: ServiceContext, rook: RookStore) -> Existing:
    """The gateways behind the Service that Rook makes for a store."""
    spec = ctx.deployment.spec
    namespace = spec.features.ceph.rook_namespace
    return Existing(addresses=[f"rook-ceph-rgw-{rook.store}.{namespace}.svc.{spec.internal_domain_name}:{rook.port}"])


def run(ctx: ServiceContext, gateways: Existing, *, after: Part) -> None:
    """Run the proxies, and make the account known to who runs the gateways."""
    reference = gateways.tls.ca.value_from.secret_key_ref if gateways.tls else None
    text = _HAPROXY.format(
        port=ctx.endpoint(ctx.service.type).port,
        health=HEALTH,
        tls=_TLS.format(authority=_AUTHORITY, name=gateways.tls.server_name) if gateways.tls else "",
        servers="\n".join(f"  server gateway-{number} {address}" for number, address in enumerate(gateways.addresses, 1)),
    )
    ctx.api(
        image="tls-proxy",
        command=["haproxy", "-db", "-f", _CONFIG],
        config=[
            ctx.file(_CONFIG, text),
            *([SecretFile(_AUTHORITY, reference.name, reference.key)] if reference else []),
        ],
        credentials=False,
        after=[after],
        replicas=REPLICAS,
        resources=Resources(cpu="50m", memory="64Mi", memory_limit="256Mi"),
        # Ready is who reaches a gateway; to start anew would bring none back.
        health=HEALTH,
        alive=Probe(listens="api"),
    )
    ctx.allow_egress(*sorted({int(address.rpartition(":")[2]) for address in gateways.addresses}))
    _share_account(ctx)


def _share_account(ctx: ServiceContext) -> None:
    """The account with which the gateways ask Keystone, in the words of a Secret that Rook reads; others read it as well."""
    account = ctx.login(ctx.name)
    (user,) = ctx.service.accounts
    known = {
        "OS_AUTH_TYPE": "password",
        "OS_IDENTITY_API_VERSION": "3",
        "OS_AUTH_URL": f"{ctx.url('identity', public=True, path=False)}/v3",
        "OS_USERNAME": account.username,
        "OS_USER_DOMAIN_NAME": user.domain,
        "OS_PROJECT_NAME": str(user.project),
        "OS_PROJECT_DOMAIN_NAME": user.domain,
    }
    # Kept equal to what is said here: another generation is another user.
    keys = {name: Value(kind="public", text=text) for name, text in known.items()}
    ctx.credential(CREDENTIAL, {**keys, "OS_PASSWORD": Value.copied(account.password.secret, account.password.key)})
