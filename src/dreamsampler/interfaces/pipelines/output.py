"""What a pipeline returns: pictures in one of diffusers' forms, and what made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dreamsampler.tasks.base import Run

OutputType: TypeAlias = Literal["pil", "np", "pt", "latent"]
OUTPUT_TYPES: tuple[OutputType, ...] = ("pil", "np", "pt", "latent")


@final
@dataclass(frozen=True)
class PipelineOutput:
    """Pictures, and what it takes to make them again.

    Args:
        images: Pillow images; or an array (n, h, w, c) or tensor (n, c, h, w) in [0, 1]; or clean
            latents.
        seeds: one per image, as `seed` of the tasks and of the command line takes them.
        reports: what was measured on each run (restoration: residual, noise), one a run.
        interrupted: whether the callback stopped it.
    """

    images: list[Image.Image] | np.ndarray | Tensor
    seeds: list[int]
    reports: list[dict[str, Any]]
    interrupted: bool = False

    def __getitem__(self, index: int) -> Any:
        """As the tuple that `return_dict=False` gives: 0 is `images`."""
        return self.to_tuple()[index]

    def to_tuple(self) -> tuple[Any]:
        """(images,)."""
        return (self.images,)


def latents_of(run: Run[Any]) -> Tensor:
    """The clean latents of the last step."""
    if run.last is None:
        raise ValueError("no step was taken, so there are no latents: raise strength")
    return run.last.z0


def check_output_type(output_type: str, sizes: list[tuple[int, int]]) -> None:
    """Refuse a form that pictures of these heights and widths cannot take."""
    if output_type not in OUTPUT_TYPES:
        raise ValueError(
            f"output_type is {output_type!r}, but must be one of {', '.join(OUTPUT_TYPES)}"
        )
    if output_type != "pil" and len(set(sizes)) > 1:
        raise ValueError(
            f"pictures of {len(set(sizes))} sizes make no single {output_type} batch: pass "
            "output_type='pil', or pictures of one size"
        )


def converted(pictures: list[Tensor], output_type: OutputType) -> Any:
    """Pictures (c, h, w) in [0, 1], or latents, in the form of `output_type`."""
    if output_type in ("pt", "latent"):
        return torch.stack(pictures)
    rows = [picture.permute(1, 2, 0).cpu().numpy() for picture in pictures]
    if output_type == "np":
        return np.stack(rows)
    return [Image.fromarray(np.rint(row * 255).astype(np.uint8)) for row in rows]
