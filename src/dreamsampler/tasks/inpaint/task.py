"""The task Inpaint: fill holes with what a prompt asks for; needs no torch until it is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from dreamsampler.tasks.inpaint.options import InpaintOptions

if TYPE_CHECKING:
    from dreamsampler.models.prior import Prior
    from dreamsampler.tasks.inpaint.run import InpaintRun


@final
@dataclass(frozen=True)
class Inpaint(InpaintOptions):
    """Paint what a prompt asks for into holes of a picture; every other pixel stays as it is.

    Example:
        >>> import dreamsampler as ds                                            # doctest: +SKIP
        >>> task = ds.Inpaint("face.png", "nerd face", mask_image="eyes.png")    # doctest: +SKIP
        >>> task(ds.from_pretrained()).save("nerd.png")                          # doctest: +SKIP
    """

    def start(self, model: Prior) -> InpaintRun:
        """Open the pictures and encode them; iterate over the result to run.

        Raises:
            ValueError: options that cannot be meant, or pictures that cannot be used.
        """
        from dreamsampler.tasks.inpaint.run import InpaintRun

        self.check()
        return InpaintRun(self, model)
