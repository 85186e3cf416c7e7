"""The task Reconstruct: a scene from degraded views of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from dreamsampler.tasks.reconstruct.options import ReconstructOptions

if TYPE_CHECKING:
    from dreamsampler.models.prior import Prior
    from dreamsampler.tasks.reconstruct.run import ReconstructRun


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
        """Open the views; iterate over the result to run.

        Raises:
            ValueError: options that cannot be meant, or a scene that cannot be used.
        """
        from dreamsampler.tasks.reconstruct.run import ReconstructRun

        self.check()
        self.check_files()
        return ReconstructRun(self, model)
