"""Architectures that are asked directly: several prompts in one forward, attention maps, no call.

Any other is asked through its own pipeline (`dreamsampler.models.driven`).
"""

from dreamsampler.models.families.pixels import DenoiserFamily, PixelUNet
from dreamsampler.models.families.stable_diffusion import StableDiffusion
from dreamsampler.models.families.stable_diffusion_xl import StableDiffusionXL

__all__ = ["FAMILIES", "DenoiserFamily", "PixelUNet", "StableDiffusion", "StableDiffusionXL"]

FAMILIES = (StableDiffusion, StableDiffusionXL, PixelUNet)
"""All of them; a pipeline's name says which one it is."""
