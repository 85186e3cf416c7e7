"""The nodes: a loader, one for each task, and one that saves vector graphics."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from dreamsampler.files import write_whole
from dreamsampler.interfaces.comfyui.host import NodeProgress, device, output_folder
from dreamsampler.interfaces.comfyui.tensors import image_of, masks_of, pictures_of
from dreamsampler.interfaces.comfyui.widgets import read_widgets, widgets
from dreamsampler.interfaces.comfyui.wires import connected, wires_of
from dreamsampler.interfaces.model_options import ModelOptions
from dreamsampler.tasks import Edit, Inpaint, Restore, Result, Task, Vectorize
from dreamsampler.tasks.options import options_of
from dreamsampler.tasks.result import tensors_of

MODEL = "DREAMSAMPLER_MODEL"
CATEGORY = "DreamSampler"


@final
class DreamSamplerLoader:
    """A model for the other nodes: in the package, an alias, a hub id, a folder or a file."""

    RETURN_TYPES = (MODEL,)
    RETURN_NAMES = ("model",)
    FUNCTION = "__call__"
    CATEGORY = CATEGORY
    DESCRIPTION = __doc__

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """ComfyUI's description of the inputs."""
        _, optional = widgets(ModelOptions)
        return {"required": {"model": optional.pop("model")}, "optional": optional}

    def __call__(self, **values: Any) -> tuple[Any]:
        """Load, on the device that ComfyUI uses unless another one is named."""
        options = ModelOptions(**read_widgets(ModelOptions, values))
        with torch.inference_mode(False):  # its weights take part in gradients
            options = replace(options, model=options.named, device=options.device or device())
            return (options.load(),)


class TaskNode:
    """A node that runs a task on every picture of a batch."""

    TASK: ClassVar[type[Task]]
    RETURN_TYPES: ClassVar[tuple[str, ...]] = ("IMAGE", "STRING")
    RETURN_NAMES: ClassVar[tuple[str, ...]] = ("image", "recipe")
    FUNCTION = "__call__"
    CATEGORY = CATEGORY
    DESCRIPTION: ClassVar[str | None]

    def __init_subclass__(cls) -> None:
        cls.DESCRIPTION = cls.__doc__

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """ComfyUI's description of the inputs: model and pictures by wire, all else by widget."""
        required, optional = widgets(cls.TASK)
        options = options_of(cls.TASK)
        wires: dict[str, Any] = {"model": (f"{MODEL},MODEL",)}
        more: dict[str, Any] = {"mask": ("MASK",)} if "mask_image" in options else {}
        more |= {name: (kind, {"tooltip": tip}) for name, (kind, tip) in wires_of(cls.TASK).items()}
        (wires if options["image"].required else more)["image"] = ("IMAGE",)
        return {"required": {**wires, **required}, "optional": {**more, **optional}}

    def __call__(
        self, model: Any, image: Tensor | None = None, mask: Tensor | None = None, **values: Any
    ) -> tuple[Any, ...]:
        """Run the task on every picture.

        Args:
            model: from the loader, or a MODEL of ComfyUI.
            image: an IMAGE; None where the task needs no picture.
            mask: a MASK, white where something may change; one for each picture or one for all,
                and of a single picture of Inpaint as many as there are holes.
            values: of the widgets; with a MODEL also vae and CONDITIONING.
        """
        with torch.inference_mode(False):  # ComfyUI's own mode forbids gradients
            wires = {name: values.pop(name, None) for name in wires_of(self.TASK)}
            options = read_widgets(self.TASK, values)
            model, prompts = connected(self.TASK, model, wires, options)
            options |= prompts
            pictures = self._pictures(image, mask, black=options.get("mask_mode") == "black")
            tasks = [_one_prompt(self.TASK(**options, **each)) for each in pictures]
            progress = NodeProgress(len(tasks))
            return self._outputs([task(model, progress=progress) for task in tasks])

    def _pictures(
        self, image: Tensor | None, mask: Tensor | None, black: bool
    ) -> list[dict[str, Any]]:
        """The options of each task that are pictures; a mask without white is none."""
        if image is None:
            return [{}]
        pictures = pictures_of(image.clone())
        found: list[dict[str, Any]] = [{"image": picture} for picture in pictures]
        if mask is None:
            return found
        several = options_of(self.TASK)["mask_image"].kind == "files"
        for own, masks in zip(found, masks_of(mask.clone(), pictures), strict=True):
            if not black and not any(each.rgb.any() for each in masks):
                continue
            if len(masks) > 1 and not several:
                raise ValueError(
                    f"{len(masks)} masks came for one image: pass one, or as many images"
                )
            own["mask_image"] = masks if several else masks[0]
        return found

    def _outputs(self, results: list[Result]) -> tuple[Any, ...]:
        """The pictures of all tasks as one IMAGE, and the recipes."""
        recipes = [result.recipe for result in results]
        text = json.dumps(recipes[0] if len(recipes) == 1 else recipes, ensure_ascii=False)
        return image_of([each for result in results for each in tensors_of(result.run)]), text


def _one_prompt(task: Task) -> Task:
    """A task of one hole with the lines of its prompt as one: people wrap long prompts."""
    if isinstance(task, Inpaint) and task.holes == 1:
        return replace(task, prompt=" ".join(task.prompt))
    return task


@final
class DreamSamplerEdit(TaskNode):
    """Change a picture towards a prompt, and keep what the prompt does not name."""

    TASK = Edit


@final
class DreamSamplerInpaint(TaskNode):
    """Paint what a prompt says into the white of a mask; every other pixel stays as it is."""

    TASK = Inpaint


@final
class DreamSamplerRestore(TaskNode):
    """Undo a known or guessed degradation of a picture: blur, low resolution, lost pixels, JPEG."""

    TASK = Restore


@final
class DreamSamplerVectorize(TaskNode):
    """Draw a picture (sharp or degraded), or a prompt, with few colored paths: SVG."""

    TASK = Vectorize
    RETURN_TYPES = ("STRING", "IMAGE", "STRING")
    RETURN_NAMES = ("svg", "image", "recipe")
    OUTPUT_IS_LIST = (True, False, False)

    def _outputs(self, results: list[Result]) -> tuple[Any, ...]:
        """The files with their recipes as text as well."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "drawing.svg"
            svgs = [result.save(path)[0].read_text(encoding="utf-8") for result in results]
        return svgs, *super()._outputs(results)


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
