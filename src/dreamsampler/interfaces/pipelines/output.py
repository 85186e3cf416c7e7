"""What a pipeline gives back, and in which form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, final

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL import Image

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


def check_output_type(output_type: str, sizes: list[tuple[int, int]]) -> None:
    """Refuse a form that the pictures cannot take, before they are made.

    Args:
        output_type: what is wanted.
        sizes: height and width of each picture that comes in.

    Raises:
        ValueError: an unknown form, or one array of pictures of several sizes.
    """
    if output_type not in OUTPUT_TYPES:
        raise ValueError(
            f"output_type is {output_type!r}, but must be one of {', '.join(OUTPUT_TYPES)}"
        )
    if output_type != "pil" and len(set(sizes)) > 1:
        raise ValueError(
            f"pictures of {len(set(sizes))} sizes make no single {output_type} batch: pass "
            "output_type='pil', or pictures of one size"
        )


def formed(pictures: list[Tensor], output_type: OutputType) -> Any:
    """Pictures (c, h, w) in [0, 1], or latents, in the form that was asked for."""
    if output_type in ("pt", "latent"):
        return torch.stack(pictures)
    rows = [picture.permute(1, 2, 0).cpu().numpy() for picture in pictures]
    if output_type == "np":
        return np.stack(rows)
    from PIL import Image

    return [Image.fromarray(np.rint(row * 255).astype(np.uint8)) for row in rows]
