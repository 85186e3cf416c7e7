"""Models distilled to a few levels: which ones, and what that means for guidance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final

from dreamsampler.models.errors import ModelError

Distillation: TypeAlias = Literal["turbo", "lcm", "lightning", "schnell", "none"]
"""How a model came to need few steps; "none" for one that did not."""

_GRIDS: dict[str, int] = {"turbo": 4, "lcm": 50, "lightning": 4, "schnell": 4}


@final
@dataclass(frozen=True)
class FewSteps:
    """What distillation left of a model's levels.

    Args:
        grid: n, if the network was trained at the times i/n only; None for all times.
        distilled: guidance is in the weights, so a scale other than 1 means nothing.
    """

    grid: int | None = None
    distilled: bool = False

    def apply(self, prior: Any) -> None:
        """Set the grid and the guidance of a `NetworkPrior`."""
        family = prior.family
        if self.distilled and family.guidance == "cfg":
            family.guidance, family.default_scale = "distilled", 1.0
        prior.grid = self.grid
        if prior.grid is None and family.guidance == "distilled":
            prior.grid = _GRIDS["schnell"]


def few_steps(
    names: Sequence[str], scheduler: str, distilled: Distillation | None = None
) -> FewSteps:
    """What a model was distilled to, as far as its names and scheduler say.

    Nothing in the weights says it. A name with "4step" or "8-step" says how many.

    Args:
        names: of the model and of the LoRAs in it.
        scheduler: the class its folder names.
        distilled: what the user knows better; None to go by the names.

    Raises:
        ModelError: there is no such way of distillation.

    Example:
        >>> few_steps(["stabilityai/sd-turbo"], "EulerDiscreteScheduler")
        FewSteps(grid=4, distilled=True)
        >>> few_steps(["sdxl", "sdxl_lightning_8step_lora.safetensors"], "EulerDiscreteScheduler")
        FewSteps(grid=8, distilled=True)
        >>> few_steps(["sd15"], "PNDMScheduler")
        FewSteps(grid=None, distilled=False)

    Source: the model cards; Sauer et al., "Adversarial diffusion distillation", ECCV 2024
    (arXiv:2311.17042), section 3.1 for turbo's four times, Luo et al., "Latent consistency
    models" (arXiv:2310.04378), for LCM's fifty.
    """
    if distilled is not None and distilled not in ("none", *_GRIDS):
        raise ModelError(f"distilled is {distilled!r}, but must be none, {', '.join(_GRIDS)}")
    words = " ".join(re.split(r"[/\\]", name)[-1].lower() for name in names)
    kind: str | None = distilled
    if kind is None:
        kind = next((k for k in _GRIDS if re.search(rf"(?<![a-z]){k}(?![a-z])", words)), None)
    if kind is None and scheduler == "LCMScheduler":
        kind = "lcm"
    if kind in (None, "none"):
        return FewSteps()
    steps = re.search(r"(\d+)[ _-]?steps?(?![a-z])", words)
    if steps and kind == "lightning":
        return FewSteps(int(steps.group(1)), distilled=True)
    if kind == "turbo" and re.search(r"z[_-]?image", words):
        return FewSteps(8, distilled=True)
    return FewSteps(_GRIDS[str(kind)], distilled=True)
