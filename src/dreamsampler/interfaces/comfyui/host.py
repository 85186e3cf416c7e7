"""What ComfyUI offers a running node, where there is a ComfyUI: progress, previews, cancelling."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

if TYPE_CHECKING:
    from dreamsampler.maths import Step
    from dreamsampler.tasks.base import Run

PREVIEWS = 8
"""Previews of a run: each is decoded, which takes about as long as a step."""


def part_of_comfy(name: str) -> Any:
    """A module of ComfyUI, or None where this is not ComfyUI."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and name.startswith(error.name):
            return None
        raise


def device() -> str | None:
    """The device that ComfyUI computes on; None leaves it to the loader."""
    management = part_of_comfy("comfy.model_management")
    return None if management is None else str(management.get_torch_device())


def output_folder() -> Path:
    """Where ComfyUI saves, or the current folder's `output`."""
    paths = part_of_comfy("folder_paths")
    return Path("output") if paths is None else Path(paths.get_output_directory())


@final
class Watch:
    """The bar, the previews and the cancel button of one node.

    Args:
        total: steps of all runs of the node.
    """

    def __init__(self, total: int) -> None:
        utils = part_of_comfy("comfy.utils")
        self._management = part_of_comfy("comfy.model_management")
        self._bar = None if utils is None else utils.ProgressBar(total)
        self._total, self._done = total, 0

    def follow(self, run: Run) -> None:
        """Iterate to the end; ComfyUI's own exception leaves through here when it is cancelled."""
        self._stop_if_cancelled()
        for step in run:
            self._done += 1
            if self._bar is not None:
                shown = self._done % max(1, self._total // PREVIEWS) == 0
                preview = _thumbnail(run, step) if shown else None
                self._bar.update_absolute(self._done, self._total, preview)
            self._stop_if_cancelled()

    def _stop_if_cancelled(self) -> None:
        if self._management is not None:
            self._management.throw_exception_if_processing_interrupted()


def _thumbnail(run: Run, step: Step) -> tuple[str, Any, int]:
    """A preview as ComfyUI's bar takes it: format, Pillow image, longest side."""
    from PIL import Image

    rows = ((run.preview(step)[0] + 1) * 127.5).clamp(0, 255).permute(1, 2, 0).cpu().numpy()
    return "JPEG", Image.fromarray(np.rint(rows).astype(np.uint8)), 512
