"""The options of the task Reconstruct; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dreamsampler.files import InputError
from dreamsampler.tasks.inputs import OperatorInput, check_scene_folder
from dreamsampler.tasks.limits import Limits
from dreamsampler.tasks.operator_task import OperatorTask

if TYPE_CHECKING:
    from dreamsampler.generators.field import Shot


@dataclass(frozen=True)
class ReconstructOptions(OperatorTask):
    """The options of a reconstruction."""

    image: Path | str
    """folder with transforms.json and pictures, as Blender's NeRF scenes and nerfstudio have it, or
    with COLMAP's sparse/0 and images"""
    operator: OperatorInput = "none"
    """what was done to every view, such as "blur(sigma=2)" or "downsample(4)" """
    noise: float | Literal["auto"] = "auto"
    """standard deviation of the views' noise, as a share of white; auto measures it"""
    prompt: str | None = None
    """what the scene shows; "front view" and its kin are added"""
    negative_prompt: str | None = None
    """what it does not show"""
    beta: float = 1.0
    """weight of the model's pictures beside the views; 0 leaves the model out"""
    num_inference_steps: int = 8
    """noise levels at which the model is used"""
    guidance_scale: float = 1.0
    """CFG weight of the prompt; 1 follows the prompt without guidance"""
    strength: float | None = None
    """0 leaves the model out, 1 starts from pure noise: higher may change larger shapes (by default
    0.3, 0.15 where views are not of the model's own size, 0.1 where they are whole and sharp)"""
    fit_steps: int = 350
    """optimizer steps on the views alone, before the model is used"""
    update_steps: int = 10
    """optimizer steps for each level, taken at the end of a pass over the levels"""
    deconvolve: bool = True
    """whether, where views were degraded at full size, the scene also follows the flattest picture
    that explains each; --no-deconvolve has it follow the views alone"""
    solid: bool = True
    """what differs from the background, in views that are sharp or were deconvolved, lets no light
    through; --no-solid for glass and smoke"""
    smoothness: float | None = None
    """weight of total variation, higher for noisier views (by default 0.005 at 72 voxels, and in
    proportion to them)"""
    resolution: int | None = None
    """voxels along the longest side (by default nine for every 16 pixels, 48 to 192)"""
    degree: Literal[0, 1, 2] = 0
    """of spherical harmonics: 0 for colors that look the same from everywhere"""
    background: Literal["white", "black"] = "white"
    """what is behind the scene"""
    radius: float | None = None
    """of the sphere that holds the scene, in its own units (by default what all cameras see)"""
    size: int | None = None
    """longer side of a view in the model, in pixels (by default about the area the model knows)"""
    new_views: int = 0
    """views between the cameras that the model is shown as well"""
    turntable: int = 36
    """pictures of the turntable; 0 for none"""
    mp4: bool = False
    """write the turntable as turntable.mp4, too (needs the extra "video")"""
    seed: int = 0
    """seed of the noise and of the order of the views"""

    OUTPUT: ClassVar[Literal["picture", "svg", "folder"]] = "folder"
    PICTURES: ClassVar[tuple[str, ...]] = ()
    LIMITS: ClassVar[Limits] = {
        **OperatorTask.LIMITS,
        "beta": (0.0, 1e3),
        "fit_steps": (1, 10**6),
        "update_steps": (1, 10**4),
        "smoothness": (0.0, 1e3),
        "resolution": (8, 512),
        "radius": (1e-6, 1e6),
        "new_views": (0, 1000),
        "turntable": (0, 1000),
    }

    @property
    def model_side(self) -> int:
        """Longer side in the model that was requested, in pixels; 0 where it is the model's own."""
        return self.size or 0

    def check(self) -> None:
        """Refuse options that cannot be meant; ValueError."""
        super().check()
        self.check_known()
        if self.mp4:
            from dreamsampler.images.animation import check_mp4

            if not self.turntable:
                raise InputError("mp4 needs a turntable: give its pictures, such as 36")
            check_mp4()
        if self.negative_prompt and not (self.prompt or "").strip():
            raise InputError("negative_prompt came without a prompt: name what the scene shows")
        if self.negative_prompt and self.guidance_scale == 1:
            raise InputError(
                "negative_prompt does nothing at guidance_scale 1: raise guidance_scale, such as 2"
            )

    def shots(self) -> list[Shot]:
        """Every view that the scene names, the held-out ones last; InputError."""
        from dreamsampler.generators.field import read_scene

        return read_scene(self.image)

    def inputs(self) -> list[Any]:
        """The description of the scene, its pictures and masks, and the files of the operator."""
        from dreamsampler.generators.field import scene_files

        shots = self.shots()
        pictures = [path for s in shots for path in (s.path, s.mask) if path is not None]
        return [*scene_files(self.image), *pictures, *self.description.inputs()]

    def check_files(self) -> tuple[int, int]:
        """Look at the scene and the headers of its pictures; height and width of the renders.

        Raises:
            InputError: a scene or a picture that cannot be used, views of different sizes, or
                cameras that do not stand around anything.
        """
        from dreamsampler.tasks.reconstruct.views import check_views

        self.check_operator_files()
        return check_views(self.shots(), self.description, self.radius)

    def outputs(self, path: Path) -> list[Path]:
        """Everything in the folder, the renders first.

        Renders and depths of the held-out views, or of all views if none is held out;
        transforms.json; field.safetensors; mesh.ply and mesh.glb; turntable.gif and turntable.mp4.
        """
        count = len(shown(self.shots()))
        renders = [path / f"{kind}_{i:03d}.png" for kind in ("view", "depth") for i in range(count)]
        names = ["transforms.json", "field.safetensors", "mesh.ply", "mesh.glb"]
        names += ["turntable.gif"] * bool(self.turntable) + ["turntable.mp4"] * self.mp4
        return renders + [path / name for name in names]

    def check_output(self, path: Path, reserve: int = 1 << 20) -> None:
        """Refuse an output folder that cannot take the scene; OutputError."""
        del reserve
        check_scene_folder(path, self.inputs())


def shown(shots: list[Shot]) -> list[Shot]:
    """The views that are rendered at the end: the held-out ones, or all if there are none."""
    return [shot for shot in shots if shot.held_out] or shots
