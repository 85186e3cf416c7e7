"""Any diffusers pipeline as a family of one: its own call encodes prompts and asks its network."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.files import one_line
from dreamsampler.maths import Image, Latent, Level
from dreamsampler.models.driven.call import OpenCall, StandIn, same
from dreamsampler.models.driven.layout import Layout, learn_layout, pixel_layout
from dreamsampler.models.driven.learn import Learned, Slot, learn
from dreamsampler.models.driven.levels import levels_of
from dreamsampler.models.driven.pipeline import FAILURES, PROBED, Pipeline
from dreamsampler.models.errors import ModelError
from dreamsampler.models.family import Family

_OPEN = 8
"""Calls that are kept open."""
_STEPS = (1000, 50, 4)
"""Times of a call, the first that its scheduler takes; then it is opened anew."""


@final
@dataclass(frozen=True, eq=False)
class CallCondition:
    """A prompt, and what else a pipeline's call is given under it.

    Args:
        guidance_scale: of a network with an input for it.
    """

    prompt: str
    call: Mapping[str, Any] = field(default_factory=dict)
    guidance_scale: float | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CallCondition) and same(vars(self), vars(other))

    def __hash__(self) -> int:
        return hash((self.prompt, self.guidance_scale))

    def to(self, device: torch.device, dtype: torch.dtype) -> CallCondition:
        """The same: the pipeline moves what it needs."""
        del device, dtype
        return self


@final
class DrivenFamily(Family):
    """A diffusers pipeline of any class as a family of one.

        output = what its loop passes to scheduler.step, asked for z at a level

    What differs between pipelines is learned from calls with a stubbed network (`learn`,
    `learn_layout`) and from the scheduler (`levels_of`).

    Args:
        call: arguments of its call that hold for every prompt.

    Raises:
        ModelError: a pipeline that cannot be driven, and why.
    """

    title = "a diffusers pipeline"
    casts = True
    pipelines = ()

    def __init__(self, pipe: Any, call: Mapping[str, Any]) -> None:
        self.pipeline = Pipeline(pipe, call)
        try:
            self._learn(pipe.scheduler)
        except ModelError:
            raise
        except FAILURES as error:  # of the pipeline's code
            raise self.pipeline.refused(one_line(error)) from error

    def _learn(self, scheduler: Any) -> None:
        """All that differs between pipelines."""
        self.learned: Learned = learn(self.pipeline)
        self.guidance, self.default_scale = self.learned.guidance, self.learned.default_scale
        self.guides_itself, self.references = self.pipeline.guides_itself, self.pipeline.references
        self.rows = self.learned.rows
        self.tokenizers: dict[str, Any] = {}
        self._layouts: dict[tuple[int, int], Layout] = {}
        self._calls: OrderedDict[Any, tuple[Any, OpenCall]] = OrderedDict()
        self._steps = _STEPS
        weakref.finalize(self, _close, self._calls)
        self.factor, self.latent_channels, self.cells, self.native_cells = self._learn_sizes()
        self.levels = levels_of(scheduler, (self.native_cells // self.cells) ** 2)
        self.schedule, self.target = self.levels.schedule, self.levels.target

    @property
    def network(self) -> Any:
        """The denoiser."""
        return self.pipeline.part(self.pipeline.denoiser)

    @property
    def encoders(self) -> dict[str, Any]:
        """All other networks of the pipeline but its autoencoder."""
        apart = (self.pipeline.denoiser, self.pipeline.autoencoder)
        return {n: m for n, m in self.pipeline.modules.items() if n not in apart}

    @property
    def controls(self) -> dict[str, Any]:
        """The pictures of what lies where in its call."""
        return {n: self.pipeline.call[n] for n in self.pipeline.controls if n in self.pipeline.call}

    @property
    def inpaints(self) -> bool:
        """Whether the network has channels for a picture and its mask."""
        config = self.network.config
        inputs, outputs = config.get("in_channels"), config.get("out_channels")
        return "mask_image" in self.pipeline.parameters and (inputs or 0) > (outputs or inputs or 0)

    def inpainting_condition(self, condition: CallCondition, x: Image, mask: Tensor) -> Any:
        """A condition with the known part of a picture, as the pipeline's call takes it."""
        pictures = {"image": (x.clamp(-1, 1) + 1) / 2, "mask_image": mask}
        return replace(condition, call={**condition.call, **pictures})

    def encode_prompt(self, prompt: str, **call: Any) -> tuple[Any, None]:
        """A condition; the pipeline encodes the prompt itself when it is asked."""
        if prompt and ("prompt" not in self.pipeline.parameters):
            raise ModelError(f"{self.pipeline.name} takes no prompt: leave it out")
        if prompt and "prompt_embeds" in {**self.pipeline.call, **call}:
            raise ModelError("prompt_embeds takes the place of the prompt: leave the prompt out")
        self.pipeline.check(call)
        if self.pipeline.needs_reference and "image" not in call:
            kind, hint = "needs a picture", ""
            if self.references:
                kind, hint = "edits a reference picture", ", or edit with method='instruct'"
            raise ModelError(f"{self.pipeline.name} {kind}: pass image= to from_pipe{hint}")
        return CallCondition(prompt, call), None

    def batch(
        self, conditions: Sequence[Any], rows: Sequence[int], *where: Any
    ) -> list[tuple[CallCondition, int]]:
        """The conditions, each with its number of rows."""
        del where
        return list(zip(conditions, rows, strict=True))

    def forward(self, z: Latent, level: Level, inputs: Any) -> Tensor:
        """What the pipeline's loop passes to its scheduler, in the layout of z."""
        layout = self.layout(z.shape[2], z.shape[3])
        scalings = self.levels.scalings(level) if self.levels.scalings else None
        scale = self.levels.scale * (scalings[0] if scalings else 1.0)
        looped = layout.to_loop(z) * scale if scale != 1 else layout.to_loop(z)
        outputs, start = [], 0
        for group in self._groups(inputs):
            count = sum(rows for _, rows in group)
            output = self._answered(
                group, (z.shape[2], z.shape[3]), looped[start : start + count], level
            )
            outputs.append(layout.from_loop(output.to(z.device)))
            start += count
        output = torch.cat(outputs) if len(outputs) > 1 else outputs[0]
        if scalings:
            return scalings[1] * z + scalings[2] * output.to(z)
        return output if self.levels.scale == 1 else output / self.levels.scale

    def _answered(
        self,
        group: list[tuple[CallCondition, int]],
        cells: tuple[int, int],
        looped: Tensor,
        level: Level,
    ) -> Tensor:
        """The output for some conditions, by their open call."""
        call, answers = self._open(group, cells)
        device = call.sample.device
        time = torch.tensor(self._time(call, level), device=device)
        try:
            return call.ask(looped.to(call.sample), time, **answers)[0]
        except (LookupError, TypeError, AttributeError) as error:
            raise self.pipeline.refused(one_line(error)) from error
        except RuntimeError:
            if call.steps > 1 or not self.pipeline.stubbed:
                raise
        # the network keeps something of its first step (a cache), which a stub does not
        self.pipeline.stubbed = False
        call, answers = self._open(group, cells)
        return call.ask(looped.to(call.sample), time, **answers)[0]

    def _time(self, call: OpenCall, level: Level) -> float | int:
        """A level as the loop of an open call counts it."""
        usual = self.levels.time(level)
        return call.time_of(level.flow, usual) if self.levels.target == "flow" else usual

    def layout(self, height: int, width: int) -> Layout:
        """How latents of so many cells lie in the loop."""
        known = self._layouts.get((height, width))
        if known is None:
            known = self._learn_layout((height * self.factor, width * self.factor))
            if known.code != (self.latent_channels, height, width):
                raise self._wrong_size((height, width), known.code[1:])
            self._layouts[height, width] = known
        return known

    def _wrong_size(self, cells: tuple[int, int], made: tuple[int, int]) -> ModelError:
        """The error of a size that the pipeline does not work at; names one that it keeps."""
        for _ in range(8):  # it may change a picture of the size that it makes
            made = self._learn_layout((made[0] * self.factor, made[1] * self.factor)).code[1:]
        height, width = (n * self.factor for n in cells)
        also = f", or one that is a multiple of {self.factor * self.cells}"
        return ModelError(
            f"{self.pipeline.name} works at {made[1] * self.factor} x {made[0] * self.factor} "
            f"pixels, not at {width} x {height}: pass a picture of that size"
            + also
            * (self.pipeline.probed is not None)
        )

    def _groups(self, inputs: list[tuple[CallCondition, int]]) -> list[Any]:
        """Conditions by calls: all in one where the pipeline takes lists and they agree."""
        first = inputs[0][0]
        alike = all(
            c.guidance_scale == first.guidance_scale and same(dict(c.call), dict(first.call))
            for c, _ in inputs
        )
        if self.learned.batches and alike and (len(inputs) == 1 or self.learned.null_fits):
            return [inputs]
        if self.learned.batches:
            return [[pair] for pair in inputs]
        return [[(condition, 1)] for condition, rows in inputs for _ in range(rows)]

    def _open(
        self, group: list[tuple[CallCondition, int]], cells: tuple[int, int]
    ) -> tuple[OpenCall, dict[str, Any]]:
        """The open call of some conditions, and who answers for its network."""
        key = (threading.get_ident(), cells, *((id(c), rows) for c, rows in group))
        entry = self._calls.get(key)
        if entry is not None and (entry[1].ended or entry[1].steps >= entry[1].length - 1):
            entry[1].close()
            entry = None
        if entry is None:
            entry = (group, self._opened(group, cells))
            self._calls[key] = entry
            if len(self._calls) > _OPEN:
                self._calls.popitem(last=False)[1][1].close()
        self._calls.move_to_end(key)
        nulls = [
            not c.prompt and "prompt_embeds" not in c.call for c, rows in group for _ in range(rows)
        ]
        if not self.learned.null or not any(nulls):
            return entry[1], {}
        rows, made = torch.tensor(nulls), {}
        for name, module in self.pipeline.networks.items():
            answer = partial(_with_null, module, self.learned.null, rows)
            made[name] = StandIn(module, {"__call__": answer})
        return entry[1], made

    def _opened(self, group: list[tuple[CallCondition, int]], cells: tuple[int, int]) -> OpenCall:
        prompts = [c.prompt for c, rows in group for _ in range(rows)]
        first, more = group[0][0], {}
        if first.guidance_scale is not None and self.learned.scale is not None:
            more = {self.learned.scale: first.guidance_scale}
        size = (cells[0] * self.factor, cells[1] * self.factor)
        for steps in self._steps:
            arguments = self.pipeline.arguments(prompts, size, steps, {**more, **first.call})
            try:
                call = self.pipeline.open(arguments)
            except ModelError:
                if steps == self._steps[-1]:
                    raise
                continue
            self._steps = (steps,)
            return call
        raise AssertionError("unreachable")

    def _learn_layout(self, size: tuple[int, int] | None) -> Layout:
        arguments = self.pipeline.arguments([""], size, 2)
        call = self.pipeline.open(arguments)
        loop = tuple(call.sample.shape[1:])
        call.close()
        if self.pipeline.autoencoder is None:
            if len(loop) != 3 or loop[0] != 3:
                raise self.pipeline.refused(f"it has no autoencoder, and latents of {loop}")
            return pixel_layout(loop)
        try:
            return learn_layout(loop, lambda row: self.pipeline.decoded(arguments, row))
        except ModelError as error:
            raise self.pipeline.refused(one_line(error)) from None

    def _learn_sizes(self) -> tuple[int, int, int, int]:
        """(factor, channels, cells, native cells)."""
        pipeline = self.pipeline
        fixed = pipeline.probed is None
        probed = self._learn_layout(pipeline.probed)
        channels, rows, _ = probed.code
        self._spatial = len(probed.loop) > 2
        factor = PROBED // rows
        if fixed:
            vae = pipeline.autoencoder and pipeline.part(pipeline.autoencoder)
            factor = 2 ** (len(vae.config.block_out_channels) - 1) if vae else 1
        if fixed or pipeline.autoencoder is None:
            return factor, channels, self._depth(), rows
        taken = (n for n in (1, 2, 4, 8, 16) if self._takes(PROBED + n * factor, factor))
        cells = next(taken, 0)
        if not cells:
            raise pipeline.refused("its call does not make pictures of the size that is asked for")
        try:
            native = pipeline.decoded(pipeline.arguments([""], None, 2), None).shape[-2]
        except ModelError:
            native = 512 // factor
        return factor, channels, max(cells, self._depth()), native

    def _depth(self) -> int:
        """Cells that a UNet halves, or a transformer takes as one, without a remainder."""
        config = self.network.config
        if widths := config.get("block_out_channels"):
            return 2 ** (len(widths) - 1)
        patch = config.get("patch_size")
        return patch if isinstance(patch, int) and self._spatial else 1

    def _takes(self, height: int, factor: int) -> bool:
        """Whether a call makes pictures of a height, and not of one near it."""
        try:
            arguments = self.pipeline.arguments([""], (height, PROBED), 2)
            return self.pipeline.decoded(arguments, None).shape[-2] * factor == height
        except (ModelError, RuntimeError):
            return False


def _close(calls: Mapping[Any, tuple[Any, OpenCall]]) -> None:
    """Close open calls, whose threads would keep the networks in memory."""
    for _, call in calls.values():
        call.close()


def _with_null(real: Any, null: Slot, rows: Tensor, *args: Any, **kwargs: Any) -> Any:
    """A network's output, some of its rows under other inputs."""
    changed: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}
    for path, value in null.items():
        if path[0] not in changed:  # a control network may have less
            continue
        holder = changed
        for name in path[:-1]:
            holder[name] = dict(holder[name])
            holder = holder[name]
        given = holder[path[-1]]
        if bool(rows.all()):
            new = value * len(rows) if isinstance(value, list) else _repeated(value, len(rows))
        else:
            mask = rows.to(given.device).view(-1, *[1] * (given.ndim - 1))
            new = torch.where(mask, value.to(given), given)
        holder[path[-1]] = new
    return real(*(changed[n] for n in range(len(args))), **{n: changed[n] for n in kwargs})


def _repeated(value: Tensor, rows: int) -> Tensor:
    return value.expand(rows, *value.shape[1:]) if value.ndim else value
