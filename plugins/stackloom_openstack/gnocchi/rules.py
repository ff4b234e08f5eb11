"""What Gnocchi needs of the deployment beyond what it requires to start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stackloom import Problem
from stackloom_openstack.gnocchi.features import TelemetryFeatures

if TYPE_CHECKING:
    from stackloom.spec.deployment import OpenStackDeployment


def rules(deployment: OpenStackDeployment) -> Iterator[Problem]:
    """A problem where a part of telemetry is missing: measuring, keeping and alarming are of use only together.

    And those of where measures are kept.
    """
    for other in ("alarming", "metering"):
        if not deployment.has(other):
            yield Problem(
                path="spec.features.services",
                what=f"metric is of use only together with {other}, which is not among the services",
                hint=f"Add {other}, or leave out alarming, metering and metric",
            )
    storage = deployment.features_of("telemetry", TelemetryFeatures).storage
    if storage.file and storage.s3:
        yield Problem(
            path="spec.features.telemetry.storage",
            what="measures are kept either in files or in S3",
            hint="Leave out file or s3",
        )
    if storage.s3 and not storage.s3.endpoint_url.startswith(("http://", "https://")):
        yield Problem(
            path="spec.features.telemetry.storage.s3.endpoint_url",
            what=f"S3 is called by http or https, not by {storage.s3.endpoint_url.partition(':')[0]}",
            hint="Write https://...",
        )
