"""Editing, called as diffusers' image-to-image pipelines are."""

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
from dreamsampler.tasks import Edit


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

    def __call__(
        self,
        prompt: str | list[str],
        image: Any,
        *,
        source_prompt: str | list[str] | None = None,
        negative_prompt: str | list[str] | None = None,
        mask_image: Any = None,
        strength: float | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        num_images_per_prompt: int = 1,
        generator: Generators = None,
        output_type: OutputType = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        method: str = "default",
        source_guidance_scale: float | None = None,
        gamma: float | None = None,
        size: int | None = None,
        regularize: str | None = None,
    ) -> PipelineOutput | tuple[Any]:
        """Edit pictures; lists of prompts and pictures go together, row by row.

        Args:
            prompt: what the picture should show.
            image: Pillow image, array, tensor or path; a list or batch of them.
            source_prompt: what it shows now; naming it keeps more of the picture.
            negative_prompt: what it should not show.
            mask_image: white may change, black comes back bit for bit; of the picture's size.
            strength: 0 changes nothing, 1 starts from noise; None for the method's own.
            num_inference_steps: noise levels to visit.
            guidance_scale: CFG weight of the prompt.
            num_images_per_prompt: how many variations of each row.
            generator: one for all images, or a list with one per image; None for torch's own.
            output_type: "pil", "np" or "pt" at the size of the source; "latent".
            return_dict: False for a plain tuple.
            callback_on_step_end: (pipe, step, timestep, tensors) after each step; sets
                `pipe._interrupt = True` to stop and take what there is.
            callback_on_step_end_tensor_inputs: of latents (clean, after the step), noisy_latents,
                denoised (the model's own estimate).
            method: `dreamsampler methods edit` lists them.
            source_guidance_scale: CFG weight of the source prompt, such as of method flowedit.
            gamma: of method dreamsampler.
            size: longer side in the model, in pixels.
            regularize: what else the result should be, such as "symmetry".

        Raises:
            ValueError: options that cannot be used, in one line.
        """
        return self._perform(Edit, locals())
