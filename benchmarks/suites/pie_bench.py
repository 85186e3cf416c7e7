"""A folder of the user's own in PIE-Bench's layout: mapping_file.json and annotation_images/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.protocol import Item, Protocol, digest_of
from dreamsampler.files import InputError, sha256
from dreamsampler.images.picture import open_picture

SIDE = 512
"""Of the masks in the mapping file."""


@final
class Folder:
    """Photographs with prompts and masks.

        mapping_file.json: {id: {image_path, original_prompt, editing_prompt, mask}}

    A mask is a list of starts and lengths in 512 x 512 pixels, row by row, where the edit happens;
    the image's outermost pixels always count as edited, as in the published evaluation. Brackets
    in prompts, which mark the edited words, are left out.

    Args:
        path: the folder.
        limit: at most so many, in the file's order.

    Raises:
        InputError: a folder of another layout.

    Source: Ju et al., "Direct inversion" with PIE-Bench, ICLR 2024 (arXiv:2310.01506), section 4.
    """

    def __init__(self, path: Path, limit: int | None = None) -> None:
        self.path, self.root = path, path / "annotation_images"
        try:
            entries = json.loads((path / "mapping_file.json").read_text(encoding="utf-8"))
            chosen = list(entries.items())[:limit]
            self._masks: dict[str, list[int]] = {}
            self.items = tuple(
                self._item(str(key), each, i) for i, (key, each) in enumerate(chosen)
            )
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise InputError(
                f"{path} is not in PIE-Bench's layout ({error}): it needs mapping_file.json with "
                "image_path, original_prompt and editing_prompt, and annotation_images/"
            ) from error
        if not self.items:
            raise InputError(f"{path / 'mapping_file.json'} names no pictures")

    def protocol(self) -> Protocol:
        """Made of the folder as it is now."""
        measures = {"background dB": 1, "background SSIM": 1}
        return Protocol("editing", 1, measures, "", self.items, self.root)

    def read(self, item: Item) -> Tensor:
        """(3, h, w) in [0, 1]."""
        return open_picture(self.root / item.image).flat()

    def ground(self, item: Item) -> Tensor:
        """(1, h, w), 1 where nothing should change."""
        return _ground(self._masks[item.id], open_picture(self.root / item.image).size)

    def _item(self, key: str, each: dict[str, Any], seed: int) -> Item:
        image = str(each["image_path"])
        path = (self.root / image).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise ValueError(f"image_path {image} leaves the folder")
        size, runs = open_picture(path).size, list(each.get("mask", []))
        name = f"{seed:04d}-" + "".join(c for c in key if c.isalnum() or c in "-_")[:40]
        self._masks[name] = runs
        return Item(
            id=name,
            image=image,
            sha256=sha256(path),
            seed=seed,
            source_prompt=_words(each["original_prompt"]),
            target_prompt=_words(each["editing_prompt"]),
            mask_sha256=digest_of(_ground(runs, size)),
        )


def _words(prompt: str) -> str:
    return " ".join(str(prompt).replace("[", "").replace("]", "").split())


def _ground(runs: list[int], size: tuple[int, int]) -> Tensor:
    """Everything but the edited region, at the size of the picture."""
    edited = torch.zeros(SIDE * SIDE)
    for start, length in zip(runs[::2], runs[1::2], strict=True):
        edited[int(start) : int(start) + int(length)] = 1
    square = edited.view(1, 1, SIDE, SIDE)
    square[..., [0, -1], :] = 1
    square[..., :, [0, -1]] = 1
    return 1 - functional.interpolate(square, size, mode="nearest-exact")[0]
