"""Models distilled to a few levels: which ones, and what that means for guidance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, final

from dreamsampler.models.errors import ModelError

if TYPE_CHECKING:
    from dreamsampler.models.network import NetworkPrior

Distillation: TypeAlias = Literal["turbo", "lcm", "lightning", "schnell", "none"]
"""How a model came to need few steps; "none" for one that did not."""

_GRIDS: dict[str, int] = {"turbo": 4, "lcm": 50, "lightning": 4, "schnell": 4}


@final
@dataclass(frozen=True)
class FewSteps:
    """What distillation left of a model's levels.

    Args:
        grid: n, if the network was trained at the times i/n only; None for all times.
        baked: guidance is in the weights, so a scale other than 1 means nothing.
    """

    grid: int | None = None
    baked: bool = False

    def apply(self, prior: NetworkPrior) -> None:
        """Tell a prior."""
        family = prior.family
        if self.baked and family.guidance == "free":
            family.guidance, family.default_scale = "baked", 1.0
        prior.grid = self.grid
        if prior.grid is None and family.guidance == "baked":
            prior.grid = _GRIDS["schnell"]


def few_steps(names: Sequence[str], scheduler: str, asked: Distillation | None = None) -> FewSteps:
    """What a model was distilled to, as far as its names and scheduler say.

    Nothing in the weights says it. A name with "4step" or "8-step" says how many.

    Args:
        names: of the model and of the LoRAs in it.
        scheduler: the class its folder names.
        asked: what the user knows better; None to go by the names.

    Raises:
        ModelError: there is no such way of distillation.

    Example:
        >>> few_steps(["stabilityai/sd-turbo"], "EulerDiscreteScheduler")
        FewSteps(grid=4, baked=True)
        >>> few_steps(["sdxl", "sdxl_lightning_8step_lora.safetensors"], "EulerDiscreteScheduler")
        FewSteps(grid=8, baked=True)
        >>> few_steps(["sd15"], "PNDMScheduler")
        FewSteps(grid=None, baked=False)

    Source: the model cards; Sauer et al., "Adversarial diffusion distillation", ECCV 2024
    (arXiv:2311.17042), section 3.1 for turbo's four times, Luo et al., "Latent consistency
    models" (arXiv:2310.04378), for LCM's fifty.
    """
    if asked is not None and asked not in ("none", *_GRIDS):
        raise ModelError(f"distilled is {asked!r}, but must be none, {', '.join(_GRIDS)}")
    words = " ".join(re.split(r"[/\\]", name)[-1].lower() for name in names)
    kind: str | None = asked
    if kind is None:
        kind = next((k for k in _GRIDS if re.search(rf"(?<![a-z]){k}(?![a-z])", words)), None)
    if kind is None and scheduler == "LCMScheduler":
        kind = "lcm"
    if kind in (None, "none"):
        return FewSteps()
    said = re.search(r"(\d+)[ _-]?steps?(?![a-z])", words)
    if said and kind == "lightning":
        return FewSteps(int(said.group(1)), baked=True)
    if kind == "turbo" and re.search(r"z[_-]?image", words):
        return FewSteps(8, baked=True)
    return FewSteps(_GRIDS[str(kind)], baked=True)
