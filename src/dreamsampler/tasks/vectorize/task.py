"""The task Vectorize: a vector graphic from a picture, a prompt or another vector graphic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from dreamsampler.tasks.vectorize.options import VectorizeOptions

if TYPE_CHECKING:
    from dreamsampler.models.prior import Prior
    from dreamsampler.tasks.vectorize.run import VectorizeRun


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
        """Open the picture; iterate over the result to run.

        Raises:
            ValueError: options that cannot be meant, or a picture that cannot be used.
        """
        from dreamsampler.tasks.vectorize.run import VectorizeRun

        self.check()
        self.check_files()
        return VectorizeRun(self, model)
