"""Glance, with images in files: an image goes in and comes out, by upload and by import, and what Glance knows of properties."""

from __future__ import annotations

import secrets
from typing import Any

from tests.real.boot.scenario import RunningCloud, Scenario

DISK = secrets.token_bytes(3 * 1024 * 1024)
PATIENCE_SECONDS = 60


def an_image_that_was_uploaded_comes_out_as_it_went_in(cloud: RunningCloud) -> None:
    glance: Any = cloud.admin.image
    image = glance.create_image("uploaded", data=DISK, disk_format="raw", container_format="bare", wait=True)
    assert glance.get_image(image).status == "active"
    assert glance.download_image(image).content == DISK
    assert [found.name for found in glance.images(name="uploaded")] == ["uploaded"]
    glance.delete_image(image)


def an_image_that_comes_in_pieces_of_unknown_number_is_whole(cloud: RunningCloud) -> None:
    glance: Any = cloud.admin.image
    image = glance.create_image("pieces", disk_format="raw", container_format="bare", allow_duplicates=True)
    pieces = (DISK[start : start + 65536] for start in range(0, len(DISK), 65536))
    answer = glance.put(f"/images/{image.id}/file", data=pieces, headers={"Content-Type": "application/octet-stream"})
    assert answer.status_code == 204, answer.text
    assert glance.download_image(image).content == DISK
    glance.delete_image(image)


def an_image_that_was_staged_is_imported(cloud: RunningCloud) -> None:
    glance: Any = cloud.admin.image
    image = glance.create_image("staged", data=DISK, disk_format="raw", container_format="bare", use_import=True)
    glance.wait_for_status(image, "active", wait=PATIENCE_SECONDS)  # it is taken in by a task of its own
    assert glance.download_image(image).content == DISK
    glance.delete_image(image)


def the_properties_that_images_may_have_are_explained(cloud: RunningCloud) -> None:
    glance: Any = cloud.admin.image
    names = {found.namespace for found in glance.metadef_namespaces()}
    assert {"OS::Compute::LibvirtImage", "OS::Glance::Signatures"} <= names


SCENARIO = Scenario(
    services=["image"],
    spec={
        "features": {
            "glance": {"backends": {"file": {"files": {"default": True, "pvc": {"size": "1Gi", "storage_class_name": "shared"}}}}}
        }
    },
    shows=[
        an_image_that_was_uploaded_comes_out_as_it_went_in,
        an_image_that_comes_in_pieces_of_unknown_number_is_whole,
        an_image_that_was_staged_is_imported,
        the_properties_that_images_may_have_are_explained,
    ],
)
