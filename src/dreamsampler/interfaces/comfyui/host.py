"""What ComfyUI offers a running node, where there is a ComfyUI: progress, previews, canceling."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from dreamsampler.tasks.progress import Progress

PREVIEWS = 8
"""Previews of a node: each is decoded, which takes about as long as a step."""


def comfy_module(name: str) -> Any:
    """A module of ComfyUI, or None where this is not ComfyUI."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and name.startswith(error.name):
            return None
        raise


def device() -> str | None:
    """The device that ComfyUI computes on; None leaves it to the loader."""
    management = comfy_module("comfy.model_management")
    return None if management is None else str(management.get_torch_device())


def output_folder() -> Path:
    """Where ComfyUI saves, or the current folder's `output`."""
    paths = comfy_module("folder_paths")
    return Path("output") if paths is None else Path(paths.get_output_directory())


@final
class NodeProgress:
    """The bar, the previews and the cancel button of a node, as the progress of its tasks.

    Args:
        runs: how many tasks the node runs, of as many steps each.
    """

    def __init__(self, runs: int) -> None:
        self._utils = comfy_module("comfy.utils")
        self._management = comfy_module("comfy.model_management")
        self._bar: Any = None
        self._runs, self._done = runs, 0

    def __call__(self, progress: Progress) -> None:
        """Show a step; ComfyUI's own exception leaves through here when it is canceled."""
        if progress.step is not None and self._utils is not None:
            total = self._runs * progress.total
            self._done += 1
            self._bar = self._bar or self._utils.ProgressBar(total)
            shown = self._done % max(1, total // PREVIEWS) == 0
            self._bar.update_absolute(self._done, total, _thumbnail(progress) if shown else None)
        if self._management is not None:
            self._management.throw_exception_if_processing_interrupted()


def _thumbnail(progress: Progress) -> tuple[str, Any, int]:
    """A preview as ComfyUI's bar takes it: format, Pillow image, longest side."""
    from dreamsampler.images.save import as_pil

    assert progress.run is not None and progress.step is not None
    picture = (progress.run.preview(progress.step)[0].cpu() + 1) / 2
    return "JPEG", as_pil(picture.clamp(0, 1)), 512
