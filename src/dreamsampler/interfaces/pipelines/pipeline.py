"""What all pipelines have in common: a prior, runs one after the other, a callback after each step.

The habits are diffusers', the work is that of the tasks; no pipeline of diffusers runs inside.
"""

from __future__ import annotations

import sys
from abc import ABC
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias, final

import torch
from torch import Tensor

from dreamsampler.images.memory import picture_of
from dreamsampler.images.picture import Picture, open_picture
from dreamsampler.interfaces.pipelines.output import (
    OutputType,
    PipelineOutput,
    check_output_type,
    formed,
)
from dreamsampler.models.load import from_pipe, from_pretrained
from dreamsampler.models.network import NetworkPrior

if TYPE_CHECKING:
    from dreamsampler.maths import Step
    from dreamsampler.tasks.base import PictureTask

Callback: TypeAlias = Callable[[Any, int, float, dict[str, Any]], dict[str, Any] | None]
"""(pipe, step, timestep, tensors by name) -> nothing, or the tensors as they came."""
PICTURES = ("image", "mask_image")
"""Fields of tasks that hold pictures."""
Generators: TypeAlias = torch.Generator | Sequence[torch.Generator] | None


@final
@dataclass(frozen=True)
class Job:
    """One run of a task: some images of one picture and prompt.

    Args:
        task: what is wanted.
        held: its pictures.
    """

    task: PictureTask
    held: dict[str, Picture]


@final
@dataclass(frozen=True)
class Wanted:
    """What every call may say: how many images it makes, who watches, what it returns."""

    images: int = 1
    generator: Generators = None
    output_type: OutputType = "pil"
    return_dict: bool = True
    callback: Callback | None = None
    tensors: Sequence[str] = ("latents",)


class DreamSamplerPipeline(ABC):  # noqa: B024 - what it has in common is no call
    """A task with diffusers' manners around a prior.

    Args:
        prior: the model; `from_pretrained` and `from_pipe` make one.

    Attributes:
        prior: the model.
    """

    _callback_tensor_inputs = ("latents", "noisy_latents", "denoised")

    def __init__(self, prior: NetworkPrior) -> None:
        self.prior = prior
        self._interrupt = False
        self._num_timesteps = 0
        self._bar: dict[str, Any] = {}

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path = "iconic",
        *,
        torch_dtype: str | torch.dtype | None = None,
        dtype: str | torch.dtype | None = None,
        device: str | torch.device | None = None,
        revision: str | None = None,
        variant: str | None = None,
        cache_dir: str | Path | None = None,
        token: str | bool | None = None,
        local_files_only: bool | None = None,
        lora: Sequence[str | Path] = (),
        offload: Any = None,
    ) -> Self:
        """A pipeline around a model: the bundled one, an alias, a hub id, a folder, a file.

        Args:
            pretrained_model_name_or_path: see `dreamsampler.from_pretrained`, as are the others.
            torch_dtype: what the networks compute in; the older name of `dtype`.
            dtype: the same; one of the two.
            device: None for the best one there is; `pipe.to(...)` moves it later.
            revision: branch, tag or commit.
            variant: such as "fp16".
            cache_dir: another cache than the hub's own.
            token: for gated repositories.
            local_files_only: never ask the network.
            lora: .safetensors files of low-rank changes.
            offload: "model" or "sequential", diffusers' enable_model_cpu_offload() and
                enable_sequential_cpu_offload().

        Raises:
            ModelError: one line that says what came, what was wanted and what to do.
            ValueError: both dtypes.
        """
        if dtype is not None and torch_dtype is not None:
            raise ValueError("dtype and torch_dtype are two names of one thing: pass one of them")
        return cls(
            from_pretrained(
                pretrained_model_name_or_path,
                dtype=torch_dtype if dtype is None else dtype,
                device=device,
                revision=revision,
                variant=variant,
                cache_dir=cache_dir,
                token=token,
                local_files_only=local_files_only,
                lora=lora,
                offload=offload,
            )
        )

    @classmethod
    def from_pipe(cls, pipeline: Any) -> Self:
        """A pipeline around networks that are loaded already; nothing is copied.

        Args:
            pipeline: a pipeline of diffusers, of a family that is known, or another one of these.

        Raises:
            ModelError: another family.
        """
        if isinstance(pipeline, DreamSamplerPipeline):
            return cls(pipeline.prior)
        return cls(from_pipe(pipeline))

    def to(
        self,
        *args: str | torch.device | torch.dtype,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """Move the networks, in place: `to("cuda")`, `to(torch.bfloat16)`, `to("cuda", dtype)`.

        Raises:
            ModelError: no such device, or float16 on a CPU.
        """
        for each in args:
            if isinstance(each, torch.dtype):
                dtype = each
            else:
                device = each
        self.prior.to(device=device, dtype=dtype)
        return self

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self.prior.device

    @property
    def dtype(self) -> torch.dtype:
        """What the network computes in."""
        return self.prior.dtype

    @property
    def interrupt(self) -> bool:
        """Whether a callback has set `pipe._interrupt`: no further step is taken."""
        return self._interrupt

    @property
    def num_timesteps(self) -> int:
        """Steps of the last call, all its pictures together."""
        return self._num_timesteps

    def set_progress_bar_config(
        self, *, disable: bool = False, desc: str | None = None, leave: bool = True
    ) -> None:
        """How the bar looks; there is none outside of terminals and notebooks.

        Args:
            disable: no bar anywhere.
            desc: words before it.
            leave: whether it stays when it is full.
        """
        self._bar = {"disable": disable, "desc": desc, "leave": leave}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.prior!r})"

    def _perform(
        self, task: Any, rows: dict[str, Any], wanted: Wanted
    ) -> PipelineOutput | tuple[Any]:
        """Run one job after the other, watched by the callback, up to an interruption.

        Args:
            task: the options that all rows share.
            rows: field of the task -> what came for it, a list of one each row or one for all.
            wanted: how.
        """
        jobs = self._jobs(task, rows, wanted)
        check_output_type(wanted.output_type, [job.held["image"].size for job in jobs])
        self._interrupt = False
        pictures: list[Tensor] = []
        seeds: list[int] = []
        reports: list[dict[str, Any]] = []
        for count, job in enumerate(jobs):
            run: Any = job.task.start(self.prior, job.held)
            self._num_timesteps = run.total * len(jobs)  # all jobs of a call have the same options
            latents = self._watch(run, count * run.total, wanted)
            pictures += latents if wanted.output_type == "latent" else _pictures(run)
            seeds += run.seeds
            reports.append(run.report)
            if self._interrupt:
                break
        images = formed(pictures, wanted.output_type)
        made = PipelineOutput(images, seeds, reports, self._interrupt)
        return made if wanted.return_dict else made.to_tuple()

    def _jobs(self, task: Any, given: dict[str, Any], wanted: Wanted) -> list[Job]:
        """A task for each run, checked before any is started."""
        unknown = [name for name in wanted.tensors if name not in self._callback_tensor_inputs]
        if unknown:
            raise ValueError(
                f"callback_on_step_end_tensor_inputs holds {', '.join(unknown)}, but must be of "
                f"{', '.join(self._callback_tensor_inputs)}"
            )
        rows = rows_of({name: listed(v) if name in PICTURES else v for name, v in given.items()})
        count = "samples" if hasattr(task, "samples") else "num_images"
        jobs = []
        groups = seeds_of(wanted.generator, len(rows), wanted.images)
        for row, seeds in zip(rows, groups, strict=True):
            held = {n: opened(row[n], n) for n in PICTURES if row.get(n) is not None}
            words = {name: value for name, value in row.items() if name not in PICTURES}
            names = {name: name for name in held}
            for first, images in seeds:
                one = replace(task, **words, **names, **{count: images})
                one.check()
                if getattr(one.settings, "draws", True):
                    one = replace(one, seed=first)
                jobs.append(Job(one, held))
        return jobs

    def _watch(self, run: Any, before: int, wanted: Wanted) -> list[Tensor]:
        """Iterate to the end, or to an interruption; the clean latents of the last step."""
        from tqdm.auto import tqdm

        shown = sys.stderr.isatty() or "ipykernel" in sys.modules
        options = {**self._bar, "disable": self._bar.get("disable") or not shown}
        latents: list[Tensor] = []
        for index, step in enumerate(tqdm(run, total=run.total, **options), before):
            latents = list(step.z0)
            if wanted.callback is not None:
                self._tell(step, index, wanted)
            if self._interrupt:
                run.stop()
                break
        if wanted.output_type == "latent" and not latents:
            raise ValueError("no step was taken, so there are no latents: raise strength")
        return latents

    def _tell(self, step: Step, index: int, wanted: Wanted) -> None:
        """Call back with copies: the moment itself stays as it is."""
        assert wanted.callback is not None
        found = {"latents": step.z0, "noisy_latents": step.z, "denoised": step.estimate.z0}
        given = {name: found[name].clone() for name in wanted.tensors}
        timestep = getattr(self.prior.schedule, "timestep", lambda t: 1000 * t)(step.level.t)
        back = wanted.callback(self, index, float(timestep), dict(given))
        for name, value in (back or {}).items():
            if name not in given:
                raise ValueError(f"the callback returned {name!r}, which it was not given")
            if not isinstance(value, Tensor) or not torch.equal(value, found[name]):
                raise ValueError(
                    f"the callback changed {name}, which only shows what a step has made: to bend "
                    "the steps themselves, use regularize, or the loop itself (dreamsampler.dream)"
                )


def seeds_of(generator: Generators, rows: int, images: int) -> list[list[tuple[int, int]]]:
    """For each row the runs that make its images: (first seed, how many from there on).

    One generator, or none (torch's own), is asked for one number a row, and the images of a row
    take it, the next number, and so on; with a list, each image takes what its own generator says.
    A generator moves on, so that a second call makes other pictures, as in diffusers.

    Args:
        generator: what the caller passed.
        rows: how many pictures and prompts.
        images: how many images of each.

    Raises:
        ValueError: another number of generators than of images.
    """
    if generator is None or isinstance(generator, torch.Generator):
        return [[(_seed(generator), images)] for _ in range(rows)]
    given = list(generator)
    if len(given) != rows * images:
        raise ValueError(
            f"{len(given)} generators came for {rows * images} images: pass one per image, or one "
            "for all"
        )
    return [[(_seed(g), 1) for g in given[i * images : (i + 1) * images]] for i in range(rows)]


def rows_of(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Arguments that may be lists, row by row; what is no list serves every row.

    Raises:
        ValueError: lists of several lengths, or an empty one.
    """
    lengths = {name: len(v) for name, v in given.items() if isinstance(v, list)}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        told = ", ".join(f"{name} {n}" for name, n in lengths.items())
        raise ValueError(f"lists of different lengths came ({told}): pass one length, or no list")
    count = next(iter(lengths.values()), 1)
    return [
        {name: v[i] if isinstance(v, list) else v for name, v in given.items()}
        for i in range(count)
    ]


def listed(image: Any) -> Any:
    """A batch of pictures, array or tensor, as the list of its rows; anything else as it is."""
    batch = getattr(image, "ndim", 0) == 4 and len(image) > 1
    return list(image) if batch else list(image) if isinstance(image, tuple) else image


def opened(image: Any, name: str) -> Picture:
    """A picture in memory, or the path of one."""
    return open_picture(image) if isinstance(image, str | Path) else picture_of(image, name)


def _seed(generator: torch.Generator | None) -> int:
    device = "cpu" if generator is None else generator.device
    return int(torch.randint(2**32, (), generator=generator, device=device))


def _pictures(run: Any) -> list[Tensor]:
    """The results, (3, h, w) or with the source's alpha (4, h, w)."""
    canvas = getattr(run, "canvas", run.source)
    pictures = run.pictures()
    if canvas.alpha is None or canvas.alpha.shape[-2:] != pictures[0].shape[-2:]:
        return pictures
    return [torch.cat([picture, canvas.alpha.to(picture)]) for picture in pictures]
