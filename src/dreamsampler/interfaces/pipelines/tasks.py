"""A pipeline for each task that has one; its arguments are the options of the task."""

from __future__ import annotations

from typing import Any, final

from dreamsampler.interfaces.pipelines.pipeline import DreamSamplerPipeline
from dreamsampler.tasks import Edit, Inpaint, Restore


@final
class DreamSamplerEditPipeline(DreamSamplerPipeline):
    """Change a picture towards a prompt and keep the rest, called as diffusers' pipelines are.

    Example:
        >>> from PIL import Image
        >>> pipe = DreamSamplerEditPipeline.from_pretrained("iconic", device="cpu")
        >>> cat = Image.new("RGB", (128, 128), "orange")
        >>> made = pipe(prompt="dog face", image=cat, num_inference_steps=1)
        >>> made.images[0].size
        (128, 128)
    """

    TASK = Edit
    POSITIONAL = ("prompt", "image")


@final
class DreamSamplerInpaintPipeline(DreamSamplerPipeline):
    """Paint what a prompt says into the white of a mask; all else stays bit for bit.

    With `padding_mask_crop` it works on a window around the hole.

    Example:
        >>> from PIL import Image
        >>> pipe = DreamSamplerInpaintPipeline.from_pretrained("iconic", device="cpu")
        >>> cat, hole = Image.new("RGB", (128, 128), "orange"), Image.new("L", (128, 128))
        >>> hole.paste(255, (32, 32, 96, 96))
        >>> made = pipe(prompt="cat face", image=cat, mask_image=hole, num_inference_steps=1)
        >>> made.images[0].getpixel((0, 0))
        (255, 165, 0)
    """

    TASK = Inpaint
    POSITIONAL = ("prompt", "image", "mask_image")
    # a result has the size of its picture
    LEFT_OUT = (*DreamSamplerPipeline.LEFT_OUT, "crop", "expand", "mask_mode")

    def _options(self, given: dict[str, Any]) -> dict[str, Any]:
        """Arguments of a call as options of the task."""
        return {**given, "crop": given.get("padding_mask_crop") is not None}


@final
class DreamSamplerRestorePipeline(DreamSamplerPipeline):
    """Undo blur, low resolution, lost pixels or JPEG, called as diffusers' pipelines are.

    Example:
        >>> from PIL import Image
        >>> pipe = DreamSamplerRestorePipeline.from_pretrained("iconic", device="cpu")
        >>> small = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
        >>> made = pipe(image=small, operator="downsample(2)", num_inference_steps=1)
        >>> made.images[0].size
        (128, 128)
    """

    TASK = Restore
    POSITIONAL = ("image", "operator")
