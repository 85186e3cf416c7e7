"""One run of the task Inpaint: a picture and holes in, steps out, pictures at the end."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.files import InputError
from dreamsampler.guidance import shares
from dreamsampler.images.crop import Window, extent
from dreamsampler.images.fit import Fit
from dreamsampler.images.picture import Picture, composite, open_picture
from dreamsampler.images.seam import STEP, healed, jump, seam_width
from dreamsampler.images.tone import GAP
from dreamsampler.maths import Latent, generators
from dreamsampler.methods.inputs import InpaintInputs
from dreamsampler.models.familiar import warn_strange
from dreamsampler.models.prior import Condition, Inpainting, Prior
from dreamsampler.tasks.base import Run
from dreamsampler.tasks.controls import reader
from dreamsampler.tasks.inpaint.hole import filled, open_hole, own_hole, warn_unseen, widened
from dreamsampler.tasks.inpaint.options import InpaintOptions


@final
class InpaintRun(Run[InpaintOptions]):
    """An inpainting under way; made by `Inpaint.start`.

    Attributes:
        masks: one hole for each prompt, (1, h, w) in [0, 1] on the canvas; they sum to at most 1.
        mask: all holes, their sum.
        window: the part of the canvas that the model sees.
        inputs: what the method got.
        toned: whether colors of the painting are shifted to meet those around the hole.
    """

    def __init__(self, task: InpaintOptions, model: Prior) -> None:
        super().__init__(task, model, [task.seed + i for i in range(task.num_images)])
        self.source = open_picture(task.image)
        self.toned: bool = task.chosen.toned
        self._canvas, holes = _opened(task, self.source)
        self.masks: list[Tensor] = shares(holes)
        self.mask: Tensor = torch.stack(self.masks).sum(0).clamp(0, 1)
        if task.remove and bool((self.mask > 0).all()):
            raise InputError(
                "the mask covers the whole picture, so that nothing is left to fill it from: cover "
                "only what shall go (mask mode black turns a mask round)"
            )
        warn_unseen(self.canvas, self.mask)
        self.window = self._window()
        self._shown = self.window.cut(self.canvas.flat())
        self._hole = self.window.cut(self.mask)
        size_hw = (self.window.height, self.window.width)
        self.fit = Fit.to(size_hw, model.native_size, model.multiple, task.size)
        self._read = reader(model, self.fit, self.canvas.size, self.window)
        with self.timed("encode"), torch.no_grad():
            if not task.remove:
                warn_strange(model, 2 * self._shown[None] - 1, self.source.path)
            prompts = [""] if task.remove else list(task.prompt)
            prompts *= len(self.masks) if len(prompts) == 1 else 1
            self.inputs = InpaintInputs(
                model,
                self._shown,
                filled(self._shown, self._hole),
                [self.window.cut(mask) for mask in self.masks],
                prompts,
                [self._condition(prompt) for prompt in prompts],
                self._condition(task.negative_prompt),
                self.fit,
                generators(self.seeds),
            )
            self.begin(*task.start_method(self.inputs))

    @property
    def canvas(self) -> Picture:
        """The picture to be written, with its new canvas and before its holes are painted."""
        return self._canvas

    def _window(self) -> Window:
        if self.task.remove and not self.task.crop:
            return Window.around(self.mask, extent(self.mask), self.model.native_size)
        if not self.task.crop:
            return Window(0, 0, *self.canvas.size)
        return Window.around(self.mask, self.task.padding_mask_crop, self.model.native_size)

    @property
    def report(self) -> dict[str, Any]:
        """The share of the pixels that is painted; at the end, the mean step across its edge."""
        report: dict[str, Any] = {"painted": self.mask.mean().item()}
        if self._pictures is not None:
            report["edge"] = max(jump(each, self.mask) for each in self._pictures)
        return report

    def _condition(self, prompt: str | None) -> Condition:
        """A prompt; a network for inpainting is also shown the picture without its holes."""
        condition = self._read(prompt)
        if not isinstance(self.model, Inpainting) or not self.model.inpaints:
            return condition
        hole = self.fit.mask_to_latent(self._hole, 1, touched=True)
        return self.model.inpainting_condition(condition, self.fit.down(self._shown[None]), hole)

    def _decoded(self) -> list[Tensor]:
        assert self.last is not None
        return [self._assembled(z0) for z0 in self.last.z0.split(1)]

    def _assembled(self, z0: Latent) -> Tensor:
        """What was painted, healed along its edge, under the mask, in the window, in the canvas."""
        seen = self.inputs.toned(z0) if self.toned else self.model.decode(z0).clamp(-1, 1)
        painted, given = self.fit.up(seen)[0], self.task.feather
        width = seam_width((self.window.height, self.window.width)) if given is None else given
        step = GAP if self.toned else STEP
        met = healed(self._shown, painted.to(self._shown), self._hole, width, step)
        mixed = composite(self._shown, met, self._hole)
        flat = self.window.paste(self.canvas.flat(), mixed)
        return torch.where(self.mask == 0, self.canvas.rgb, self.canvas.unflat(flat))


def _opened(task: InpaintOptions, source: Picture) -> tuple[Picture, list[Tensor]]:
    """The canvas, and one hole for each mask, for the picture's own, and for what is around it."""
    holes = [open_hole(path, source, task.mask_mode) for path in task.masks]
    canvas = source
    if task.mask_mode == "alpha" and not holes:
        canvas, own = own_hole(source)
        holes = [own]
    if task.expand is None:
        return canvas, holes
    left, top, right, bottom = task.expand
    canvas, around = widened(canvas, task.expand)
    inner = [functional.pad(hole, (left, right, top, bottom)) for hole in holes]
    return canvas, [*inner, around]
