"""``spec.features.keystone``."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from stackloom.fields import DnsLabel, NonEmpty, Secret, SpecModel, Url, ValueFrom, refuse

Scalar = StrictBool | StrictInt | StrictFloat | StrictStr


class AdminUser(SpecModel):
    """Where the cloud's administrator lives."""

    project_name: NonEmpty = "admin"
    """The administrator's project."""
    user_domain_name: NonEmpty = "Default"
    """The domain of the administrator's account."""
    project_domain_name: NonEmpty = "Default"
    """The domain of the administrator's project."""
    default_domain_id: NonEmpty = "default"
    """The domain that is meant where a request names none."""


class Users(SpecModel):
    """Accounts that the deployment itself makes."""

    admin: AdminUser = AdminUser()
    """The cloud's administrator."""


def _no_secret_directives(settings: dict[str, Any]) -> dict[str, Any]:
    for name, value in settings.items():
        if re.search(r"secret|passphrase|password", name, re.IGNORECASE) and not isinstance(value, ValueFrom):
            refuse(
                f"{name} is a secret and must not stand here in clear: it would be readable in Git",
                "Refer to a Secret: {value_from: {secret_key_ref: {name: ..., key: ...}}}",
            )
    return settings


Directive = ValueFrom | Scalar | list[Scalar]
Directives = Annotated[dict[NonEmpty, Directive], AfterValidator(_no_secret_directives)]
"""Directives of Apache's mod_auth_openidc by name."""


_CLIENT: dict[str, Directive] = {"client_id": "os"}
_CONF: dict[str, Directive] = {"response_type": "id_token", "scope": "openid email profile"}
_OAUTH2: dict[str, Directive] = {"OAuth2TargetPass": "prefix=OIDC-"}


class ProviderMetadata(SpecModel):
    """What mod_auth_openidc is told of a provider, in the words of its metadata files."""

    client: Directives = Field(default_factory=lambda: {**_CLIENT})
    """The client's registration: ``client_id``, ``client_secret``."""
    conf: Directives = Field(default_factory=lambda: {**_CONF})
    """How the provider is spoken to: ``response_type``, ``scope``, ``ssl_validate_server``, ``verify_jwks_uri``."""
    provider: Secret | None = None
    """The provider's own metadata, where it cannot be read from ``<issuer>/.well-known/openid-configuration``."""


class Provider(SpecModel):
    """An OpenID Connect provider whose users may log in."""

    issuer: Url
    """The provider's issuer, as its tokens name it."""
    description: str
    """What the provider is, for people."""
    enabled: bool = True
    """Whether its users may log in."""
    oidc_ca: Secret | None = None
    """The certificate of the authority that signed the provider's, in PEM, for browsers. Access tokens go by the image's."""
    mapping: list[dict[str, Any]] = Field(default_factory=list)
    """Rules of Keystone that turn the provider's claims into users and groups. Absent: by user name, e-mail and roles."""
    oauth2: Directives = Field(default_factory=lambda: {**_OAUTH2})
    """Directives for clients that bring an access token instead of a browser."""
    metadata: ProviderMetadata = ProviderMetadata()
    """What mod_auth_openidc is told of the provider."""


class OpenId(SpecModel):
    """Log-in through OpenID Connect."""

    enabled: bool
    """Whether it is offered. Keystone's API then runs under Apache."""
    oidc: Directives = Field(default_factory=dict)
    """Directives for all providers, laid over those that follow from the deployment."""
    oidc_auth_type: Literal["oauth20", "oauth2"] = "oauth2"
    """Which module checks access tokens: ``oauth2`` (several providers), or ``oauth20`` (one, the older module)."""
    providers: dict[DnsLabel, Provider]
    """The providers by name."""


class Federation(SpecModel):
    """Users that another system knows."""

    openid: OpenId
    """OpenID Connect."""


class KeycloakOidc(SpecModel):
    """mod_auth_openidc's directives for Keycloak."""

    OIDCClientID: NonEmpty = "os"
    """The client that Keystone is in Keycloak."""
    OIDCClientSecret: Secret | None = None
    """The client's secret, where Keycloak asks for one. (Not in the CR.)"""
    OIDCProviderMetadataURL: Url | None = None
    """Where the realm describes itself. Absent: the realm ``iam``."""
    OIDCRedirectURI: list[Url] | Url | None = None
    """Where Keycloak sends users back to. Absent: Keystone's public endpoint."""
    OIDCSSLValidateServer: bool = True
    """Whether Keycloak's certificate is checked. The CR's default is the same; Mirantis' documentation turns it off."""
    OIDCOAuthSSLValidateServer: bool = True
    """The same, when access tokens are checked."""
    OIDCRedirectURLsAllowed: NonEmpty | None = None
    """A regular expression of where users may be sent after log-out. Absent: the dashboard's log-out page."""
    OIDCScope: NonEmpty = "openid email profile"
    """The scopes that are asked for."""
    OIDCClaimDelimiter: NonEmpty = ";"
    """What separates the values of a claim that has several."""
    OIDCSessionInactivityTimeout: Annotated[int, Field(ge=10)] = 1800
    """Seconds after which an idle session ends."""


class Keycloak(SpecModel):
    """Log-in through one Keycloak: a short form of ``federation``."""

    enabled: bool = False
    """Whether it is offered."""
    url: Url | None = None
    """Keycloak's address."""
    oidc: KeycloakOidc = KeycloakOidc()
    """Directives of mod_auth_openidc."""


DomainOption = ValueFrom | Scalar | list[Scalar]


def _no_inline_password(config: dict[str, dict[str, DomainOption]]) -> dict[str, dict[str, DomainOption]]:
    if isinstance(config.get("ldap", {}).get("password", None), str):
        refuse(
            "ldap.password is a secret and must not stand here in clear: it would be readable in Git",
            "Refer to a Secret: {value_from: {secret_key_ref: {name: ..., key: ...}}}",
        )
    return config


DomainConfig = Annotated[dict[NonEmpty, dict[NonEmpty, DomainOption]], AfterValidator(_no_inline_password)]


class Domain(SpecModel):
    """A domain whose users come from elsewhere."""

    enabled: bool
    """Whether its users may log in."""
    config: DomainConfig
    """Options of Keystone for this domain alone: ``{identity: {driver: ldap}, ldap: {url: ...}}``. A password: ``value_from``."""


class NamedDomain(Domain):
    """A domain in the deprecated list."""

    name: NonEmpty
    """The domain's name."""


class DomainSpecificConfiguration(SpecModel):
    """Domains with an identity driver of their own, LDAP above all."""

    enabled: bool = False
    """Whether Keystone reads configuration by domain."""
    ks_domains: dict[NonEmpty, Domain] = Field(default_factory=dict)
    """The domains by name."""
    domains: list[NamedDomain] = Field(default_factory=list)
    """The same as a list. Deprecated: use ``ks_domains``."""

    def by_name(self) -> dict[str, Domain]:
        """The domains that are on, however they were written."""
        if not self.enabled:
            return {}
        return {name: d for name, d in [*self.ks_domains.items(), *((d.name, d) for d in self.domains)] if d.enabled}


class KeystoneFeatures(SpecModel):
    """Keystone: who may do what in the cloud."""

    users: Users = Users()
    """Accounts that the deployment makes."""
    federation: Federation | None = None
    """Users that another system knows."""
    keycloak: Keycloak = Keycloak()
    """Log-in through one Keycloak."""
    domain_specific_configuration: DomainSpecificConfiguration = DomainSpecificConfiguration()
    """Domains with an identity driver of their own."""
