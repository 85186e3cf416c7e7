"""The record of a run: its steps as pictures and as an animation, and its numbers."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, final

from PIL import Image as Pixels
from PIL import ImageDraw, ImageFont
from torch import Tensor

from dreamsampler.files import check_folder, write_whole
from dreamsampler.images.animation import gif_of
from dreamsampler.images.save import encoded
from dreamsampler.maths import Estimate, Image, Latent, Step

FILES = ("steps.png", "steps.gif", "steps.json")
"""What a record consists of."""
FRAME = 192
"""Longer side of a frame, in pixels, at most."""
ROWS = 4
"""Pictures of a batch that are shown, one below the other."""
PAUSE, STILL = 120, 1600
"""Milliseconds that a frame and the last frame of the moving picture stay."""


@final
class Recorder:
    """Watches a run without touching it.

    A few steps are kept, evenly spread, with the first and the last among them; only when the
    record is saved are they decoded, so that recording costs `frames` decodings whatever the
    number of steps.

    Args:
        preview: makes a picture in [-1, 1] of a step, (b, 3, h, w); usually decodes its z0.
        every: keep only every so many steps; None lets the run's length decide.
        frames: pictures in the record, at most; at least 2.

    Example:
        >>> import tempfile, torch
        >>> from dreamsampler.generators import LatentVariable
        >>> from dreamsampler.models import GaussianMixture
        >>> from dreamsampler.guidance import conditional
        >>> from dreamsampler.samplers.dream import dream
        >>> prior, start = GaussianMixture(torch.ones(1, 3, 8, 8), 0.1), torch.zeros(1, 3, 8, 8)
        >>> levels = prior.schedule.grid(20, start=0.9)
        >>> record = Recorder(lambda step: step.z0)
        >>> run = dream(conditional(prior, None), LatentVariable(start), levels, start)
        >>> for step in record(run):
        ...     pass
        >>> [path.name for path in record.save(tempfile.mkdtemp())]
        ['steps.png', 'steps.gif', 'steps.json']
    """

    def __init__(
        self, preview: Callable[[Step], Image], every: int | None = None, frames: int = 12
    ) -> None:
        if frames < 2 or (every is not None and every < 1):
            raise ValueError(f"frames={frames}, every={every}: pass at least 2 frames, every 1")
        self.trace: list[dict[str, Any]] = []
        self._preview, self._frames = preview, frames
        self._stride = every or 1
        self._kept: list[tuple[int, Step]] = []
        self._last: Step | None = None
        self._since = time.perf_counter()

    def __call__(self, run: Iterable[Step]) -> Iterator[Step]:
        """Pass a run's steps through, unchanged, and remember them."""
        self._since = time.perf_counter()
        for step in run:
            self.add(step)
            yield step
            self._since = time.perf_counter()

    def save(self, folder: str | Path) -> list[Path]:
        """Write steps.png, steps.gif and steps.json, each whole or not at all.

        Args:
            folder: made if missing; older records in it are replaced.

        Returns:
            The three paths.

        Raises:
            ValueError: if nothing was recorded.
            OutputError: if the folder does not take them.
        """
        folder = Path(folder)
        check_folder(folder)
        kept = self._spread()
        frames = [_frame(self._preview(_first_rows(step))) for _, step in kept]
        labels = [(f"step {index}", f"t {step.level.t:.3f}") for index, step in kept]
        trace = {
            "steps": len(self.trace),
            "frames": [index for index, _ in kept],
            "trace": self.trace,
        }
        numbers = json.dumps(trace, indent=1, allow_nan=False).encode()
        contents = encoded(strip(frames, labels), "PNG"), gif(frames), numbers
        for name, data in zip(FILES, contents, strict=True):
            write_whole(folder / name, data)
        return [folder / name for name in FILES]

    def add(self, step: Step) -> None:
        """Remember a step: its numbers, and every stride-th step itself; the stride grows."""
        index, seconds = len(self.trace), time.perf_counter() - self._since
        self.trace.append({"step": index, **_numbers(step, self._last, seconds)})
        if index % self._stride == 0:
            self._kept.append((index, step))
        if len(self._kept) > 4 * self._frames:
            self._kept, self._stride = self._kept[::2], 2 * self._stride
        self._last, self._since = step, time.perf_counter()

    def _spread(self) -> list[tuple[int, Step]]:
        """At most `frames` of the kept steps, evenly spread, first and last among them."""
        if self._last is None:
            raise ValueError("nothing was recorded: iterate the recorder over a run first")
        end = len(self.trace) - 1
        kept = self._kept if self._kept[-1][0] == end else [*self._kept, (end, self._last)]
        count = min(self._frames, len(kept))
        if count == 1:
            return kept
        return [kept[round(i * (len(kept) - 1) / (count - 1))] for i in range(count)]


def _first_rows(step: Step) -> Step:
    """A step of the first pictures of its batch."""
    rows = {name: getattr(step, name)[:ROWS] for name in ("before", "noise", "z", "z0")}
    estimate = Estimate(step.estimate.z0[:ROWS], step.estimate.eps[:ROWS])
    return replace(step, estimate=estimate, **rows)


def _numbers(step: Step, last: Step | None, seconds: float) -> dict[str, Any]:
    """One row of the trace; the change of z0 is a root mean square."""
    z0 = step.z0.detach()
    change = None
    if last is not None and last.z0.shape == z0.shape:
        change = _number((z0 - last.z0).square().mean().sqrt())
    return {
        "index": step.index,
        "t": step.level.t,
        "alpha": step.level.alpha,
        "sigma": step.level.sigma,
        "z0": _statistics(z0),
        "change": change,
        "seconds": round(seconds, 6),
    }


def _statistics(z0: Latent) -> dict[str, float | None]:
    return {
        "mean": _number(z0.mean()),
        "rms": _number(z0.square().mean().sqrt()),
        "min": _number(z0.min()),
        "max": _number(z0.max()),
    }


def _number(value: Tensor) -> float | None:
    """A float that JSON can hold; None for NaN and infinity."""
    number = float(value)
    return number if math.isfinite(number) else None


def _frame(picture: Image) -> Pixels.Image:
    """The first pictures of a batch, one below the other, small."""
    samples = picture.detach()[:ROWS].float().nan_to_num(0.0).clamp(-1, 1)
    samples = ((samples + 1) * 127.5).round().byte().cpu().permute(0, 2, 3, 1)
    pictures = [Pixels.fromarray(each.numpy()) for each in samples]
    for each in pictures:
        each.thumbnail((FRAME, FRAME), Pixels.Resampling.LANCZOS)
    width, height = pictures[0].size
    frame = Pixels.new("RGB", (width, height * len(pictures)))
    for row, each in enumerate(pictures):
        frame.paste(each, (0, row * height))
    return frame


def strip(frames: Sequence[Pixels.Image], labels: Sequence[tuple[str, ...]]) -> Pixels.Image:
    """Frames side by side, each above its labels, as many for all."""
    font = ImageFont.load_default(size=13)
    gap, text = 4, 4 + 16 * len(labels[0])
    width = max(72, *(frame.width for frame in frames))
    height = max(frame.height for frame in frames)
    size = (len(frames) * (width + gap) + gap, height + text + gap)
    strip = Pixels.new("RGB", size, (24, 24, 24))
    draw = ImageDraw.Draw(strip)
    for i, (frame, label) in enumerate(zip(frames, labels, strict=True)):
        left = gap + i * (width + gap)
        strip.paste(frame, (left + (width - frame.width) // 2, gap))
        for row, line in enumerate(label):
            draw.text((left + 2, height + gap + 2 + 16 * row), line, (230, 230, 230), font)
    return strip


def gif(frames: list[Pixels.Image]) -> bytes:
    """Frames as a GIF that repeats; the last one stays for a while."""
    return gif_of(frames, [PAUSE] * (len(frames) - 1) + [STILL])
