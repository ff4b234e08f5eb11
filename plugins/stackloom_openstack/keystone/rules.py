"""What must hold across the fields of ``spec.features.keystone``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stackloom import Problem
from stackloom_openstack.keystone import openid
from stackloom_openstack.keystone.features import KeystoneFeatures

if TYPE_CHECKING:
    from stackloom.spec.deployment import OpenStackDeployment

_PATH = "spec.features.keystone"


def rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """Keystone's rules."""
    features = deployment.features_of("keystone", KeystoneFeatures)
    yield from _log_in(features)
    yield from openid.problems(features)
    yield from _image(deployment, features)
    yield from _domains(features)


def _log_in(features: KeystoneFeatures) -> Iterator[Problem]:
    keycloak = features.keycloak
    chosen = features.federation.openid if features.federation and features.federation.openid.enabled else None
    if keycloak.enabled and keycloak.url is None:
        yield Problem(
            "Keycloak is enabled without its address", "Add url, like https://keycloak.example.org", f"{_PATH}.keycloak"
        )
    if chosen is None:
        return
    if keycloak.enabled:
        yield Problem(
            "both keycloak and federation are enabled",
            "keycloak is a short form for one provider: describe it under federation.openid.providers, and disable keycloak",
            f"{_PATH}.keycloak.enabled",
        )
    active = [name for name, provider in chosen.providers.items() if provider.enabled]
    if not active:
        yield Problem(
            "OpenID Connect is enabled without a provider", "Add one, or disable it", f"{_PATH}.federation.openid.providers"
        )
    if len(active) > 1 and chosen.oidc_auth_type != "oauth2":
        yield Problem(
            f"{len(active)} providers are enabled ({', '.join(active)}), and the auth type oauth20 knows one",
            "Set oidc_auth_type: oauth2, or disable all but one",
            f"{_PATH}.federation.chosen.oidc_auth_type",
        )
    issuers = [chosen.providers[name].issuer for name in active]
    for name in active:
        if issuers.count(chosen.providers[name].issuer) > 1:
            yield Problem(
                f"the issuer {chosen.providers[name].issuer} belongs to several providers",
                "Each provider has its own",
                f"{_PATH}.federation.openid.providers.{name}.issuer",
            )


def _image(deployment: OpenStackDeployment, features: KeystoneFeatures) -> Iterator[Problem]:
    """The published image has Apache and mod_wsgi, but none of the modules that know OpenID Connect."""
    federated = features.federation is not None and features.federation.openid.enabled
    chart = deployment.spec.services.get("identity", {}).get("keystone")
    if (federated or features.keycloak.enabled) and not (chart and chart.values.images.get("keystone")):
        path = f"{_PATH}.federation.openid.enabled" if federated else f"{_PATH}.keycloak.enabled"
        modules = "mod_auth_openidc and mod_oauth2" if federated else "mod_auth_openidc"
        yield Problem(
            f"log-in through OpenID Connect needs an image of Keystone with {modules}, which the published one lacks",
            "Build one and name it in spec.services.identity.keystone.values.images.keystone",
            path,
        )


def _domains(features: KeystoneFeatures) -> Iterator[Problem]:
    domains = features.domain_specific_configuration
    path = f"{_PATH}.domain_specific_configuration"
    if domains.domains and domains.ks_domains:
        yield Problem("both domains and ks_domains are given", "Move the list's items to ks_domains, by name", f"{path}.domains")
    if domains.enabled and not (domains.domains or domains.ks_domains):
        yield Problem("domain-specific configuration is enabled without a domain", "Add one to ks_domains, or disable it", path)
    names = [d.name for d in domains.domains]
    for i, name in enumerate(names):
        if name in names[:i]:
            yield Problem(f"the domain {name!r} is given twice", "Keep one", f"{path}.domains[{i}].name")
    for name in {*domains.ks_domains, *names}:
        if name.lower() in ("default", "service"):
            yield Problem(
                f"the domain {name!r} holds the cloud's own accounts and cannot be configured apart",
                "Use a domain of another name",
                f"{path}.ks_domains.{name}",
            )
