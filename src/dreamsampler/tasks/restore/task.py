"""The task Restore: undo what a camera, a file format or an accident did to a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from dreamsampler.tasks.restore.options import RestoreOptions

if TYPE_CHECKING:
    from dreamsampler.models.prior import Prior
    from dreamsampler.tasks.restore.run import RestoreRun


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

    def start(self, model: Prior) -> RestoreRun:
        """Open the picture and make a first guess; iterate over the result to run.

        Raises:
            ValueError: options that cannot be meant, or a picture that cannot be used.
        """
        from dreamsampler.tasks.restore.run import RestoreRun

        self.check()
        return RestoreRun(self, model)
