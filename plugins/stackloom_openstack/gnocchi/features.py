"""``spec.features.telemetry``, which Aodh, Ceilometer and Gnocchi share."""

from __future__ import annotations

from typing import Literal

from stackloom.fields import NonEmpty, Pvc, Secret, SpecModel, Url


class Files(SpecModel):
    """Files on a volume that all Pods of Gnocchi mount."""

    pvc: Pvc
    """The volume."""


class S3(SpecModel):
    """An object store that speaks S3."""

    endpoint_url: Url
    """Its URL."""
    region_name: NonEmpty | None = None
    """Its region, where it has some."""
    bucket_prefix: NonEmpty = "gnocchi"
    """What the names of Gnocchi's buckets begin with."""
    access_key: Secret
    """The access key."""
    secret_key: Secret
    """The secret key."""


class Storage(SpecModel):
    """Where measures are kept. Without any: in one pool of Ceph."""

    file: Files | None = None
    """Files on a volume."""
    s3: S3 | None = None
    """An object store."""


class TelemetryFeatures(SpecModel):
    """Telemetry: Ceilometer, Gnocchi and Aodh together."""

    mode: Literal["autoscaling"] = "autoscaling"
    """What is measured: what Heat's scaling policies need."""
    storage: Storage = Storage()
    """Where measures are kept. (Not in the CR.)"""
