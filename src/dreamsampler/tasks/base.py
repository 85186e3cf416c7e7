"""What every task, its run and its result are; needs no torch until a task is run."""

from __future__ import annotations

import dataclasses
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, TypeVar

from dreamsampler.cancel import Flag, cancellable, check_canceled
from dreamsampler.files import numbered
from dreamsampler.parts import heard_by
from dreamsampler.tasks.inputs import check_texts, describe_input, in_memory, option_of_input
from dreamsampler.tasks.limits import LIMITS, Limits
from dreamsampler.tasks.model_choice import model_of
from dreamsampler.tasks.options import check_options, with_python_scalars
from dreamsampler.tasks.progress import Progress, ProgressCallback, shown_progress
from dreamsampler.tasks.recipe import describe_model, now, plain, source_of, tagged, versions
from dreamsampler.tasks.result import Result

if TYPE_CHECKING:
    from torch import Tensor

    from dreamsampler.generators.field import Mesh
    from dreamsampler.images.picture import Picture
    from dreamsampler.maths import Image, Step
    from dreamsampler.models.bundled_models import BundledModels
    from dreamsampler.models.prior import Prior


class Task(ABC):
    """A frozen dataclass of plain values: what to do, with which files or pictures in memory.

    Attributes:
        LIMITS: ranges of the numbers.
        PICTURES: fields that hold pictures.
        OUTPUT: what is written: pictures, an SVG file, or a folder.
        RECORDS: files that `Run.record` writes besides those of every record.
        USES_MODEL: whether a run needs a model.
    """

    LIMITS: ClassVar[Limits] = LIMITS
    PICTURES: ClassVar[tuple[str, ...]] = ("image", "mask_image")
    OUTPUT: ClassVar[Literal["picture", "svg", "folder"]] = "picture"
    RECORDS: ClassVar[tuple[str, ...]] = ()
    USES_MODEL: ClassVar[bool] = True

    def __post_init__(self) -> None:
        known = with_python_scalars(self)
        for name in self.PICTURES:
            if name not in known or (value := getattr(self, name)) is known[name].default:
                continue  # None where no picture is needed
            several = known[name].kind == "files"
            found = [in_memory(each, name) for each in (value if several else [value])]
            object.__setattr__(self, name, tuple(found) if several else found[0])

    @classmethod
    def name(cls) -> str:
        """What the task is called on the command line, in recipes and batch rows.

        Example:
            >>> from dreamsampler import MakeScene
            >>> MakeScene.name()
            'make-scene'
        """
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", cls.__name__).lower()

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the method runs with: its own settings, and the options that were given."""
        return {}

    @property
    def images(self) -> int:
        """How many pictures the model works on at a time."""
        return 1

    @property
    def masked(self) -> bool:
        """Whether a mask keeps pixels of the picture to the bit."""
        return False

    @property
    def model_side(self) -> int:
        """Longer side in the model that was requested, in pixels; 0 where it is the model's own."""
        return 0

    @property
    def draws(self) -> bool:
        """Whether another seed makes another result."""
        return True

    def check(self) -> None:
        """Refuse options that cannot be meant, before anything is loaded.

        Raises:
            ValueError: one line that says what came, what is needed and what to do.
        """
        check_options(self)
        check_texts(vars(self))

    @abstractmethod
    def check_files(self) -> tuple[int, int]:
        """Refuse unusable input files by their headers.

        Returns:
            Height and width of the pictures that will be written.

        Raises:
            InputError: a file that cannot be used.
        """

    @abstractmethod
    def inputs(self) -> list[Any]:
        """Every file that is read, and every picture in memory; the main picture first."""

    def outputs(self, path: Path) -> list[Path]:
        """Every file that `Run.save(path)` writes; of several pictures OUT-0, OUT-1, ..."""
        return numbered(path, self.images)

    def check_output(self, path: Path, reserve: int = 1 << 20) -> None:
        """Refuse an output that cannot be written, before anything is computed for it.

        Args:
            path: a file of `outputs`, or the folder.
            reserve: bytes that must fit on the disk.

        Raises:
            OutputError: the suffix or the place takes no such file.
        """
        from dreamsampler.images.save import check_output

        check_output(path, reserve)

    def shown(self) -> Image | str | None:
        """A picture in [-1, 1] that chooses the bundled model, or its name; None is drawings'."""
        return None

    @abstractmethod
    def start(self, model: Prior) -> Run[Any]:
        """Open and encode; iterate over the result to run: `for step in task.start(model): ...`.

        Raises:
            ValueError: options that cannot be meant, or inputs that cannot be used.
        """

    def __call__(
        self,
        model: Prior | BundledModels | None = None,
        *,
        progress: bool | ProgressCallback = True,
        cancel: Flag | None = None,
    ) -> Result:
        """Run the task to its end.

        Args:
            model: from `from_pretrained` or `from_pipe`; None for a bundled one (`shown`).
            progress: True for a bar in terminals and notebooks, False for none, or a function that
                is called with a `Progress` whenever that changes, and may call `run.stop()` on it.
            cancel: a flag, such as a `threading.Event`; once it is set, `Canceled` is raised.

        Raises:
            ValueError: options that cannot be meant, or inputs that cannot be used.
            Canceled: the flag was set.

        Example:
            >>> import dreamsampler as ds                                        # doctest: +SKIP
            >>> out = ds.Edit("cat.png", prompt="dog face")(ds.from_pretrained())  # doctest: +SKIP
            >>> out.images[0].size                                               # doctest: +SKIP
            (512, 512)
        """
        with shown_progress(progress, self.name()) as tell, cancellable(cancel):
            check_canceled()
            tell(Progress("read"))
            chosen, why = model_of(self, model)
            run = self.start(chosen)
            run.model_choice = why
            for count in run.fitting():
                tell(Progress("fit", count, run.fit_total, run))
            tell(Progress("step", 0, run.total, run))
            with heard_by(lambda part: tell(Progress("step", run.done, run.total, run, part=part))):
                for step in run:
                    tell(Progress("step", run.done, run.total, run, step))
            tell(Progress("decode", run.total, run.total, run))
            return run.result()


TaskType = TypeVar("TaskType", bound=Task, covariant=True)


class Run(ABC, Generic[TaskType]):
    """A task under way: iterating drives the loop, stopping the iteration pauses it.

    Attributes:
        task: what is run.
        model: the model.
        seeds: one per image.
        seconds: stage -> how long it took.
        evaluations: network evaluations of the loop so far, images times prompts.
        total: how many steps a whole run has.
        model_choice: why the model was taken, if none was named.
        done: how many there were.
        last: the newest step; None before the first one, and in a run of no steps.
        fit_total: optimizer steps before the first step.
    """

    source: Picture
    """The picture as it was read."""
    svg_so_far: str | None = None
    """The drawing of a run under way; None where there is none."""

    def __init__(self, task: TaskType, model: Prior | None, seeds: Sequence[int]) -> None:
        self.task, self.seeds = task, list(seeds)
        self.model: Prior = model  # type: ignore[assignment]  # None where no model is used
        self.seconds: dict[str, float] = {}
        self.evaluations = self.total = self.done = self.fit_total = 0
        self.last: Step | None = None
        self.model_choice = ""
        self._steps: Iterator[Step] = iter(())
        self._pictures: list[Tensor] | None = None

    def begin(self, steps: Iterator[Step], total: int) -> None:
        """Take the steps to follow, and how many there will be."""
        self._steps, self.total = steps, total

    @property
    def canvas(self) -> Picture:
        """The picture whose size, transparency, depth and color profile the results have."""
        return self.source

    def fitting(self) -> Iterator[int]:
        """Optimizer steps so far, after each; iterating over the run does what is left of them."""
        return iter(())

    def __iter__(self) -> Iterator[Step]:
        """The steps, each after it was taken; what is left can be iterated later."""
        self.seconds.setdefault("loop", 0.0)
        while True:
            check_canceled()
            before = getattr(self.model, "evaluations", 0)
            with self.timed("loop"):
                step = next(self._steps, None)
            self.evaluations += getattr(self.model, "evaluations", 0) - before
            if step is None:
                return
            self.done, self.last = self.done + 1, step
            yield step

    def run(self) -> Self:
        """Iterate to the end; returns the run itself."""
        for _ in self:
            pass
        return self

    def stop(self) -> None:
        """End here: the results are those of the newest step.

        Raises:
            ValueError: no step was taken yet.
        """
        if self.last is None:
            raise ValueError("no step was taken yet, so there is no result to stop at")
        self._steps, self.total = iter(()), self.done

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add what happens inside to a stage's seconds."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def check_finished(self) -> None:
        """Refuse to show the result of a run with steps left; ValueError."""
        if self.done < self.total:
            raise ValueError(
                f"{self.task.name()} is not finished: iterate over the run to its end first"
            )

    def preview(self, step: Step) -> Image:
        """What a step's clean latent looks like, in [-1, 1] at the model's size."""
        from dreamsampler.models.prior import preview_of

        return preview_of(self.model, step.z0)

    def pictures(self) -> list[Tensor]:
        """The results, (3, h, w) in [0, 1]; ValueError before the end."""
        self.check_finished()
        if self._pictures is None:
            import torch

            with self.timed("decode"), torch.no_grad():
                self._pictures = self._decoded()
        return self._pictures

    @abstractmethod
    def _decoded(self) -> list[Tensor]:
        """The results of a finished run."""

    @property
    def report(self) -> dict[str, Any]:
        """What was measured on the result, as plain values; empty where there is nothing."""
        return {}

    @property
    def full_report(self) -> dict[str, Any]:
        """The report, and why the model was taken."""
        return self.report | ({"model": self.model_choice} if self.model_choice else {})

    @property
    def svg(self) -> str | None:
        """The result as SVG; None where it is none."""
        return None

    @property
    def mesh(self) -> Mesh | None:
        """The result as a mesh; None where it is none."""
        return None

    def result(self) -> Result:
        """The results of a finished run; ValueError before the end."""
        self.pictures()
        return Result(self)

    def recipe(self, seconds: Mapping[str, float] | None = None) -> dict[str, Any]:
        """How the result was made, of nothing but what JSON can hold.

        Args:
            seconds: how long stages outside the run took.

        Returns:
            Keys dreamsampler, task, options, settings (method and options in one), model, input,
            seeds, evaluations, report, seconds, versions, date. "input" has name and hash of the
            first of `Task.inputs`, the size of the picture, and under "files" names and hashes of
            the other inputs in their order (masks, views, kernels).
        """
        task = self.task
        options = {f.name: getattr(task, f.name) for f in dataclasses.fields(task)}  # type: ignore[arg-type]
        for name in task.PICTURES:  # a picture in memory has no path
            if name in options:
                options[name] = option_of_input(options[name], name)
        first, *others = task.inputs() or [None]
        recipe = {
            "dreamsampler": versions()["dreamsampler"],
            "task": task.name(),
            "options": options,
            "settings": task.settings,
            "model": describe_model(self.model),
            "input": {
                **source_of(first, self.source),
                "files": [describe_input(each) for each in others],
            },
            "seeds": self.seeds,
            "evaluations": self.evaluations,
            "report": self.full_report,
            "seconds": {n: round(v, 4) for n, v in {**(seconds or {}), **self.seconds}.items()},
            "versions": {n: v for n, v in versions().items() if n != "dreamsampler"},
            "date": now(),
        }
        if not task.USES_MODEL:
            del recipe["model"], recipe["evaluations"]
        return plain(recipe)

    def files(self) -> list[tuple[Tensor, Picture, dict[str, Any]]]:
        """What is written: (picture, the one it was made from, what its recipe adds) each."""
        return [
            (picture, self.canvas, {"index": i, "seed": self.seeds[i]})
            for i, picture in enumerate(self.pictures())
        ]

    def save(self, path: str | Path, recipe: dict[str, Any] | None = None) -> list[Path]:
        """Write the results, each file whole or not at all.

        Args:
            path: where to; the suffix chooses the format.
            recipe: what the files say about their making; by default all of it; nothing if empty.

        Returns:
            `Task.outputs(path)`, with a PNG in place of what its format cannot hold.

        Raises:
            OutputError: a file cannot be written.
        """
        from dreamsampler.images.save import save_picture

        outputs = zip(self.task.outputs(Path(path)), self.files(), strict=True)
        recipe = self.recipe() if recipe is None else recipe
        return [save_picture(to, x, like, tagged(recipe, more)) for to, (x, like, more) in outputs]

    def record(self, folder: Path) -> list[Path]:
        """Write what a run has to show besides its steps: the files of `Task.RECORDS`."""
        del folder
        return []
