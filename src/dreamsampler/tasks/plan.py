"""What a task would take: parameters, memory, network evaluations, before anything is loaded.

Importing this file needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from dreamsampler.models.budget import Budget, MetaModel
    from dreamsampler.models.counting import Tally
    from dreamsampler.models.few_steps import Distillation, FewSteps
    from dreamsampler.models.memory_options import Offload
    from dreamsampler.tasks.base import Run, Task

TILE = 512
"""Side of the tiles that a plan proposes, in pixels."""
_GIB = 2**30


@final
@dataclass(frozen=True)
class Plan:
    """The answer of `make_plan`.

    Args:
        model: its name.
        title: its family.
        dtype: of the networks.
        size: height and width of the picture in the model, in pixels.
        own_size: whether the model has a size of its own; else it is the picture's.
        parameters: part -> how many numbers it was trained to.
        weights: of all parts, in bytes.
        peak: expected most memory of the device, in bytes.
        evaluations: network evaluations, images times prompts.
        rows: most images times prompts in one forward.
        steps: steps of the run.
        gradients: whether the run takes gradients.
        memory: what the device has, in bytes; None if unknown.
        means: (what to do, the peak with it), from the mildest to the harshest.
    """

    model: str
    title: str
    dtype: str
    size: tuple[int, int]
    own_size: bool
    parameters: dict[str, int]
    weights: int
    peak: int
    evaluations: int
    rows: int
    steps: int
    gradients: bool
    memory: int | None
    means: tuple[tuple[str, int], ...]

    @property
    def fits(self) -> bool | None:
        """Whether the peak is less than the device has; None if that is unknown."""
        return None if self.memory is None else self.peak <= self.memory

    def lines(self) -> list[str]:
        """The plan in words."""
        parts = ", ".join(f"{name} {_count(n)}" for name, n in self.parameters.items())
        height, width = self.size
        gradients = ", with gradients" if self.gradients else ""
        said = [
            f"{self.model}: {self.title}, {_count(sum(self.parameters.values()))} parameters "
            f"({parts})",
            f"{height} x {width} pixels in the model, {self.dtype}: {self.steps} steps, "
            f"{self.evaluations} network evaluations, at most {self.rows} at a time{gradients}",
            f"weights {_size(self.weights)}, expected peak {_size(self.peak)}",
        ]
        if self.memory is None:
            return said
        if self.fits:
            return [*said, f"fits: the device has {_size(self.memory)}"]
        said.append(f"does not fit: the device has {_size(self.memory)}")
        good = [(do, peak) for do, peak in self.means if peak <= self.memory]
        if good:
            return [*said, f"pass {good[0][0]}: then the peak is {_size(good[0][1])}"]
        best = min(self.means, key=lambda pair: pair[1])
        return [
            *said,
            f"even {best[0]} takes {_size(best[1])}: take a smaller size, fewer images, or a "
            "smaller model",
        ]


def make_plan(
    task: Task,
    model: str,
    *,
    dtype: str = "auto",
    device: str | None = None,
    memory: int | None = None,
    offload: Offload | None = None,
    release_text_encoders: bool = False,
    tiling: int | None = None,
    gradient_checkpointing: bool = False,
    distilled: Distillation | None = None,
    revision: str | None = None,
    local_files_only: bool | None = None,
) -> Plan:
    """What a task would take with a model, from their small files alone.

    The task is run on a model without networks, which counts; the networks' memory is counted on
    tensors without numbers. Activations are those of PyTorch in eager mode with fused attention;
    what a device's libraries keep for themselves (on CUDA about half a GiB) comes on top.

    Args:
        task: what would be done; its pictures are read.
        model: "iconic", an alias, a folder or a hub id; its configuration is fetched if need be.
        dtype: "float32", "float16", "bfloat16"; "auto" for what `from_pretrained` takes on the
            device, or for the family's 16 bits.
        device: where it would run, such as "cuda"; None for one that is not here.
        memory: of the device, in bytes; None for what the device has free, if there is one, else
            it stays open whether it fits.
        offload: as in `from_pretrained`, like what follows.

    Raises:
        ValueError: the task or the model cannot be meant, in one line.
    """
    from dreamsampler.models.memory_options import MemoryOptions

    MemoryOptions(offload, release_text_encoders, tiling, gradient_checkpointing).check()
    skeleton, scheduler = _skeleton(model, dtype, device, revision, local_files_only)
    run, tally = _counted(task, model, skeleton, _few(model, scheduler, distilled))
    step = tiled = _budget(skeleton, tally, gradient_checkpointing, tiling)
    if tiling is None and max(tally.size) > TILE:
        tiled = _budget(skeleton, tally, gradient_checkpointing, TILE)
    return Plan(
        model,
        step.title,
        str(skeleton.dtype).removeprefix("torch."),
        tally.size,
        skeleton.family.native_cells > 0,
        {part.name: part.parameters for part in step.parts},
        step.weights,
        step.peak(offload=offload, release_text_encoders=release_text_encoders),
        run.evaluations,
        tally.rows,
        run.total,
        tally.gradients,
        _free(device) if memory is None else memory,
        _means(step, tiled),
    )


def _few(model: str, scheduler: str, distilled: Distillation | None) -> FewSteps:
    from dreamsampler.models.few_steps import few_steps

    return few_steps([model], scheduler, distilled)


def _free(device: str | None) -> int | None:
    """What a device has free, if it is here."""
    from dreamsampler.models.device import choose_device, memory_of

    return None if device is None else memory_of(choose_device(device))


def _skeleton(
    model: str,
    dtype: str,
    device: str | None,
    revision: str | None,
    local_files_only: bool | None,
) -> tuple[MetaModel, str]:
    """A model without numbers, and the class of its scheduler."""
    from dreamsampler.models.alias import BUNDLED
    from dreamsampler.models.budget import MetaModel
    from dreamsampler.models.device import DTYPES, choose_device, choose_dtype
    from dreamsampler.models.folder import native_family
    from dreamsampler.models.source import config_folder
    from dreamsampler.models.weights import read_json

    if dtype != "auto" and dtype not in DTYPES:
        raise ValueError(f"dtype is {dtype!r}, but must be auto, float32, float16 or bfloat16")
    folder = config_folder(model, revision, local_files_only)
    kind = None if dtype == "auto" else DTYPES[dtype]
    if device is not None:
        family = native_family(folder)
        half = DTYPES["bfloat16"] if family is None else family.half
        kind = choose_dtype(dtype, choose_device(device), model == BUNDLED, half)
    skeleton = MetaModel(folder, kind)
    return skeleton, str(read_json(folder / "scheduler/scheduler_config.json").get("_class_name"))


def _counted(task: Task, model: str, skeleton: MetaModel, few: FewSteps) -> tuple[Run[Task], Tally]:
    """A task run to its end on a model that only counts, and what it counted."""
    from dreamsampler.models.counting import counting_prior

    task.check()
    prior, tally = counting_prior(skeleton.family, skeleton.factor, model, few)
    return task(prior, progress=False).run, tally


def _budget(skeleton: MetaModel, tally: Tally, again: bool, tiling: int | None) -> Budget:
    """What a run of a size takes that asks as was tallied."""
    return skeleton.budget(
        tally.rows,
        *tally.size,
        images=tally.images,
        gradients=tally.gradients,
        gradient_checkpointing=again,
        tiling=tiling,
    )


def _means(step: Budget, tiled: Budget) -> tuple[tuple[str, int], ...]:
    """What helps, from the mildest to the harshest, with the peak that is left."""
    return (
        ("release_text_encoders", step.peak(release_text_encoders=True)),
        (f"tiling {TILE}", tiled.peak()),
        (f"tiling {TILE} and offload model", tiled.peak(offload="model")),
        (f"tiling {TILE} and offload sequential", tiled.peak(offload="sequential")),
    )


def _count(number: int) -> str:
    """A number of parameters, in thousands, millions or billions."""
    for unit, size in (("B", 10**9), ("M", 10**6), ("K", 10**3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def _size(memory: int) -> str:
    return f"{memory / _GIB:.2f} GiB" if memory >= _GIB // 10 else f"{memory / 2**20:.1f} MiB"
