"""One run of the task Restore: a measured picture in, steps out, restored pictures at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, final

import torch
from torch import Tensor

from dreamsampler.files import InputError
from dreamsampler.images.fit import Fit
from dreamsampler.images.picture import Picture, open_picture
from dreamsampler.maths import Image, Latent, Step, generators
from dreamsampler.methods.inputs import Axes, RestoreInputs
from dreamsampler.methods.restore.dpir import noise_alone
from dreamsampler.models.familiar import warn_strange
from dreamsampler.models.prior import Prior, preview_of
from dreamsampler.operators import Mask, Operator, is_linear
from dreamsampler.operators.fit import fit_parameters, guess_parameters
from dreamsampler.operators.spec import Description
from dreamsampler.regularizers.measurement import Measurement
from dreamsampler.tasks.base import Run
from dreamsampler.tasks.controls import reader
from dreamsampler.tasks.data_consistency import (
    BELIEF,
    ROUGH,
    DataConsistency,
    closed,
    explained,
    first_guess,
    guessable,
    kept,
    measurement_of,
    noise_of,
    steadied,
)
from dreamsampler.tasks.restore.options import RestoreOptions

FAINT = 0.01
"""Noise that `auto` does not take off a picture with holes: fine texture measures as much, and the
pixels that are there shall stay."""
SMALL, QUICK = 512, 40
"""Pixels along the longer side above which noise and blur do not show at the size that the model of
drawings knows, and steps of a first guess of smaller pictures."""
BRIEF = 24
"""Steps of the first guess for a model of pixels, which takes any that is rough (measured: the same
to 0.02 dB as after 120, also where 80 % of the pixels are lost)."""
REFIT = 3
"""Levels between two fits of the unknown numbers of an operator; none on the mirror image."""
SPREAD_WHITES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Deviations over the samples that the picture of the spread may show as white."""


def measure(task: RestoreOptions, source: Picture) -> tuple[Description, Operator, Tensor, float]:
    """The operator with its unknown numbers guessed, and built; the measurement; its noise."""
    described, size_hw, depth = (
        task.description,
        task.description.input_size(source.size),
        source.depth,
    )
    if described.unknown:
        flat = source.flat()[None]
        described = guess_parameters(described, flat, noise_of(flat, task.noise, depth))
    op = described.build(size_hw)
    y = measurement_of(source, op, size_hw)
    seen = op.A(y.new_ones(1, 3, *size_hw)) > 0.5
    noise = noise_of(y, task.noise, depth, seen.to(y))
    if isinstance(op, Mask) and task.noise == "auto" and noise < FAINT:
        noise = noise_of(y, 0.0, depth)
    return described, op, y, noise


def _check_steps(steps: int | None) -> None:
    """Refuse steps where there is one evaluation; InputError."""
    if steps not in (None, 1):
        raise InputError(
            f"num_inference_steps is {steps}, but a model of pixels takes noise alone off in one "
            "step: leave it out"
        )


def shown(task: RestoreOptions) -> Image:
    """The picture about as it was, in [-1, 1], for the choice of a model that knows it."""
    with torch.no_grad():
        source = open_picture(task.image)
        _, op, y, noise = measure(task, source)
        data = Measurement(op, y, noise, torch.clone, torch.clone)
        small = max(data.size) <= SMALL
        guess = (
            first_guess(data, QUICK) if small or not is_linear(op) else data.adjoint_mean(y.mean())
        )
        return 2 * guess - 1


@final
class RestoreRun(Run[RestoreOptions]):
    """A restoration under way; made by `Restore.start`.

    Attributes:
        described: the operator, with what has been fitted so far in it.
        data: operator, measurement and noise, as they are known by now.
        guess: the first guess, (1, 3, h, w) in [0, 1]; no model took part in it.
        inputs: what the method got, and what it leaves behind.
    """

    def __init__(self, task: RestoreOptions, model: Prior) -> None:
        super().__init__(task, model, [task.seed + i for i in range(task.num_images)])
        self.source = open_picture(task.image)
        with self.timed("encode"), torch.no_grad():
            self.described, op, y, noise = measure(task, self.source)
            rows = y.expand(len(self.seeds), -1, -1, -1)
            self.data = Measurement(op, rows, noise, self._show, self._hide)
            one = self.data.of_row(0)
            direct = model.factor == 1 and noise_alone(one.op)  # needs no guess
            if direct and task.num_images == 1 and task.chosen.name in ("default", "dpir"):
                _check_steps(task.num_inference_steps)
            guess = (
                partial(first_guess, one, BRIEF) if model.factor == 1 else partial(first_guess, one)
            )
            self.guess = one.y if direct else guess()
            warn_strange(model, 2 * self.guess - 1, self.source.path)
            self.fit = Fit.to(self.data.size, model.native_size, model.multiple, task.size)
            # what the model is too small to see; nothing at its own size
            self._fine = self.guess - self.fit.up(self.fit.down(self.guess))
            self.inputs = self._inputs()
            self.begin(*task.start_method(self.inputs))

    def _show(self, z: Latent, axes: Axes = ()) -> Tensor:
        """Latent to picture in [0, 1] at full size; not clamped, so that gradients live."""
        return self.fit.up(self.model.decode(z), clamp=False).flip(axes) + self._fine

    def _hide(self, x: Tensor, axes: Axes = ()) -> Latent:
        return self.model.encode(self.fit.down(x.flip(axes)))

    def _inputs(self) -> RestoreInputs:
        """What the method gets."""
        task, model = self.task, self.model
        prompted = bool((task.prompt or "").strip())
        read = reader(model, self.fit, self.data.size)

        def view(axes: Axes) -> Measurement:
            show, hide = partial(self._show, axes=axes), partial(self._hide, axes=axes)
            return replace(self.data, decode=show, encode=hide)

        return RestoreInputs(
            model,
            self.data,
            self.guess,
            read(task.prompt) if prompted else None,
            read(task.negative_prompt),
            generators(self.seeds),
            view,
            coarse=guessable(self.data.op, self.data.size),
        )

    def _axes(self, step: Step) -> Axes:
        """Axes along which the latent of a step is that of the mirror image."""
        return self.inputs.axes[step.index] if self.inputs.axes else ()

    def __iter__(self) -> Iterator[Step]:
        """The steps; numbers of the operator that are unknown are fitted between them."""
        for step in super().__iter__():
            due = step.index % REFIT == REFIT - 1
            # a model may know less of the mirror image than of the picture
            if self.task.description.unknown and due and not self._axes(step):
                with torch.no_grad(), self.timed("fit"):
                    self._refit(self._show(step.estimate.z0).clamp(0, 1))
            yield step

    def _refit(self, x: Tensor) -> None:
        known = [dict(step.values) for step in self.described.steps]
        unknown = [dict(step.values) for step in self.task.description.steps]
        near = [
            float(old[name])  # type: ignore[arg-type]  # what was unknown is a number now
            for old, new in zip(known, unknown, strict=True)
            for name, value in new.items()
            if value is None
        ]
        self.described = fit_parameters(self.task.description, self.data.y, x, near=near)
        op = self.described.build(self.data.size)
        for view in (self.data, *self.inputs.views):
            view.op = op

    def preview(self, step: Step) -> Image:
        """What a step's clean latent looks like, in [-1, 1] at the model's size."""
        return preview_of(self.model, step.z0).flip(self._axes(step))

    def _decoded(self) -> list[Tensor]:
        assert self.last is not None
        one, mean, belief = self.data.of_row(0), self.inputs.mean, ROUGH
        if mean is None:
            found = self._show(self.last.z0)
        else:
            found, belief = mean.mean, BELIEF
            found = steadied(found, self.guess) if self.inputs.coarse else found
        if self.inputs.balanced:
            return [kept(one, explained(one, x))[0] for x in found.split(1)]
        return [kept(one, closed(one, x, belief=belief))[0] for x in found.split(1)]

    @cached_property
    def alpha(self) -> Tensor | None:
        """The transparency, (1, h, w): its `first_guess`, as models know none; None if opaque."""
        if self.source.alpha is None:
            return None
        op, size_hw = self.data.op, self.data.size
        measured = self.source.alpha * op.A(torch.ones(1, 3, *size_hw))
        found = first_guess(replace(self.data.of_row(0), op=op, y=measured))
        return found[0].mean(0, keepdim=True)

    def mean(self) -> Tensor:
        """The mean of the samples, (3, h, w)."""
        return torch.stack(self.pictures()).mean(0)

    def spread(self) -> Tensor:
        """Deviation over the samples, root mean square over the colors, (1, h, w)."""
        pictures = torch.stack(self.pictures())
        return pictures.var(0, unbiased=True).mean(0, keepdim=True).sqrt()

    def _white(self) -> float:
        """The deviation that is shown as white: one in two hundred pixels may exceed it."""
        most = float(self.spread().flatten().quantile(0.995))
        return next((white for white in SPREAD_WHITES if white >= most), SPREAD_WHITES[-1])

    @property
    def report(self) -> dict[str, Any]:
        """How well the measurement is explained, of several samples by their mean.

        Keys noise, residual, residual_expected, warning if the two are far apart, operator if it
        had unknowns, and of several samples spread (mean deviation) and spread_white (the deviation
        shown as white in OUT-spread: of `SPREAD_WHITES` the first that few pixels exceed).
        """
        consistency = DataConsistency.of(self.data.of_row(0), self.mean()[None])
        report = consistency.summary()
        least = noise_of(self.data.y, 0.0, self.source.depth)
        if self.task.noise == "auto" and self.data.noise <= least:
            report.setdefault("note", "no noise was found")
        if self.task.description.unknown:
            report["operator"] = str(self.described)
        if len(self.seeds) > 1:
            report["spread"] = round(float(self.spread().mean()), 5)
            report["spread_white"] = self._white()
        return report

    def files(self) -> list[tuple[Tensor, Picture, dict[str, Any]]]:
        """The pictures; of several also their mean and spread."""
        found = super().files()
        if len(found) > 1:
            white = self._white()
            shown = (self.spread() / white).clamp(0, 1).expand(3, -1, -1)
            found += [(self.mean(), self.source, {"shows": "mean"})]
            found += [(shown, self.source, {"shows": "spread", "white": white})]
        return [self._under_alpha(x, more) for x, _, more in found]

    def _under_alpha(
        self, flat: Tensor, more: dict[str, Any]
    ) -> tuple[Tensor, Picture, dict[str, Any]]:
        """A file; the picture of the spread is opaque."""
        alpha = None if more.get("shows") == "spread" else self.alpha
        like = replace(self.source, rgb=flat, alpha=alpha)
        return like.unflat(flat, self.source.ground), like, more
