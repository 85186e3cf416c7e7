"""Restoration, called as diffusers' pipelines are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, final

from dreamsampler.interfaces.pipelines.pipeline import (
    Callback,
    DreamSamplerPipeline,
    Generators,
    OutputType,
    PipelineOutput,
)
from dreamsampler.tasks import Restore


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

    def __call__(
        self,
        image: Any,
        operator: Any,
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
        method: str = "default",
        adaptive_negation: bool = False,
        size: int | None = None,
    ) -> PipelineOutput | tuple[Any]:
        """Restore pictures; what is not named below is as in `DreamSamplerEditPipeline`.

        Args:
            image: degraded picture: Pillow image, array, tensor or path; a list or batch of them.
            operator: what was done to it, such as "blur(sigma=3)" or an operator object; `?` has a
                number found out.
            prompt: what the sharp picture shows, if that is known.
            negative_prompt: what it does not show.
            noise: standard deviation of its noise, as a share of white; "auto" measures it.
            num_inference_steps: noise levels to visit.
            guidance_scale: CFG weight of the prompt.
            num_images_per_prompt: how many restorations of each row.
            generator: see there, as are the following five.
            output_type: see there.
            return_dict: see there.
            callback_on_step_end: see there.
            callback_on_step_end_tensor_inputs: see there.
            method: `dreamsampler methods restore` lists them.
            adaptive_negation: of method treg: move the null prompt away from the estimate.
            size: longer side in the model, in pixels.

        Raises:
            ValueError: options that cannot be used, in one line.
        """
        return self._perform(Restore, locals())
