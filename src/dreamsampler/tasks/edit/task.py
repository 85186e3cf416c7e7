"""The task Edit: change what a prompt asks for, keep the rest; needs no torch until it is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from dreamsampler.tasks.edit.options import EditOptions

if TYPE_CHECKING:
    from dreamsampler.models.prior import Prior
    from dreamsampler.tasks.edit.run import EditRun


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
        """Open the pictures and encode them; iterate over the result to run.

        Args:
            model: from `from_pretrained` or `from_pipe`.

        Raises:
            ValueError: options that cannot be meant, or pictures that cannot be used.

        Example:
            >>> import dreamsampler as ds                                    # doctest: +SKIP
            >>> run = ds.Edit("cat.png", "dog face").start(ds.from_pretrained())  # doctest: +SKIP
            >>> for step in run: print(step.index, "of", run.total)          # doctest: +SKIP
        """
        from dreamsampler.tasks.edit.run import EditRun

        self.check()
        return EditRun(self, model)
