"""Whether a picture is of the kind that the bundled model of drawings knows."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch.nn import functional

from dreamsampler.maths import Image
from dreamsampler.models.alias import BUNDLED
from dreamsampler.models.prior import Prior

LEVEL = 0.35
"""Flow time of the noise that is taken off: photographs and drawings are farthest apart there."""
DRAWS = 4
KNOWN = 0.022
"""Mean squared error that is usual for drawings that the model knows (measured: 0.01 to 0.04)."""
STRANGE = 0.045
"""Error above which a picture is none of them. Chosen on 22 photographs (0.054 to 0.2) and 33
drawings (at most 0.042, also under noise 0.1 or blur 3; 0.048 with half of the pixels lost). On 14
others of CBSD68 and 15 other drawings a limit of 0.05 errs in none. Scaled down by 4 one drawing in
four is taken for a photograph."""


def strangeness(prior: Prior, x: Image) -> float:
    """The error with which a model takes noise off a picture.

        mean |z0(alpha z + sigma eps) - z|^2,   u = 0.35,   null prompt

    Args:
        x: one picture in [-1, 1]: (1, 3, h, w); seen at the model's own size.

    Source: Li et al., "Your diffusion model is secretly a zero-shot classifier", ICCV 2023
    (arXiv:2303.16203): denoising errors as a likelihood.
    """
    side = prior.native_size
    seen = functional.interpolate(x, (side, side), mode="bicubic", antialias=True).clamp(-1, 1)
    level, rng = prior.schedule.at_flow(LEVEL), torch.Generator().manual_seed(0)
    with torch.no_grad():
        z = prior.encode(seen)
        eps = torch.randn((DRAWS, *z.shape[1:]), generator=rng).to(z)
        noisy = level.alpha * z + level.sigma * eps
        (estimate,) = prior.predict(noisy, level, [prior.condition("")])
        return float((estimate.z0 - z).square().mean())


def warn_strange(prior: Prior, x: Image, path: Path | None) -> None:
    """Warn of a picture in [-1, 1], of any size, that the bundled model of drawings does not know.

    Other models are not asked.
    """
    if getattr(prior, "name", None) != BUNDLED:
        return
    if (error := strangeness(prior, x)) > STRANGE:
        name = "the picture" if path is None else path.name
        warnings.warn(
            f"{name} is unlike the drawings that {BUNDLED} knows ({error / KNOWN:.1f} times their "
            "denoising error), so expect little: restore photographs with the model photo, and "
            "edit them with a larger model, such as sd15",
            stacklevel=4,
        )
