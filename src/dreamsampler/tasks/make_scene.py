"""The task MakeScene: a toy from known cameras, to have something to reconstruct.

Needs no model, and no torch until it is run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, final, get_args

from dreamsampler.tasks.base import Run
from dreamsampler.tasks.inputs import (
    OperatorInput,
    check_scene_folder,
    describe_input,
    is_scene_file,
)
from dreamsampler.tasks.limits import Limits
from dreamsampler.tasks.operator_task import OperatorTask
from dreamsampler.tasks.recipe import plain
from dreamsampler.version import __version__

if TYPE_CHECKING:
    from torch import Tensor

    from dreamsampler.generators.field import Camera
    from dreamsampler.images.picture import Picture

ToyName: TypeAlias = Literal["blocks", "car", "duck", "house", "mug", "rocket", "snowman", "stack"]
NAMES: tuple[ToyName, ...] = get_args(ToyName)

DISTANCE, FIELD_OF_VIEW, MIDDLE = 5.0, 36.0, 0.8
"""Of every camera, and the height that it looks at."""
LOW, HIGH = -5.0, 70.0
"""Elevations between which the cameras are spread, in degrees."""


@dataclass(frozen=True)
class MakeSceneOptions(OperatorTask):
    """The options of a scene."""

    toy: ToyName = "blocks"
    """what is there"""
    operator: OperatorInput = "none"
    """what is done to every view, such as "blur(sigma=2)" or "downsample(4)" """
    noise: float = 0.0
    """standard deviation of the noise added to the views, as a share of white"""
    masked: float = 0.0
    """share of the pixels of every view that is lost at random (nerfstudio's mask_path)"""
    views: int = 20
    """how many views"""
    held_out: int = 8
    """how many sharp views for testing"""
    size: int = 128
    """side of the views in pixels, before the operator"""
    shine: float = 0.0
    """strength of highlights, which move with the camera; 0 for colors that do not"""
    seed: int = 0
    """seed of noise and masks"""

    PICTURES: ClassVar[tuple[str, ...]] = ()
    OUTPUT: ClassVar[Literal["picture", "svg", "folder"]] = "folder"
    USES_MODEL: ClassVar[bool] = False
    LIMITS: ClassVar[Limits] = {
        **OperatorTask.LIMITS,
        "masked": (0.0, 0.99),
        "views": (2, 1000),
        "held_out": (0, 1000),
        "size": (16, 1024),
        "shine": (0.0, 1.0),
    }

    @property
    def prompt(self) -> str:
        """What the scene shows, in words."""
        from dreamsampler.generators.toy.catalog import TOYS

        return TOYS[self.toy].prompt

    def check(self) -> None:
        """Refuse options that cannot be meant; ValueError."""
        super().check()
        self.check_known()

    def inputs(self) -> list[Any]:
        """The files of the operator."""
        return list(self.description.inputs())

    def outputs(self, path: Path) -> list[Path]:
        """Views, masks, sharp held-out views and transforms.json, in a folder."""
        names = [f"view_{i:03d}.png" for i in range(self.views)]
        names += [f"mask_{i:03d}.png" for i in range(self.views)] if self.masked else []
        names += [f"held_out_{i:03d}.png" for i in range(self.held_out)]
        return [path / name for name in [*names, "transforms.json"]]

    def check_files(self) -> tuple[int, int]:
        """Look for the files of the operator; height and width of a view; InputError."""
        self.check_operator_files((self.size, self.size))
        return self.description.measured_size((self.size, self.size))

    def check_output(self, path: Path, reserve: int = 1 << 20) -> None:
        """Refuse an output folder that cannot take the scene; OutputError."""
        del reserve
        check_scene_folder(path, self.inputs())

    def angles(self, held_out: bool) -> list[tuple[float, float]]:
        """Azimuth and elevation of the cameras, in degrees: a spiral of even area.

        azimuth_i = golden angle i (+ half of it), sin elevation_i evenly between both ends
        """
        count = self.held_out if held_out else self.views
        golden = 180 * (3 - math.sqrt(5))
        low, high = (math.sin(math.radians(each)) for each in (LOW, HIGH))
        return [
            (
                golden * (i + held_out / 2) % 360,
                math.degrees(math.asin(low + (i + 0.5) / count * (high - low))),
            )
            for i in range(count)
        ]

    def rendered(self, held_out: bool = False) -> tuple[list[Camera], Tensor]:
        """Cameras and sharp pictures, (v, 3, h, w) in [0, 1].

        Example:
            >>> from dreamsampler import MakeScene
            >>> cameras, pictures = MakeScene("duck", views=2, size=16).rendered()
            >>> len(cameras), pictures.shape
            (2, torch.Size([2, 3, 16, 16]))
        """
        import torch

        from dreamsampler.generators.field import Camera
        from dreamsampler.generators.toy import Scene, render
        from dreamsampler.generators.toy.catalog import TOYS

        scene, size = Scene(TOYS[self.toy].parts, shine=self.shine), (self.size, self.size)
        target = (0.0, 0.0, MIDDLE)
        cameras = [
            Camera.orbit(*each, DISTANCE, target=target, field_of_view=FIELD_OF_VIEW, size=size)
            for each in self.angles(held_out)
        ]
        pictures = [
            torch.from_numpy(render(scene, camera, samples=4).picture).permute(2, 0, 1)
            for camera in cameras
        ]
        return cameras, torch.stack(pictures)

    def degraded(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Measurements y = A x + noise, and where they are known: (v, c, h, w), (v, 1, h, w)."""
        import torch

        op = self.description.build((self.size, self.size))
        rng = torch.Generator().manual_seed(self.seed)
        y = op.A(pictures)
        y = y + self.noise * torch.randn(y.shape, generator=rng)
        known = torch.rand((len(y), 1, *y.shape[2:]), generator=rng) >= self.masked
        return y, known.float()


@final
class MakeSceneRun(Run[MakeSceneOptions]):
    """A rendered scene; made by `MakeScene.start`. It has no steps.

    Lost pixels are black in the views and in the masks. Pictures hold 8 bits, so that noise is cut
    off at black and white.

    Attributes:
        cameras: of the views, then of the held-out views.
        shown: "view", "mask" and "held_out" -> the pictures, (v, c, h, w) in [0, 1].
    """

    def __init__(self, task: MakeSceneOptions) -> None:
        super().__init__(task, None, [task.seed])
        self.cameras, pictures = task.rendered()
        y, known = task.degraded(pictures)
        self.shown = {"view": (y * known).clamp(0, 1)}
        if task.masked:
            self.shown["mask"] = known
        if task.held_out:
            cameras, sharp = task.rendered(held_out=True)
            self.shown["held_out"] = sharp.clamp(0, 1)
            self.cameras += cameras

    def _decoded(self) -> list[Tensor]:
        return [view.expand(3, -1, -1) for view in self.shown["view"]]

    def files(self) -> list[tuple[Tensor, Picture, dict[str, Any]]]:
        """The views."""
        from dreamsampler.images.picture import Picture

        return [(x, Picture(x), {}) for x in self.pictures()]

    def recipe(self, seconds: Any = None) -> dict[str, Any]:
        """What its pictures carry."""
        del seconds
        return {
            "dreamsampler": __version__,
            "task": self.task.name(),
            "options": {f.name: plain(getattr(self.task, f.name)) for f in fields(self.task)},
            "prompt": self.task.prompt,
            "input": {"files": [describe_input(each) for each in self.task.inputs()]},
        }

    def save(self, path: str | Path, recipe: dict[str, Any] | None = None) -> list[Path]:
        """Write the scene into a folder, which appears whole or not at all."""
        from dreamsampler.files import whole_folder

        recipe = self.recipe() if recipe is None else recipe
        with whole_folder(path, is_scene_file) as part:
            self._write(part, recipe)
        return self.task.outputs(Path(path))

    def _write(self, folder: Path, recipe: dict[str, Any]) -> None:
        from dreamsampler.generators.field import write_transforms
        from dreamsampler.images.save import save_picture

        for kind, pictures in self.shown.items():
            for i, picture in enumerate(pictures):
                name = f"{kind}_{i:03d}.png"
                save_picture(folder / name, picture.expand(3, -1, -1), recipe=recipe)
        names = [path.name for path in self.task.outputs(folder)]
        names = [name for name in names if name.startswith(("view", "held_out"))]
        held_out = [name.startswith("held_out") for name in names]
        masks = [name.replace("view", "mask") if self.task.masked else None for name in names]
        masks = [None if out else mask for mask, out in zip(masks, held_out, strict=True)]
        write_transforms(folder, self.cameras, names, held_out, {"mask_path": masks})


@final
@dataclass(frozen=True)
class MakeScene(MakeSceneOptions):
    """Render a toy from known cameras and degrade its views: a scene for `reconstruct`.

    Cameras are spread evenly over a band of the sphere, those of the held-out views between the
    others. Held-out views stay sharp.
    """

    def start(self, model: Any = None) -> MakeSceneRun:
        """Render and degrade; the model is not used.

        Raises:
            ValueError: options that cannot be meant.
        """
        del model
        self.check()
        return MakeSceneRun(self)
