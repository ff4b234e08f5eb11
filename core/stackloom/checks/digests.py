"""Images are named by their content, where the deployment demands it; and each digest that it gives is that of an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stackloom.checks.context import CheckContext
from stackloom.checks.images import UsedImage, used_images
from stackloom.errors import Problem, did_you_mean
from stackloom.images import moved
from stackloom.model.output import Output
from stackloom.spec.paths import render

_DIGESTS = ("spec", "images", "digests")


def check(output: Sequence[Output], context: CheckContext) -> Iterator[Problem]:
    """Entries of ``spec.images.digests`` that no image takes; with ``require_digests``, images without a digest."""
    settings = context.images
    if not settings.digests and not settings.require_digests:
        return
    used = used_images(output)
    names = {image.name for image in used if image.ours}
    for name in settings.digests:
        if not {name, moved(name, settings.registry)} & names:
            hint = did_you_mean(name, names) or "`stackloom images` lists them; remove the entry, or correct it"
            yield Problem("the cloud has no image of this name", hint, render((*_DIGESTS, name)))
    if settings.require_digests:
        yield from (_unnamed(image) for image in used if not image.digest)


def _unnamed(image: UsedImage) -> Problem:
    who = ", ".join(image.components)
    hint = (
        f"Add this line, with the digest that `crane digest {image.name}` prints: {image.name}: sha256:<64 digits>"
        if image.ours
        else "Write it with its digest (@sha256:...) in the chart"
    )
    path = render(_DIGESTS) if image.ours else "spec.images.require_digests"
    return Problem(f"the image {image.name} has no digest (it is used by {who})", hint, path)
