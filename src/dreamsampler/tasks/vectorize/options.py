"""The options of the task Vectorize; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

from dreamsampler.files import InputError, OutputError, check_writable
from dreamsampler.images.header import SHORTEST_SIDE, check_picture
from dreamsampler.tasks.inputs import ImageInput, OperatorInput
from dreamsampler.tasks.limits import Limits
from dreamsampler.tasks.operator_task import OperatorTask

Kind: TypeAlias = Literal["picture", "svg", "prompt"]

CANVAS = 512
"""Longer side of the canvas of an SVG file or a prompt alone, whatever the view box, in pixels."""
MOST_PIXELS = 1 << 20
"""A canvas of more is refused: paths have no more detail than that, and take minutes."""

_NEEDED = {
    "prompt": "there is neither a picture nor a prompt: give one of them",
    "svg": "an SVG file came without a prompt: say what it should show",
}


@dataclass(frozen=True)
class VectorizeOptions(OperatorTask):
    """The options of a vectorization."""

    image: ImageInput | None = None
    """picture, up to a megapixel, or .svg file to edit; left out, the prompt is drawn"""
    operator: OperatorInput = "none"
    """what was done to the picture, such as "blur(sigma=3)"; none draws it as it is"""
    noise: float | Literal["auto"] = "auto"
    """standard deviation of its noise, as a share of white; auto measures it"""
    prompt: str | None = None
    """what the drawing should show; of a picture, what it shows"""
    source_prompt: str | None = None
    """what the SVG file shows now; naming it keeps more of it"""
    negative_prompt: str | None = None
    """what it does not show; acts where guidance_scale is not 1"""
    paths: int = 64
    """how many paths at most; of an SVG file: how many new ones"""
    segments: int = 4
    """cubic segments a path (for init trace, the tracer decides)"""
    init: Literal["trace", "component", "random"] = "component"
    """component: first paths are disks where the error is largest; random: disks anywhere; trace:
    the outlines of a tracer"""
    size: int | None = None
    """longer side in the model, in pixels (by default about the area it knows best); of an SVG file
    or a prompt alone: longer side of the canvas (512)"""
    beta: float = 1.0
    """weight of the model; 0 fits the data alone"""
    num_inference_steps: int = 8
    """noise levels to visit; twice as many to edit an SVG file or draw a prompt"""
    guidance_scale: float | None = None
    """CFG weight of the prompt (1 for pictures, 5 for SVG files and prompts)"""
    strength: float | None = None
    """noise of the first level, as flow time: higher changes more (pictures 0.3, SVG 0.75)"""
    fit_steps: int = 500
    """optimizer steps that fit the data before the model is used"""
    update_steps: int = 20
    """optimizer steps a level"""
    crossing: float = 1.0
    """weight against paths that cross themselves; 0 leaves crossings alone"""
    loss: float | None = None
    """leave out paths at the end as long as that costs at most so many dB; 0 keeps all (by default
    3 for what the model has restored, 1 for the rest)"""
    seed: int = 0
    """seed of the paths and the noise"""

    OUTPUT: ClassVar[Literal["picture", "svg", "folder"]] = "svg"
    RECORDS: ClassVar[tuple[str, ...]] = ("paths.gif", "beside.png")

    LIMITS: ClassVar[Limits] = {
        **OperatorTask.LIMITS,
        "paths": (1, 4096),
        "segments": (2, 64),
        "size": (16, 1024),
        "beta": (0.0, 1e6),
        "fit_steps": (1, 10**6),
        "update_steps": (1, 10**4),
        "crossing": (0.0, 1e6),
        "loss": (0.0, 100.0),
    }

    @property
    def model_side(self) -> int:
        """Longer side in the model that was requested, in pixels; 0 where it is the model's own."""
        return self.size or 0

    def check(self) -> None:
        """Refuse options that cannot be meant; ValueError."""
        super().check()
        self.check_known()
        if self.init == "trace" and self.segments != 4:
            raise InputError(
                "segments came with init trace, where the tracer decides: leave it out"
            )
        prompted = bool((self.prompt or "").strip())
        for name in ("guidance_scale", "negative_prompt"):
            if getattr(self, name) is not None and not prompted:
                raise InputError(f"{name} came without a prompt: name what the picture shows")
        if self.kind != "picture" and not prompted:
            raise InputError(_NEEDED[self.kind])
        self._check_kind()

    @property
    def kind(self) -> Kind:
        """What is drawn: a "picture", an "svg" file to edit, or a "prompt"."""
        if self.image is None:
            return "prompt"
        path = self.image if isinstance(self.image, str | Path) else ""
        return "svg" if Path(path).suffix.lower() == ".svg" else "picture"

    def _check_kind(self) -> None:
        """An option that means nothing for this kind of input is refused, never ignored."""
        kind = self.kind
        fit = ("operator", "noise", "init", "segments", "beta", "fit_steps", "update_steps")
        traced = (*fit, "crossing", "loss")  # where nothing is measured, paths are traced
        idle = {
            "picture": ("source_prompt",),
            "svg": traced,
            "prompt": (*traced, "source_prompt", "strength"),
        }[kind]
        usual = {each.name: each.default for each in fields(self)}
        for name in idle:
            if getattr(self, name) != usual[name]:
                what = {"picture": "a picture", "svg": "an SVG file", "prompt": "a prompt alone"}
                raise InputError(f"{name} came with {what[kind]}, which has none: leave it out")

    def check_files(self) -> tuple[int, int]:
        """Look at the headers of the inputs; height and width of the canvas.

        Raises:
            InputError: if a file cannot be used, or the canvas would be larger than a megapixel.
        """
        if self.image is None:
            side = self.size or CANVAS
            return side, side
        if self.kind == "svg":
            from dreamsampler.generators.vector import read_svg

            scene = read_svg(self.image, self.size or CANVAS)
            return self._canvas((scene.height, scene.width))
        measured = check_picture(self.image)
        self.check_operator_files()
        size_hw = self._canvas(measured)
        self.description.check_files(size_hw)
        return size_hw

    def _canvas(self, measured: tuple[int, int]) -> tuple[int, int]:
        height, width = self.description.input_size(measured)
        if height * width > MOST_PIXELS:
            raise InputError(
                f"the canvas would have {width}x{height} pixels, but a megapixel is the most: "
                "scale the picture down first, or give an SVG file a size"
            )
        if min(height, width) < SHORTEST_SIDE:
            raise InputError(
                f"the canvas would have {width}x{height} pixels, but {SHORTEST_SIDE} a side are "
                "the least: take a larger picture, or give an SVG file a size"
            )
        return height, width

    def check_output(self, path: Path, reserve: int = 1 << 20) -> None:
        """Refuse what is no SVG file, or cannot be written; OutputError."""
        if path.suffix.lower() != ".svg":
            raise OutputError(f"{path} is no SVG file: call it {path.with_suffix('.svg').name}")
        check_writable(path, reserve)

    def inputs(self) -> list[Any]:
        """The picture or SVG file if there is one, and the files of the operator."""
        own = [] if self.image is None else [self.image]
        return [*own, *self.description.inputs()]

    def outputs(self, path: Path) -> list[Path]:
        """The SVG file."""
        return [path]
