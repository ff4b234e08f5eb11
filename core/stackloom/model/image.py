"""Container images by role and release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stackloom.fields import Release


@dataclass(frozen=True, slots=True)
class Image:
    """``repository:tag``, with other tags where a release of OpenStack has its own."""

    repository: str
    tag: str = ""
    tags: Mapping[Release, str] = field(default_factory=dict)

    def reference(self, release: Release) -> str:
        """The image's name for ``release``, as a registry knows it."""
        return f"{self.repository}:{self.tags.get(release, self.tag)}"
