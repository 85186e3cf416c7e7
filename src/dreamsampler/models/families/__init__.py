"""One file an architecture: how its prompts are encoded, and how its network is called."""

from dreamsampler.models.families.flux import Flux
from dreamsampler.models.families.pixart import PixArtSigma
from dreamsampler.models.families.qwen_image import QwenImage
from dreamsampler.models.families.sana import Sana
from dreamsampler.models.families.stable_diffusion import StableDiffusion
from dreamsampler.models.families.stable_diffusion_3 import StableDiffusion3
from dreamsampler.models.families.stable_diffusion_xl import StableDiffusionXL
from dreamsampler.models.families.z_image import ZImage

__all__ = [
    "FAMILIES",
    "Flux",
    "PixArtSigma",
    "QwenImage",
    "Sana",
    "StableDiffusion",
    "StableDiffusion3",
    "StableDiffusionXL",
    "ZImage",
]

FAMILIES = (
    StableDiffusion,
    StableDiffusionXL,
    StableDiffusion3,
    Flux,
    PixArtSigma,
    Sana,
    QwenImage,
    ZImage,
)
"""All of them; a pipeline's name says which one it is."""
