"""Restoration, called as diffusers' pipelines are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, final

from dreamsampler.interfaces.pipelines.output import OutputType, PipelineOutput
from dreamsampler.interfaces.pipelines.pipeline import (
    Callback,
    DreamSamplerPipeline,
    Generators,
    Wanted,
)
from dreamsampler.tasks.restore.task import Restore, RestorePreset


@final
class DreamSamplerRestorePipeline(DreamSamplerPipeline):
    """Undo blur, low resolution, lost pixels or JPEG, with diffusers' manners.

    Example:
        >>> from PIL import Image
        >>> pipe = DreamSamplerRestorePipeline.from_pretrained("iconic", device="cpu")
        >>> small = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
        >>> made = pipe(image=small, operator="downsample(2)", num_inference_steps=1)
        >>> made.images[0].size
        (128, 128)
    """

    def __call__(
        self,
        image: Any,
        operator: str,
        *,
        prompt: str | list[str] | None = None,
        negative_prompt: str | list[str] | None = None,
        noise: float | Literal["auto"] = "auto",
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        num_images_per_prompt: int = 1,
        generator: Generators = None,
        output_type: OutputType = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        preset: RestorePreset = "default",
        size: int | None = None,
    ) -> PipelineOutput | tuple[Any]:
        """Restore pictures; lists of prompts and pictures go together, row by row.

        Args:
            image: degraded picture: Pillow image, array, tensor or path; a list or batch of them.
            operator: what was done to it, such as "blur(sigma=3)"; `?` has a number found out.
            prompt: what the sharp picture shows, if that is known.
            negative_prompt: what it does not show.
            noise: standard deviation of its noise, as a share of white; "auto" measures it.
            num_inference_steps: noise levels to visit.
            guidance_scale: CFG weight of the prompt.
            num_images_per_prompt: how many restorations of each row.
            generator: see `DreamSamplerEditPipeline`, as are the following ones.
            output_type: "pil", "np", "pt" or "latent".
            return_dict: False for a plain tuple.
            callback_on_step_end: called after each step.
            callback_on_step_end_tensor_inputs: what it is shown.
            preset: default, treg, flowdps, dps, psld or paper.
            size: longer side in the model, in pixels.

        Raises:
            ValueError: options that cannot be meant, in one line.
        """
        rows = {"prompt": prompt, "image": image, "negative_prompt": negative_prompt}
        task = Restore(
            "image",
            operator,
            noise,
            preset=preset,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            size=size,
        )
        watched = (callback_on_step_end, callback_on_step_end_tensor_inputs)
        wanted = Wanted(num_images_per_prompt, generator, output_type, return_dict, *watched)
        return self._perform(task, rows, wanted)
