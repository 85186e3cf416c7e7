"""The tasks that use a model: their options, and how a run of each is started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from dreamsampler.tasks.edit.options import EditOptions
from dreamsampler.tasks.inpaint.options import InpaintOptions
from dreamsampler.tasks.reconstruct.options import ReconstructOptions
from dreamsampler.tasks.restore.options import RestoreOptions
from dreamsampler.tasks.vectorize.options import VectorizeOptions

if TYPE_CHECKING:
    from dreamsampler.maths import Image
    from dreamsampler.models.prior import Prior
    from dreamsampler.tasks.edit.run import EditRun
    from dreamsampler.tasks.inpaint.run import InpaintRun
    from dreamsampler.tasks.reconstruct.run import ReconstructRun
    from dreamsampler.tasks.restore.run import RestoreRun
    from dreamsampler.tasks.vectorize.run import VectorizeRun


@final
@dataclass(frozen=True)
class Edit(EditOptions):
    """Change a picture towards a prompt, and keep what the prompt does not ask for.

    Example:
        >>> import dreamsampler as ds                                           # doctest: +SKIP
        >>> out = ds.Edit("cat.png", "dog face", "cat face")(ds.from_pretrained())  # doctest: +SKIP
        >>> out.save("dog.png")                                                 # doctest: +SKIP
    """

    def start(self, model: Prior) -> EditRun:
        """As `Task.start`."""
        from dreamsampler.tasks.edit.run import EditRun

        self.check()
        return EditRun(self, model)


@final
@dataclass(frozen=True)
class Inpaint(InpaintOptions):
    """Paint what a prompt asks for into holes of a picture; every other pixel stays as it is.

    Example:
        >>> import dreamsampler as ds                                            # doctest: +SKIP
        >>> task = ds.Inpaint("face.png", "nerd face", mask_image="eyes.png")    # doctest: +SKIP
        >>> task(ds.from_pretrained()).save("nerd.png")                          # doctest: +SKIP
    """

    def shown(self) -> Image | None:
        """As `Task.shown`: of `remove`, the picture with its holes closed smoothly."""
        from dreamsampler.tasks.inpaint.run import shown

        return shown(self) if self.remove else None

    def start(self, model: Prior) -> InpaintRun:
        """As `Task.start`."""
        from dreamsampler.tasks.inpaint.run import InpaintRun

        self.check()
        return InpaintRun(self, model)


@final
@dataclass(frozen=True)
class Restore(RestoreOptions):
    """Undo a known or guessed degradation of a picture: blur, low resolution, lost pixels, JPEG.

    Example:
        >>> import dreamsampler as ds                                              # doctest: +SKIP
        >>> task = ds.Restore("blurred.png", "blur(sigma=3)", prompt="cat face")   # doctest: +SKIP
        >>> out = task(ds.from_pretrained())                                       # doctest: +SKIP
        >>> out.save("sharp.png"); print(out.report)                               # doctest: +SKIP
    """

    def shown(self) -> Image | None:
        """As `Task.shown`: without a prompt, what the picture was like before."""
        from dreamsampler.tasks.restore.run import shown

        return None if (self.prompt or "").strip() else shown(self)

    def start(self, model: Prior) -> RestoreRun:
        """As `Task.start`."""
        from dreamsampler.tasks.restore.run import RestoreRun

        self.check()
        return RestoreRun(self, model)


@final
@dataclass(frozen=True)
class Vectorize(VectorizeOptions):
    """Draw a picture (sharp or degraded), a prompt, or an SVG file anew, with few colored paths.

    Example:
        >>> import dreamsampler as ds                                              # doctest: +SKIP
        >>> task = ds.Vectorize("blurred.png", "blur(3)", prompt="cat face")       # doctest: +SKIP
        >>> out = task(ds.from_pretrained())                                       # doctest: +SKIP
        >>> out.save("cat.svg"); print(out.report)                                 # doctest: +SKIP
    """

    def start(self, model: Prior) -> VectorizeRun:
        """As `Task.start`."""
        from dreamsampler.tasks.vectorize.run import VectorizeRun

        self.check()
        self.check_files()
        return VectorizeRun(self, model)


@final
@dataclass(frozen=True)
class Reconstruct(ReconstructOptions):
    """A sharp scene in three dimensions, from views that are blurred, small, masked or few.

    Example:
        >>> import dreamsampler as ds                                              # doctest: +SKIP
        >>> task = ds.Reconstruct("car-views", "blur(2)", prompt="a toy car")      # doctest: +SKIP
        >>> out = task(ds.from_pretrained())                                       # doctest: +SKIP
        >>> out.save("car"); out.mesh.save("car.glb")                              # doctest: +SKIP
    """

    def start(self, model: Prior) -> ReconstructRun:
        """As `Task.start`."""
        from dreamsampler.tasks.reconstruct.run import ReconstructRun

        self.check()
        self.check_files()
        return ReconstructRun(self, model)
