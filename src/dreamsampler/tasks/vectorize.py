"""The task Vectorize: a vector graphic from a picture, also from a degraded one.

Importing this file needs no torch, so that `dreamsampler --help` answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, final

from dreamsampler.files import InputError, OutputError, check_writable
from dreamsampler.tasks.header import check_picture
from dreamsampler.tasks.limits import Limits, check_numbers

if TYPE_CHECKING:
    from dreamsampler.models.prior import Prior
    from dreamsampler.operators.spec import Description
    from dreamsampler.tasks.picture import Held
    from dreamsampler.tasks.vectorize_run import VectorizeRun

MOST_PIXELS = 1 << 20
"""A canvas of more is refused: paths have no more detail than that, and take minutes."""


@final
@dataclass(frozen=True)
class Vectorize:
    """Draw a picture, sharp or degraded, with few colored paths: an SVG file."""

    image: Path | str
    """picture: any common format, up to a megapixel"""
    operator: str = "none"
    """what was done to it, such as "blur(sigma=3)"; none draws the picture as it is"""
    noise: float | Literal["auto"] = "auto"
    """standard deviation of its noise, as a share of white; auto measures it"""
    prompt: str | None = None
    """what the picture shows, if that is known"""
    negative_prompt: str | None = None
    """what it does not show; acts where guidance_scale is not 1"""
    paths: int = 64
    """how many paths at most"""
    segments: int = 4
    """cubic segments a path (for init trace, the tracer decides)"""
    init: Literal["components", "random", "trace"] = "components"
    """components: first paths are disks where the error is largest; random: disks anywhere; trace:
    the outlines of a tracer"""
    beta: float = 1.0
    """weight of the model; 0 fits the data alone"""
    num_inference_steps: int = 30
    """noise levels to visit"""
    guidance_scale: float | None = None
    """CFG weight of the prompt (5, or 1 for models that want none)"""
    strength: float = 0.5
    """noise of the first level, as flow time: higher lets the model change more"""
    steps: int = 500
    """optimizer steps that fit the data before the model is asked"""
    inner_steps: int = 20
    """optimizer steps a level"""
    crossing: float = 1.0
    """weight against paths that cross themselves"""
    loss: float = 0.0
    """leave out paths at the end as long as the picture stays within so many dB; 0 keeps all"""
    seed: int = 0
    """seed of the paths and the noise"""

    LIMITS: ClassVar[Limits] = {
        "paths": (1, 4096),
        "segments": (2, 64),
        "beta": (0.0, 1e6),
        "num_inference_steps": (1, 1000),
        "guidance_scale": (0.0, 100.0),
        "strength": (0.0, 1.0),
        "steps": (1, 10**6),
        "inner_steps": (1, 10**4),
        "crossing": (0.0, 1e6),
        "loss": (0.0, 100.0),
        "seed": (0, 2**63 - 1),
    }

    @property
    def description(self) -> Description:
        """The operator, read; ValueError for what names none."""
        from dreamsampler.operators.spec import parse

        return parse(self.operator)

    def check(self) -> None:
        """Refuse what cannot be meant, before anything is loaded.

        Raises:
            ValueError: with one line that says what came, what was wanted and what to do.
        """
        check_numbers(self, self.LIMITS)
        if self.init not in ("components", "random", "trace"):
            raise ValueError(f"init is {self.init!r}: choose components, random or trace")
        from dreamsampler.tasks.restore import _check_noise

        _check_noise(self.noise)
        if self.description.unknown:
            raise ValueError(
                f"operator {self.operator} leaves a number open: measure it first, for instance "
                "with dreamsampler restore"
            )
        if self.init == "trace" and self.segments != 4:
            raise ValueError(
                "segments came with init trace, where the tracer decides: leave it out"
            )
        prompted = bool((self.prompt or "").strip())
        for name in ("guidance_scale", "negative_prompt"):
            if getattr(self, name) is not None and not prompted:
                raise ValueError(f"{name} came without a prompt: name what the picture shows")

    def check_files(self) -> tuple[int, int]:
        """Look at the headers of the inputs; height and width of the canvas.

        Raises:
            InputError: if a file cannot be used, or the canvas would be larger than a megapixel.
        """
        measured = check_picture(self.image)
        for path in self.description.inputs():
            if not path.is_file():
                raise InputError(f"there is no file {path}, which the operator names")
        return self._canvas(measured)

    def _canvas(self, measured: tuple[int, int]) -> tuple[int, int]:
        height, width = self.description.input_size(measured)
        if height * width > MOST_PIXELS:
            raise InputError(
                f"the canvas would have {width}x{height} pixels, but a megapixel is the most: "
                "scale the picture down first"
            )
        return height, width

    def check_output(self, path: Path, reserve: int = 1 << 20) -> None:
        """Refuse what is no SVG file, or cannot be written; OutputError."""
        if path.suffix.lower() != ".svg":
            raise OutputError(f"{path} is no SVG file: call it {path.with_suffix('.svg').name}")
        check_writable(path, reserve)

    def inputs(self) -> list[Path]:
        """The picture, and the files of the operator."""
        return [Path(self.image), *self.description.inputs()]

    def outputs(self, path: Path) -> list[Path]:
        """The SVG file."""
        return [path]

    def start(self, prior: Prior, held: Held | None = None) -> VectorizeRun:
        """Open the picture; iterate over the result to run.

        Args:
            prior: the model.
            held: pictures that are in memory (`tasks.memory.picture_of`), by the names under which
                this task asks for them; every other name is a file.

        Example:
            >>> from dreamsampler import from_pretrained                      # doctest: +SKIP
            >>> from dreamsampler.tasks import Vectorize                      # doctest: +SKIP
            >>> task = Vectorize("blurred.png", "blur(3)", prompt="cat face")  # doctest: +SKIP
            >>> run = task.start(from_pretrained())                           # doctest: +SKIP
            >>> for now in run: print(now.index, "of", run.total)             # doctest: +SKIP
            >>> run.save("cat.svg"); print(run.report)                        # doctest: +SKIP

        Raises:
            ValueError: options that cannot be meant, or a picture that cannot be used.
        """
        from dreamsampler.tasks.vectorize_run import VectorizeRun

        self.check()
        if held and str(self.image) in held:
            self._canvas(held[str(self.image)].size)
        else:
            self.check_files()
        return VectorizeRun(self, prior, held)
