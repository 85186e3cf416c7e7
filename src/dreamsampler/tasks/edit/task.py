"""The task Edit: change what a prompt asks for, keep the rest.

Importing this file needs no torch, so that `dreamsampler --help` answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias, final

from dreamsampler.files import numbered
from dreamsampler.images.header import check_mask, check_picture
from dreamsampler.tasks.limits import Limits, check_numbers

if TYPE_CHECKING:
    from dreamsampler.images.picture import InMemoryImages
    from dreamsampler.models.prior import Prior
    from dreamsampler.regularizers.parse import Regularizers
    from dreamsampler.tasks.edit.run import EditRun

Preset: TypeAlias = Literal["default", "ledits", "flowedit", "paper"]


@final
@dataclass(frozen=True)
class Settings:
    """What a preset leaves open, and its choice; None marks an option that it does not have.

    Args:
        num_inference_steps: noise levels visited.
        guidance_scale: CFG weight of the target prompt.
        source_guidance_scale: CFG weight of the source prompt.
        strength: where the walk begins, as a share of the way from clean (0) to noise (1).
        shift: spacing of the levels (`samplers.flow_shifted`).
        gamma: weight of the target in the published update.
        draws: whether the preset draws noise, so that seeds make different pictures.
    """

    num_inference_steps: int
    guidance_scale: float | None
    source_guidance_scale: float | None
    strength: float | None
    shift: float | None
    gamma: float | None
    draws: bool


PRESETS: dict[Preset, Settings] = {
    "default": Settings(16, 5.0, None, 0.75, 1.0, None, True),
    # 20 levels near our likeness; published for Stable Diffusion: 42 of 50, threshold 0.75 to 0.9
    "ledits": Settings(20, 7.5, None, 0.65, 1.0, None, True),
    # published for Stable Diffusion 3: the last 33 of 50 steps, spaced with shift 3
    "flowedit": Settings(33, 13.5, 3.5, 0.853, 3.0, None, True),
    "paper": Settings(200, None, None, None, None, 0.2, False),
}


@final
@dataclass(frozen=True)
class Edit:
    """Change a picture towards a prompt, and keep what the prompt does not ask for."""

    image: Path | str
    """picture to edit: any size, any common format"""
    prompt: str
    """what the picture should show"""
    source_prompt: str | None = None
    """what it shows now; naming it keeps more of the picture"""
    negative_prompt: str | None = None
    """what it should not show (the null prompt if left out)"""
    preset: Preset = "default"
    """default: the one to begin with; ledits: LEDITS++, changes less and keeps more, for UNets;
    flowedit: FlowEdit as published, made for Stable Diffusion 3; paper: DreamSampler as published,
    to compare with it, many times slower"""
    num_inference_steps: int | None = None
    """noise levels to visit; more is slower, not stronger"""
    guidance_scale: float | None = None
    """CFG weight of the prompt: higher changes more"""
    source_guidance_scale: float | None = None
    """preset flowedit only: CFG weight of the source prompt"""
    strength: float | None = None
    """0 changes nothing, 1 starts from pure noise: higher may change larger shapes"""
    gamma: float | None = None
    """preset paper only: weight of the prompt in the published update"""
    mask_image: Path | str | None = None
    """white may change, black comes back bit for bit; of the size of the picture"""
    seed: int = 0
    """seed of the noise; image i of several takes seed + i"""
    num_images: int = 1
    """how many variations"""
    size: int | None = None
    """longer side in the model, in pixels (by default about the area the model knows best)"""
    regularize: str | None = None
    """what else the result should be: symmetry, tileable, total_variation(weight),
    palette(picture), reference_style(picture); several with |"""

    LIMITS: ClassVar[Limits] = {
        "num_inference_steps": (1, 1000),
        "guidance_scale": (0.0, 100.0),
        "source_guidance_scale": (0.0, 100.0),
        "strength": (0.0, 1.0),
        "gamma": (0.0, 100.0),
        "seed": (0, 2**63 - 1),
        "num_images": (1, 64),
        "size": (16, 8192),
    }

    @property
    def settings(self) -> Settings:
        """The preset, with this task's own choices in it."""
        base = PRESETS[self.preset]
        chosen = {
            f.name: getattr(self, f.name)
            for f in fields(Settings)
            if getattr(self, f.name, None) is not None
        }
        return Settings(**{f.name: getattr(base, f.name) for f in fields(Settings)} | chosen)

    @property
    def regularizers(self) -> Regularizers | None:
        """What `regularize` says, read; ValueError for what names none."""
        if self.regularize is None:
            return None
        from dreamsampler.regularizers.parse import read_regularizers

        return read_regularizers(self.regularize)

    def check(self) -> None:
        """Refuse what cannot be meant, before anything is loaded.

        Raises:
            ValueError: with one line that says what came, what was wanted and what to do.
        """
        if not isinstance(self.prompt, str) or not self.prompt.strip():
            raise ValueError("the prompt is empty: say what the picture should show")
        if self.preset not in PRESETS:
            known = ", ".join(PRESETS)
            raise ValueError(f"there is no preset {self.preset!r}: choose one of {known}")
        check_numbers(self, self.LIMITS)
        self._check_preset()
        _ = self.regularizers

    def _check_preset(self) -> None:
        """An option that a preset does not have is refused, never ignored."""
        base = PRESETS[self.preset]
        for name in ("guidance_scale", "source_guidance_scale", "strength", "gamma"):
            if getattr(self, name) is not None and getattr(base, name) is None:
                has = [f.name for f in fields(Settings) if getattr(base, f.name) is not None]
                options = ", ".join(n for n in has if n not in ("draws", "shift"))
                raise ValueError(f"preset {self.preset} has no {name}; it has {options}")
        if self.preset == "ledits" and (self.source_prompt is not None or self.negative_prompt):
            raise ValueError(
                "preset ledits reads the source under the null prompt, as published: leave "
                "source_prompt and negative_prompt out, or take the default preset"
            )
        if base.draws:
            return
        if self.source_prompt is not None:
            raise ValueError(
                f"preset {self.preset} inverts without a source prompt, as published: "
                "leave source_prompt out"
            )
        if self.negative_prompt:
            raise ValueError(
                f"preset {self.preset} keeps most of what it sees under the null prompt, so a "
                "negative prompt would be approached: leave negative_prompt out"
            )
        if self.num_images > 1 or self.seed:
            raise ValueError(
                f"preset {self.preset} draws no noise, so every seed gives the same picture: "
                "leave seed and num_images out"
            )

    def inputs(self) -> list[Path]:
        """The picture, the mask if there is one, and the pictures that `regularize` names."""
        found = [Path(each) for each in (self.image, self.mask_image) if each is not None]
        more = self.regularizers
        return found if more is None else [*found, *more.inputs()]

    def check_files(self) -> tuple[int, int]:
        """Look at the headers of the inputs; height and width of the picture."""
        size_hw = check_picture(self.image)
        if self.mask_image is not None:
            check_mask(self.mask_image, size_hw)
        if self.regularizers is not None:
            for path in self.regularizers.inputs():
                check_picture(path)
        return size_hw

    def outputs(self, path: Path) -> list[Path]:
        """One picture, or OUT-0, OUT-1, ... for several."""
        return numbered(path, self.num_images)

    def start(self, prior: Prior, held: InMemoryImages | None = None) -> EditRun:
        """Open the pictures and encode them; iterate over the result to run.

        Args:
            prior: the model.
            held: pictures that are in memory (`images.memory.picture_of`), by the names under which
                this task asks for them; every other name is a file.

        Example:
            >>> from dreamsampler import Edit, from_pretrained        # doctest: +SKIP
            >>> task = Edit("cat.png", "dog face", "cat face")        # doctest: +SKIP
            >>> run = task.start(from_pretrained())                   # doctest: +SKIP
            >>> for step in run: print(step.index, "of", run.total)     # doctest: +SKIP
            >>> run.save("dog.png")                                   # doctest: +SKIP

        Raises:
            ValueError: options that cannot be meant, or pictures that cannot be used.
        """
        from dreamsampler.tasks.edit.run import EditRun

        self.check()
        return EditRun(self, prior, held)
