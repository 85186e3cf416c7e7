"""Compares every driven pipeline of diffusers, built tiny, with its own run.

    python -m benchmarks.conformance [--jobs 2] [NAME ...]

Writes docs/conformance.md; with names it prints the rows of pipelines whose names begin so.
"""

from __future__ import annotations

import argparse
import copy
import inspect
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.conformance_page import CHECKS, PAGE, Row, page, short
from benchmarks.protocol import HERE
from dreamsampler import Edit
from dreamsampler.files import one_line
from dreamsampler.maths import Level
from dreamsampler.models.driven.arguments import _OURS
from dreamsampler.models.driven.codec import DrivenCodec
from dreamsampler.models.driven.family import DrivenFamily
from dreamsampler.models.errors import ModelError
from dreamsampler.models.libraries import quiet
from dreamsampler.models.network import NetworkPrior

STEPS = 4


@dataclass
class Recorded:
    """One step of a pipeline's own run.

    Args:
        output: what the loop passed to scheduler.step.
        time: of the step.
        sample: the noisy latents.
        seen: the same, scaled as the scheduler scales them for the network.
        clean: the scheduler's estimate of the clean latents, if it says one.
        sigma: the noise level, of a flow's scheduler.
    """

    output: Tensor
    time: Any
    sample: Tensor
    seen: Tensor
    clean: Tensor | None
    sigma: float | None


class _Own:
    """The levels of a pipeline's own run: its times, its latents as they are."""

    scale, scalings, target = 1.0, None, None

    def __init__(self) -> None:
        self.now: float | int = 0

    def time(self, level: Level) -> float | int:
        del level
        return self.now


def own_run(pipe: Any, arguments: dict[str, Any]) -> list[Recorded]:
    """The steps of a pipeline's own run, pictures encoded by the mode of their posterior."""
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution as Posterior

    scheduler, steps = pipe.scheduler, []
    real = scheduler.step

    def step(model_output: Any, timestep: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
        seen = scheduler.scale_model_input(sample, timestep) if scaled else sample
        clean, sigma = _clean(scheduler, model_output, timestep, sample)
        steps.append(
            Recorded(model_output.clone(), timestep, sample.clone(), seen.clone(), clean, sigma)
        )
        return real(model_output, timestep, sample, *args, **kwargs)

    step.__signature__ = inspect.signature(real)  # type: ignore[attr-defined]
    scaled = hasattr(scheduler, "scale_model_input")
    scheduler.step = step
    sample = Posterior.sample
    Posterior.sample = lambda self, generator=None: self.mode().contiguous()  # type: ignore[method-assign]
    try:
        pipe(**arguments)
    finally:
        Posterior.sample = sample  # type: ignore[method-assign]
        del scheduler.step
    return steps


def _clean(
    scheduler: Any, output: Tensor, time: Any, sample: Tensor
) -> tuple[Tensor | None, float | None]:
    """The clean latents that a scheduler takes its step from, and a flow's noise level."""
    config = scheduler.config
    if config.get("clip_sample") or config.get("thresholding") or output.shape != sample.shape:
        return None, None
    apart = copy.deepcopy(scheduler)
    del apart.__dict__["step"]
    made = apart.step(output, time, sample, return_dict=True)
    if getattr(made, "pred_original_sample", None) is not None:
        return made.pred_original_sample, None
    if getattr(apart, "step_index", None) is None:
        return None, None
    apart._step_index -= 1
    if config.get("algorithm_type") == "dpmsolver++":
        return apart.convert_model_output(output, sample=sample), None
    if hasattr(scheduler, "scale_noise"):  # a flow
        sigma = apart.sigmas[apart.step_index]
        return sample - sigma * output, float(sigma)
    return None, None


def level_at(family: Any, time: float) -> Level:
    """The level that a scheduler counts as a time, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        below = family.levels.time(family.schedule(middle)) < time
        low, high = (middle, high) if below else (low, middle)
    return family.schedule(high)


class Case:
    """One tiny pipeline, driven.

    Raises:
        ModelError: it is refused.
    """

    def __init__(self, tiny: Any, pipe: Any) -> None:
        self.pipe = pipe
        given = tiny.call(pipe)
        self.prompt = given.pop("prompt", None)
        self.size = (given.get("height"), given.get("width"))
        call = {name: value for name, value in given.items() if name not in _OURS}
        call.pop("guidance_schedule", None)  # as long as its own run
        if "strength" in given or "mask_image" in given:
            call = {k: v for k, v in call.items() if k not in ("image", "mask_image")}
        takes = inspect.signature(type(pipe).__call__).parameters
        own = "image" in tiny.arguments  # of another size than the result
        self.sized = "image" in call and "height" not in takes and not own
        if self.sized:
            del call["image"]
        self.family = DrivenFamily(pipe, call)
        codec: Any = DrivenCodec(self.family)
        self.prior = NetworkPrior(self.family, codec, name=tiny.kind)
        m, f = self.prior.multiple, self.prior.factor
        self.fixed = fixed = "height" not in takes and ("image" not in takes or own)
        side = self.family.native_cells * f if fixed else -(-64 // m) * m
        self.cells = (side // f, side // f)
        try:
            self.family.layout(*self.cells)
        except ModelError:  # its size is the network's own
            self.cells, self.fixed = (self.family.native_cells,) * 2, True

    def latents(self, rows: int = 1, cells: tuple[int, int] | None = None) -> Tensor:
        """Noise of its shape."""
        rng = torch.Generator().manual_seed(5)
        return torch.randn(rows, self.prior.latent_channels, *(cells or self.cells), generator=rng)

    def condition(self, height: int = 0, width: int = 0) -> Any:
        """The condition of its prompt, and of a reference picture as large as the result."""
        from tests.pipelines.build import picture

        if not self.sized or not self.family.references:
            return self.prior.condition(self.prompt)
        side = self.cells[0] * self.prior.factor
        image = picture().resize((width or side, height or side))
        return self.prior.condition(self.prompt, image=image)

    def difference(self) -> float:
        """Largest difference of outputs from its own run, at the latents and times of that."""
        family, f = self.family, self.prior.factor
        size = (self.cells[0] * f, self.cells[1] * f)
        condition = self.condition()
        scale = condition.guidance_scale
        more = {} if scale is None or not family.learned.scale else {family.learned.scale: scale}
        arguments = family.pipeline.arguments(
            [self.prompt or ""], size, STEPS, {**more, **condition.call}
        )
        self.steps = own_run(self.pipe, arguments)
        layout, worst = family.layout(*self.cells), 0.0
        levels, own = family.levels, _Own()
        family.levels = own  # type: ignore[assignment]
        try:
            for step in self.steps:
                time = step.time
                own.now = time.item() if isinstance(time, Tensor) else time
                inputs = family.batch([condition], [1], None, None)
                with torch.no_grad():
                    z = layout.from_loop(step.seen)
                    output = family.forward(z, Level(0.5, 0.6, 0.8), inputs)
                other = layout.from_loop(step.output)
                worst = max(worst, (output - other).abs().nan_to_num(torch.inf).max().item())
        finally:
            family.levels = levels
        return worst

    def estimate(self) -> float | str:
        """Largest difference of the clean estimate from the scheduler's, in units of its size."""
        layout, worst, seen = self.family.layout(*self.cells), 0.0, 0
        levels = self.family.levels
        for step in self.steps:
            if step.clean is None:
                continue
            level = level_at(self.family, float(step.time))
            if step.sigma is not None:
                level = Level(step.sigma, 1 - step.sigma, step.sigma)
            z = layout.from_loop(step.sample if levels.scalings else step.seen) / levels.scale
            with torch.no_grad():
                mine = self.prior.predict(z, level, [self.condition()])[0].z0
            other = layout.from_loop(step.clean) / levels.scale
            worst = max(worst, ((mine - other).abs().max() / other.abs().max()).item())
            seen += 1
        return worst if seen else "-"

    def gradient(self) -> str:
        """Whether the gradient of a prediction is finite and not zero."""
        z = self.latents().requires_grad_()
        level = self.prior.schedule(0.5)
        made = self.prior.predict(z, level, [self.condition()])[0].z0
        through = torch.autograd.grad((made - z).square().mean(), z)[0]
        return "yes" if bool(torch.isfinite(through).all() and through.abs().max() > 0) else "no"

    def batch(self) -> float:
        """Largest difference of two pictures in one batch from each alone."""
        z, level = self.latents(2), self.prior.schedule(0.5)
        condition = self.condition()
        with torch.no_grad():
            both = self.prior.predict(z, level, [condition])[0].z0
            each = [self.prior.predict(row[None], level, [condition])[0].z0 for row in z]
        return (both - torch.cat(each)).abs().max().item() / both.abs().max().item()

    def odd(self) -> str:
        """Whether it predicts at 40 x 56 pixels, or the next size that it takes."""
        if self.fixed:
            return "fixed"
        m, f = self.prior.multiple, self.prior.factor
        height, width = (-(-n // m) * m for n in (40, 56))
        if height == width:
            width += m
        z = self.latents(1, (height // f, width // f))
        condition = self.condition(height, width)
        with torch.no_grad():
            made = self.prior.predict(z, self.prior.schedule(0.5), [condition])[0].z0
        return f"{height} x {width}" if made.shape == z.shape else "no"

    def edit(self) -> str:
        """Whether an edit in three steps gives a picture."""
        from tests.pipelines.build import picture

        if self.prompt is None:
            return "no prompt"
        prompt = "a dog" if self.prompt == "a cat" else self.prompt
        side = self.cells[0] * self.prior.factor
        task = Edit(
            picture(side),
            prompt=prompt,
            source_prompt=self.prompt,
            num_inference_steps=3,
            size=side,
            seed=0,
        )
        prior = self.prior
        if self.sized and self.family.references:  # bound for all prompts of the task
            call = {**self.family.pipeline.call, "image": picture(side)}
            family: Any = DrivenFamily(self.pipe, call)
            codec: Any = DrivenCodec(family)
            prior = NetworkPrior(family, codec, name=prior.name)
        made = task(prior, progress=False)
        return "yes" if made.images[0].size == (side, side) else "no"


def conform(name: str) -> Row:
    """All checks of one pipeline.

    Args:
        name: in `tests.pipelines.TINY`.
    """
    from tests.pipelines import TINY, build

    torch.set_num_threads(1)
    row = Row(name)
    with quiet():
        try:
            case = Case(TINY[name], build(TINY[name]))
        except Exception as error:
            row.refused = _said(error)
            return row
        for check, run in zip(
            CHECKS,
            (case.difference, case.estimate, case.gradient, case.batch, case.odd, case.edit),
            strict=True,
        ):
            try:
                row.cells[check] = run()
            except Exception as error:
                row.cells[check] = "no: " + _said(error)
    return row


def _said(error: Exception) -> str:
    line = one_line(error) if not isinstance(error, ModelError) else str(error)
    kind = "" if isinstance(error, ModelError) else f"{type(error).__name__}: "
    return (kind + line.split("\n")[0])[:160]


def main(arguments: list[str] | None = None) -> int:
    """Check pipelines; write the page, or print what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conformance", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("names", nargs="*", metavar="NAME")
    given = parser.parse_args(arguments)
    from tests.pipelines import TINY

    torch.set_num_threads(1)
    chosen = [n for n in TINY if not given.names or n.startswith(tuple(given.names))]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.jobs, mp_context=context) as pool:
        rows = []
        for row in pool.map(conform, chosen) if given.jobs > 1 else map(conform, chosen):
            print(f"| {short(row.name)} | {row.refused}" if row.refused else row, flush=True)
            rows.append(row)
    if not given.names:
        PAGE.write_text(page(rows), encoding="utf-8")
        print(f"{PAGE.relative_to(HERE.parent)} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
