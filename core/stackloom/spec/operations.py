"""The fields that Stackloom adds to the CR: how secrets are made, how Argo CD takes the output, images and plugins."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from stackloom.fields import DnsLabel, NonEmpty, ObjectName, Positive, SpecModel, refuse
from stackloom.spec.values import ImageReference


class SecretStore(SpecModel):
    """A store of the External Secrets Operator."""

    name: ObjectName
    """The store's name."""
    kind: Literal["ClusterSecretStore", "SecretStore"] = "ClusterSecretStore"
    """Its kind; a SecretStore is looked for in the deployment's namespace."""


def _prefix(value: str) -> str:
    if re.fullmatch(r"[-._/a-zA-Z0-9]*", value) is None:
        refuse(f"{value!r} cannot begin the name of a secret", "Use letters, digits, '-', '_', '.' and '/', like clouds/one/")
    return value


def _duration(value: str) -> str:
    if re.fullmatch(r"([1-9]\d*h)?([1-9]\d*m)?([1-9]\d*s)?", value) is None or not value:
        refuse(f"{value!r} is not a duration", "Write it like 1h, 30m or 1h30m")
    return value


class ExternalSecrets(SpecModel):
    """Where the External Secrets Operator finds the cloud's secrets."""

    store: SecretStore
    """The store that is read."""
    prefix: Annotated[str, AfterValidator(_prefix)] = ""
    """What stands before each secret's name in the store, like ``clouds/one/``."""
    refresh_interval: Annotated[str, AfterValidator(_duration)] = "1h"
    """How often the store is read, like ``30m`` or ``1h``."""


class Credentials(SpecModel):
    """How the Secrets that the cloud needs come into being. No value of one is ever written to the output."""

    provider: Literal["generated", "external-secrets", "existing"] = "generated"
    """``generated``: a Job in the cluster makes what is missing and never overwrites; ``external-secrets``: the External
    Secrets Operator copies them from a store; ``existing``: they are there, made by others."""
    external_secrets: ExternalSecrets | None = None
    """The store; required with the provider ``external-secrets``, and refused with another."""
    rotation: dict[NonEmpty, Positive] = Field(default_factory=dict)
    """The generation of a service's passwords, by the service's name: 1 unless given. Raise it by one, and all of them are made
    anew. Those of the generation before stay valid until the next rotation, older ones are removed."""


def _repository(value: str) -> str:
    if re.fullmatch(r"(https?|ssh|git)://[^\s/@]*(@[^\s/]+)?/\S+|[\w.-]+@[\w.-]+:\S+|oci://\S+", value) is None:
        refuse(
            f"{value!r} is not the address of a Git repository",
            "Write it like https://git.example.org/cloud.git or git@git.example.org:cloud.git",
        )
    if re.match(r"https?://[^\s/@]*:[^\s/@]*@", value):
        refuse(
            "a password must not stand in the repository's address: it would be readable in Git",
            "Give the password to Argo CD in a repository Secret",
        )
    return value


def _relative(value: str) -> str:
    if value.startswith("/") or ".." in value.split("/"):
        refuse(f"{value!r} is not a path inside the repository", "Write it like dist or clouds/one/dist")
    return value


class ArgoCD(SpecModel):
    """The Applications with which Argo CD takes the output. They are written when ``repository`` is given."""

    repository: Annotated[str, AfterValidator(_repository)] | None = None
    """The Git repository that holds the output."""
    revision: NonEmpty = "HEAD"
    """The branch, tag or commit that is followed."""
    path: Annotated[NonEmpty, AfterValidator(_relative)] = "dist"
    """The output's folder in the repository."""
    project: ObjectName = "default"
    """The project that the Applications belong to."""
    namespace: DnsLabel = "argocd"
    """The namespace in which Argo CD looks for Applications."""
    profile: Literal["applications", "single"] = "applications"
    """``applications``: one for each component; ``single``: one for the whole cloud."""


def _digest(value: str) -> str:
    if re.fullmatch(r"sha256:[0-9a-f]{64}", value) is None:
        refuse(
            f"{value!r} is not a digest", "Write sha256: and 64 hexadecimal digits, as the registry names the image's manifest"
        )
    return value


def _registry(value: str) -> str:
    if re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:\d{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*", value) is None:
        refuse(f"{value!r} is not a registry", "Write it without a scheme, like registry.example.org:5000/mirror")
    return value


class Images(SpecModel):
    """Where images come from."""

    registry: Annotated[str, AfterValidator(_registry)] | None = None
    """A mirror: it takes the place of the registry in the names of all images."""
    digests: dict[ImageReference, Annotated[str, AfterValidator(_digest)]] = Field(default_factory=dict)
    """Digests by image reference, as published or as the mirror names it: what runs is then named by its content."""
    require_digests: bool = False
    """Refuse an output in which an image is named without a digest."""
    precache: bool = True
    """Have every node pull the images that can run there before it needs them."""


class PluginSettings(SpecModel):
    """Which plugins are left out. Further keys are the names of plugins; what stands there is theirs to read."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, Any]]

    disabled: list[NonEmpty] = Field(default_factory=list)
    """Plugins that are not loaded, by the name of their entry point. Their services leave the output."""
