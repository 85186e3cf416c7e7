"""The nodes: a loader, one for each task, and one that saves vector graphics."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import MISSING, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.files import numbered, write_whole
from dreamsampler.images.picture import Picture
from dreamsampler.interfaces.cli.command import Where
from dreamsampler.interfaces.comfyui.host import Watch, device, output_folder
from dreamsampler.interfaces.comfyui.tensors import image_of, masks_of, pictures_of
from dreamsampler.interfaces.comfyui.widgets import filled, widgets
from dreamsampler.tasks import Edit, Inpaint, Restore, Vectorize
from dreamsampler.tasks.base import Run
from dreamsampler.tasks.recipe import make_recipe

PRIOR = "DREAMSAMPLER_PRIOR"
CATEGORY = "DreamSampler"


@final
class DreamSamplerLoader:
    """A model for the other nodes: in the package, an alias, a hub id, a folder or a file."""

    RETURN_TYPES = (PRIOR,)
    RETURN_NAMES = ("prior",)
    FUNCTION = "__call__"
    CATEGORY = CATEGORY
    DESCRIPTION = __doc__

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """ComfyUI's description of the inputs."""
        _, optional = widgets(Where)
        return {"required": {"model": optional.pop("model")}, "optional": optional}

    def __call__(self, **said: Any) -> tuple[Any]:
        """Load, on the device that ComfyUI uses unless another one is named."""
        where = Where(**filled(Where, said))
        with torch.inference_mode(False):  # its weights take part in gradients
            return (replace(where, device=where.device or device()).load(),)


def _inputs(task: Any, *, mask: bool = False) -> dict[str, Any]:
    """The inputs of a task's node: its model and pictures by wire, all else by widget.

    Args:
        task: the dataclass.
        mask: whether it takes masks.
    """
    required, optional = widgets(task)
    wires: dict[str, Any] = {"prior": (PRIOR,)}
    more: dict[str, Any] = {"mask": ("MASK",)} if mask else {}
    needed = next(f for f in fields(task) if f.name == "image").default is MISSING
    (wires if needed else more)["image"] = ("IMAGE",)
    return {"required": {**wires, **required}, "optional": {**more, **optional}}


def _performed(
    task: type, prior: Any, image: Tensor | None, said: dict[str, Any], *, several: bool = False
) -> tuple[list[Run], list[dict[str, Any]]]:
    """The finished runs of a node, one a picture, and their recipes.

    Args:
        task: the dataclass.
        prior: the model.
        image: an IMAGE; None where the task can do without.
        said: what the widgets say, and a MASK if there is one.
        several: whether the task takes several masks of one picture.
    """
    with torch.inference_mode(False):  # ComfyUI's own mode forbids gradients
        pictures = [None] if image is None else pictures_of(image.clone())
        mask = said.pop("mask", None)
        masks = [[]] * len(pictures) if mask is None else masks_of(mask.clone(), len(pictures))
        options = filled(task, said)
        runs: list[Run] = []
        watch: Watch | None = None
        for picture, own in zip(pictures, masks, strict=True):
            asked, held = _asked(task, options, picture, own, several)
            asked.check()
            run = asked.start(prior, held)
            watch = Watch(run.total * len(pictures)) if watch is None else watch
            watch.follow(run)
            run.pictures()
            runs.append(run)
        return runs, [make_recipe(run.task, run, prior, {}) for run in runs]  # type: ignore[attr-defined]


def _asked(
    task: type,
    options: dict[str, Any],
    picture: Picture | None,
    masks: Sequence[Picture],
    several: bool,
) -> tuple[Any, dict[str, Picture]]:
    """A task on pictures in memory, and these."""
    if picture is None:
        return task(**options), {}
    held = {"image": picture, **{f"mask-{i}": each for i, each in enumerate(masks)}}
    names = list(held)[1:]
    if len(names) > 1 and not several:
        raise ValueError(f"{len(names)} masks came for one image: pass one, or as many images")
    if not names:
        return task(image="image", **options), held
    return task(image="image", mask_image=tuple(names) if several else names[0], **options), held


def _pictures(runs: list[Run]) -> Tensor:
    with torch.inference_mode(False):
        return image_of([picture for run in runs for picture in run.pictures()])


def _told(recipes: list[dict[str, Any]]) -> str:
    return json.dumps(recipes[0] if len(recipes) == 1 else recipes, ensure_ascii=False)


@final
class DreamSamplerEdit:
    """Change a picture towards a prompt, and keep what the prompt does not ask for."""

    RETURN_TYPES = ("IMAGE", "STRING")
    RETURN_NAMES = ("image", "recipe")
    FUNCTION = "__call__"
    CATEGORY = CATEGORY
    DESCRIPTION = __doc__

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """ComfyUI's description of the inputs; a mask is white where something may change."""
        return _inputs(Edit, mask=True)

    def __call__(self, prior: Any, image: Tensor, **said: Any) -> tuple[Tensor, str]:
        """Edit every picture of the batch."""
        runs, recipes = _performed(Edit, prior, image, said)
        return _pictures(runs), _told(recipes)


@final
class DreamSamplerInpaint:
    """Paint what a prompt asks for into the white of a mask; every other pixel stays as it is."""

    RETURN_TYPES = ("IMAGE", "STRING")
    RETURN_NAMES = ("image", "recipe")
    FUNCTION = "__call__"
    CATEGORY = CATEGORY
    DESCRIPTION = __doc__

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """ComfyUI's description of the inputs; one prompt a line, for one mask each or for all."""
        return _inputs(Inpaint, mask=True)

    def __call__(self, prior: Any, image: Tensor, **said: Any) -> tuple[Tensor, str]:
        """Inpaint every picture of the batch; of a single one, every mask is a hole of its own."""
        runs, recipes = _performed(Inpaint, prior, image, said, several=True)
        return _pictures(runs), _told(recipes)


@final
class DreamSamplerRestore:
    """Undo a known or guessed degradation of a picture: blur, low resolution, lost pixels, JPEG."""

    RETURN_TYPES = ("IMAGE", "STRING")
    RETURN_NAMES = ("image", "recipe")
    FUNCTION = "__call__"
    CATEGORY = CATEGORY
    DESCRIPTION = __doc__

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """ComfyUI's description of the inputs."""
        return _inputs(Restore)

    def __call__(self, prior: Any, image: Tensor, **said: Any) -> tuple[Tensor, str]:
        """Restore every picture of the batch; the recipe's report says what is explained."""
        runs, recipes = _performed(Restore, prior, image, said)
        return _pictures(runs), _told(recipes)


@final
class DreamSamplerVectorize:
    """Draw a picture (sharp or degraded), or a prompt, with few colored paths: SVG."""

    RETURN_TYPES = ("STRING", "IMAGE", "STRING")
    RETURN_NAMES = ("svg", "image", "recipe")
    OUTPUT_IS_LIST = (True, False, False)
    FUNCTION = "__call__"
    CATEGORY = CATEGORY
    DESCRIPTION = __doc__

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """ComfyUI's description of the inputs."""
        return _inputs(Vectorize)

    def __call__(
        self, prior: Any, image: Tensor | None = None, **said: Any
    ) -> tuple[list[str], Tensor, str]:
        """Vectorize every picture of the batch; without one, draw the prompt."""
        runs, recipes = _performed(Vectorize, prior, image, said)
        with TemporaryDirectory() as folder:
            paths = numbered(Path(folder) / "drawn.svg", len(runs))
            for path, run, recipe in zip(paths, runs, recipes, strict=True):
                run.save(path, recipe)
            drawn = [path.read_text(encoding="utf-8") for path in paths]
        return drawn, _pictures(runs), _told(recipes)


@final
class DreamSamplerSaveSVG:
    """Save vector graphics into ComfyUI's output folder; older files are never replaced."""

    RETURN_TYPES = ()
    FUNCTION = "__call__"
    CATEGORY = CATEGORY
    OUTPUT_NODE = True
    DESCRIPTION = __doc__

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """ComfyUI's description of the inputs."""
        svg = ("STRING", {"forceInput": True})
        prefix = ("STRING", {"default": "drawing", "tooltip": "begins the names of the files"})
        return {"required": {"svg": svg, "filename_prefix": prefix}}

    def __call__(self, svg: str, filename_prefix: str) -> dict[str, Any]:
        """Write PREFIX_00001_.svg, or the next number that is free."""
        name = re.sub(r"[^\w \-]", "_", filename_prefix).strip() or "drawing"
        folder, number = output_folder(), 1
        while (path := folder / f"{name}_{number:05}_.svg").exists():
            number += 1
        write_whole(path, svg.encode())
        return {"ui": {"text": [path.name]}}


NODE_CLASS_MAPPINGS: dict[str, type] = {
    node.__name__: node
    for node in (
        DreamSamplerLoader,
        DreamSamplerEdit,
        DreamSamplerInpaint,
        DreamSamplerRestore,
        DreamSamplerVectorize,
        DreamSamplerSaveSVG,
    )
}
NODE_DISPLAY_NAME_MAPPINGS: dict[str, str] = {
    name: re.sub(r"DreamSampler(.+)", r"\1 (DreamSampler)", name) for name in NODE_CLASS_MAPPINGS
}
"""Edit (DreamSampler), ..."""
