"""A Stable Diffusion of random weights, 4 MB: where it lies, and how to open and damage it."""

import json
from pathlib import Path

import torch

TINY = Path(__file__).parent / "fixtures" / "tiny-sd"


def open_pipe(folder):
    """The folder by diffusers' own means."""
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)


def edit_json(path, **changes):
    """Change some entries of a JSON file; None removes."""
    value = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in value.items() if v is not None}))


def latents(prior, rows, seed=0, dtype=torch.float32):
    """Noise that fits a prior: (rows, c, 8, 8)."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(rows, prior.latent_channels, 8, 8, generator=rng, dtype=dtype)
