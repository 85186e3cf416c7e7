"""Inpainting, called as diffusers' inpainting pipelines are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from dreamsampler.interfaces.pipelines.pipeline import (
    Callback,
    DreamSamplerPipeline,
    Generators,
    OutputType,
    PipelineOutput,
)
from dreamsampler.tasks import Inpaint


@final
class DreamSamplerInpaintPipeline(DreamSamplerPipeline):
    """Paint what a prompt says into the white of a mask; all else stays bit for bit.

    Example:
        >>> from PIL import Image
        >>> pipe = DreamSamplerInpaintPipeline.from_pretrained("iconic", device="cpu")
        >>> cat, hole = Image.new("RGB", (128, 128), "orange"), Image.new("L", (128, 128))
        >>> hole.paste(255, (32, 32, 96, 96))
        >>> made = pipe(prompt="cat face", image=cat, mask_image=hole, num_inference_steps=1)
        >>> made.images[0].getpixel((0, 0))
        (255, 165, 0)
    """

    def __call__(
        self,
        prompt: str | list[str],
        image: Any,
        mask_image: Any,
        *,
        negative_prompt: str | list[str] | None = None,
        padding_mask_crop: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        num_images_per_prompt: int = 1,
        generator: Generators = None,
        output_type: OutputType = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        method: str = "default",
        feather: float | None = None,
        size: int | None = None,
    ) -> PipelineOutput | tuple[Any]:
        """Inpaint pictures; what is not named below is as in `DreamSamplerEditPipeline`.

        Args:
            prompt: what the whole picture should show in the end.
            image: Pillow image, array, tensor or path; a list or batch of them.
            mask_image: white is painted, black stays, gray is painted in part.
            negative_prompt: what it should not show.
            padding_mask_crop: work on a window around the hole, with so many pixels around it.
            num_inference_steps: noise levels to visit.
            guidance_scale: CFG weight of the prompt.
            num_images_per_prompt: how many variations of each row.
            generator: see there, as are the following five.
            output_type: see there.
            return_dict: see there.
            callback_on_step_end: see there.
            callback_on_step_end_tensor_inputs: see there.
            method: `dreamsampler methods inpaint` lists them.
            feather: pixels over which the painting meets the colors along the hole's edge.
            size: longer side in the model, in pixels.

        Raises:
            ValueError: options that cannot be used, in one line.
        """
        return self._perform(Inpaint, {**locals(), "crop": padding_mask_crop is not None})
