"""What all pipelines share: a model, runs one after the other, a callback after each step.

They are called as diffusers' pipelines are; the work is that of the tasks, and no pipeline of
diffusers runs inside.
"""

from __future__ import annotations

import inspect
import sys
from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias

import torch
from torch import Tensor

from dreamsampler.interfaces.pipelines.output import (
    OutputType,
    PipelineOutput,
    check_output_type,
    converted,
    latents_of,
)
from dreamsampler.maths import Step
from dreamsampler.models.load import from_pretrained
from dreamsampler.models.network import NetworkPrior
from dreamsampler.models.pipe import from_pipe
from dreamsampler.tasks.base import Run, Task
from dreamsampler.tasks.options import options_of
from dreamsampler.tasks.progress import Progress
from dreamsampler.tasks.result import tensors_of

Callback: TypeAlias = Callable[[Any, int, float, dict[str, Any]], dict[str, Any] | None]
"""(pipe, step, timestep, tensors by name) -> nothing, or the tensors as they came."""
Generators: TypeAlias = torch.Generator | Sequence[torch.Generator] | None
PICTURES = ("image", "mask_image")
ROWS = (*PICTURES, "prompt", "source_prompt", "negative_prompt")
"""Options that may be lists, with an entry for each row."""


class DreamSamplerPipeline(ABC):
    """A task around a model, called as diffusers' pipelines are.

    Args:
        prior: the model; `from_pretrained` and `from_pipe` make one.

    Attributes:
        prior: the model.
        TASK: what a call runs; its options are arguments of the call.
        POSITIONAL: those that come first and must be given.
        LEFT_OUT: those that are no arguments; others say them.
    """

    TASK: ClassVar[type[Any]]
    POSITIONAL: ClassVar[tuple[str, ...]]
    LEFT_OUT: ClassVar[tuple[str, ...]] = ("seed", "num_images")
    __call__: Callable[..., PipelineOutput | tuple[Any]]
    _callback_tensor_inputs = ("latents", "noisy_latents", "denoised")

    def __init_subclass__(cls) -> None:
        cls.__call__ = _call_of(cls)

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
        **options: Any,
    ) -> Self:
        """A pipeline around a model: the bundled one, an alias, a hub id, a folder, a file.

        Args:
            pretrained_model_name_or_path: see `dreamsampler.from_pretrained`.
            torch_dtype: the older name of `dtype`, what the networks compute in.
            options: dtype, device, revision, variant, lora, offload, ... as `from_pretrained` has
                them; `pipe.to(...)` moves the networks later.

        Raises:
            ModelError: one line that says what came, what was needed and what to do.
            ValueError: both dtypes.
        """
        if torch_dtype is not None:
            if options.get("dtype") is not None:
                raise ValueError("dtype and torch_dtype are one option: pass one of them")
            options["dtype"] = torch_dtype
        return cls(from_pretrained(pretrained_model_name_or_path, **options))

    @classmethod
    def from_pipe(cls, pipeline: Any, **call: Any) -> Self:
        """A pipeline around networks that are loaded already; nothing is copied.

        Args:
            pipeline: a pipeline of diffusers, or another one of these.
            call: see `dreamsampler.from_pipe`.

        Raises:
            ModelError: a pipeline that cannot be used.
        """
        if isinstance(pipeline, DreamSamplerPipeline):
            return cls(pipeline.prior)
        return cls(from_pipe(pipeline, **call))

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
        """Options of the progress bar; there is none outside of terminals and notebooks.

        Args:
            disable: no bar anywhere.
            desc: words before it.
            leave: whether it stays when it is full.
        """
        self._bar = {"disable": disable, "desc": desc, "leave": leave}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.prior!r})"

    def _options(self, given: dict[str, Any]) -> dict[str, Any]:
        """Arguments of a call as options of the task."""
        return given

    def _perform(
        self,
        *,
        num_images_per_prompt: int = 1,
        generator: Generators = None,
        output_type: OutputType = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        **options: Any,
    ) -> PipelineOutput | tuple[Any]:
        """Run the task; lists of prompts and pictures go together, row by row.

        Pictures are Pillow images, arrays, tensors or paths; a list or a batch of them.

        Args:
            options: of the task.
            num_images_per_prompt: how many variations of each row.
            generator: one for all images, or a list with one per image; None for torch's own.
            output_type: "pil", "np" or "pt" at the size of the source; "latent".
            return_dict: False for a plain tuple.
            callback_on_step_end: (pipe, step, timestep, tensors) after each step; sets
                `pipe._interrupt = True` to stop and take what there is.
            callback_on_step_end_tensor_inputs: of latents (clean, after the step), noisy_latents,
                denoised (the model's own estimate).

        Raises:
            ValueError: options that cannot be used, in one line.
        """
        callback, tensors = callback_on_step_end, callback_on_step_end_tensor_inputs
        unknown = [name for name in tensors if name not in self._callback_tensor_inputs]
        if unknown:
            raise ValueError(
                f"callback_on_step_end_tensor_inputs holds {', '.join(unknown)}, but must be of "
                f"{', '.join(self._callback_tensor_inputs)}"
            )
        tasks = _tasks(self.TASK, self._options(options), num_images_per_prompt, generator)
        check_output_type(output_type, [task.check_files() for task in tasks])
        self._interrupt, self._num_timesteps = False, 0
        found: list[Tensor] = []
        seeds: list[int] = []
        reports: list[dict[str, Any]] = []
        for count, task in enumerate(tasks):
            run = self._run(task, count, len(tasks), callback, tensors)
            found += list(latents_of(run)) if output_type == "latent" else tensors_of(run)
            seeds += run.seeds
            reports.append(run.report)
            if self._interrupt:
                break
        made = PipelineOutput(converted(found, output_type), seeds, reports, self._interrupt)
        return made if return_dict else made.to_tuple()

    def _run(
        self,
        task: Task,
        count: int,
        runs: int,
        callback: Callback | None,
        tensors: Sequence[str],
    ) -> Run[Any]:
        """Run a task, number `count` of `runs`, with a bar, to its end or to an interruption."""
        from tqdm.auto import tqdm

        shown = sys.stderr.isatty() or "ipykernel" in sys.modules
        with tqdm(**{**self._bar, "disable": self._bar.get("disable") or not shown}) as bar:

            def follow(progress: Progress) -> None:
                run, step = progress.run, progress.step
                if run is None or step is None:
                    return
                # all tasks of a call have as many steps
                bar.total, self._num_timesteps = progress.total, progress.total * runs
                bar.update()
                if callback is not None:
                    index = count * progress.total + progress.done - 1
                    self._call_back(callback, index, step, tensors)
                if self._interrupt:
                    run.stop()

            return task(self.prior, progress=follow).run

    def _call_back(
        self, callback: Callback, index: int, step: Step, tensors: Sequence[str]
    ) -> None:
        """Call back with copies: the step itself stays as it is."""
        found = {"latents": step.z0, "noisy_latents": step.z, "denoised": step.estimate.z0}
        given = {name: found[name].clone() for name in tensors}
        timestep = getattr(self.prior.schedule, "timestep", lambda t: 1000 * t)(step.level.t)
        returned = callback(self, index, float(timestep), dict(given))
        for name, value in (returned or {}).items():
            if name not in given:
                raise ValueError(f"the callback returned {name!r}, which it was not given")
            if not isinstance(value, Tensor) or not torch.equal(value, found[name]):
                raise ValueError(
                    f"the callback changed {name}, which only shows the result of a step: to "
                    "change the steps, use regularize, or the loop itself (dreamsampler.dream)"
                )


def _call_of(pipeline: type[DreamSamplerPipeline]) -> Callable[..., Any]:
    """`__call__` of a pipeline: the options of its task are arguments, and then the shared ones."""
    made, first = inspect.signature(DreamSamplerPipeline._perform), pipeline.POSITIONAL
    options = {n: o for n, o in options_of(pipeline.TASK).items() if n not in pipeline.LEFT_OUT}
    before = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in first]
    after = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option.default)
        for name, option in options.items()
        if name not in first
    ]
    self, *shared, _ = made.parameters.values()
    made = made.replace(parameters=[self, *before, *after, *shared])

    def _call(self: DreamSamplerPipeline, *args: Any, **arguments: Any) -> Any:
        given = made.bind(self, *args, **arguments).arguments
        return self._perform(**{name: value for name, value in given.items() if name != "self"})

    lines = "".join(f"    {name}: {option.help}.\n" for name, option in options.items())
    text = inspect.getdoc(DreamSamplerPipeline._perform) or ""
    _call.__doc__ = text.replace("    options: of the task.\n", lines)
    _call.__name__, _call.__signature__ = "__call__", made  # type: ignore[attr-defined]
    return _call


def _tasks(
    task_type: type[Any], options: Mapping[str, Any], images: int, generator: Generators
) -> list[Any]:
    """A task for each run, checked before any is started."""
    rows, tasks = _rows(options), []
    for row, seeds in zip(rows, _seeds(generator, len(rows), images), strict=True):
        for first, count in seeds:
            task = task_type(**row, num_images=count)
            task.check()
            tasks.append(replace(task, seed=first) if task.draws else task)
    return tasks


def _seeds(generator: Generators, rows: int, images: int) -> list[list[tuple[int, int]]]:
    """For each row the runs that make its images: (first seed, how many from there on).

    One generator, or none (torch's own), draws one number a row, and the images of a row take it,
    the next number, and so on; with a list, the generator of each image draws its seed. So a second
    call with the same generator makes other pictures, as in diffusers.
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


def _rows(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Options row by row; what is no list, or may not be one, serves every row."""
    batched = {n: _listed(v) if n in PICTURES else v for n, v in options.items() if n in ROWS}
    lists = {name: value for name, value in batched.items() if isinstance(value, list)}
    lengths = {name: len(values) for name, values in lists.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        came = ", ".join(f"{name} {n}" for name, n in lengths.items())
        raise ValueError(f"lists of different lengths came ({came}): pass one length, or no list")
    count = next(iter(lengths.values()), 1)
    return [{**options, **{name: v[i] for name, v in lists.items()}} for i in range(count)]


def _listed(image: Any) -> Any:
    """A batch of pictures, array or tensor, as the list of its rows; anything else as it is."""
    batch = getattr(image, "ndim", 0) == 4 and len(image) > 1
    return list(image) if batch or isinstance(image, tuple) else image


def _seed(generator: torch.Generator | None) -> int:
    device = "cpu" if generator is None else generator.device
    return int(torch.randint(2**32, (), generator=generator, device=device))
