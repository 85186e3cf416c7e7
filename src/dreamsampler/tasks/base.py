"""What the faces ask of a task and of its run; needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from dreamsampler.images.picture import InMemoryImages, Picture
    from dreamsampler.maths import Image, Step
    from dreamsampler.models.prior import Prior


@runtime_checkable
class Asked(Protocol):
    """A frozen dataclass of plain values that says what is wanted, from files to files."""

    def check(self) -> None:
        """Refuse options that cannot be meant, before anything is loaded; ValueError."""
        ...

    def check_files(self) -> tuple[int, int]:
        """Refuse unusable input files by their headers; InputError.

        Returns:
            Height and width of the pictures that will be written.
        """
        ...

    def inputs(self) -> list[Path]:
        """Every file that is read, the picture itself first."""
        ...

    def outputs(self, path: Path) -> list[Path]:
        """Every file that `Run.save(path)` writes."""
        ...


@runtime_checkable
class Task(Asked, Protocol):
    """What is wanted of a model."""

    def start(self, prior: Prior) -> Run:
        """Open and encode; iterate over the result to run."""
        ...


@runtime_checkable
class PictureTask(Task, Protocol):
    """A task whose pictures may be in memory."""

    def start(self, prior: Prior, held: InMemoryImages | None = None) -> Run:
        """Open and encode; iterate over the result to run.

        Args:
            prior: the model.
            held: pictures in memory, by the names under which the task asks for them.
        """
        ...


@runtime_checkable
class WritesFolder(Protocol):
    """A task whose output is a folder of files."""

    def check_folder(self, path: Path) -> None:
        """Refuse a folder that cannot be written, or that holds what is not the task's own."""
        ...


@runtime_checkable
class Fits(Protocol):
    """A run that fits something to its data before the first moment."""

    @property
    def fits(self) -> int:
        """Optimizer steps of the fit."""
        ...

    def fitting(self) -> Iterator[int]:
        """Steps of the fit so far, after each; iterating over the run does what is left of it."""
        ...


@runtime_checkable
class Recorded(Protocol):
    """A run that has more to show of itself than its moments."""

    def record(self, folder: Path) -> list[Path]:
        """Write that, after the result; the files are named by the task's `RECORDS`."""
        ...


@runtime_checkable
class Run(Protocol):
    """A task under way: iterating drives the loop, stopping cancels it."""

    @property
    def source(self) -> Picture:
        """The picture as it was read."""
        ...

    @property
    def seeds(self) -> list[int]:
        """One per picture."""
        ...

    @property
    def total(self) -> int:
        """How many moments a whole run has."""
        ...

    @property
    def seconds(self) -> dict[str, float]:
        """Stage -> how long it took."""
        ...

    @property
    def evaluations(self) -> int:
        """Network evaluations so far, images times prompts."""
        ...

    @property
    def report(self) -> dict[str, Any]:
        """What was measured on the result, as plain values; empty where there is nothing."""
        ...

    def __iter__(self) -> Iterator[Step]:
        """The moments, each after its step."""
        ...

    def preview(self, step: Step) -> Image:
        """What a moment's clean latent looks like, in [-1, 1] at the model's size."""
        ...

    def pictures(self) -> list[Tensor]:
        """The results, (3, h, w) in [0, 1]; ValueError before the end."""
        ...

    def save(self, path: str | Path, recipe: dict[str, Any] | None = None) -> list[Path]:
        """Write the results; returns `Task.outputs(path)`."""
        ...
