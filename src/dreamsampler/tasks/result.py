"""The result of a task: pictures, drawing, mesh, report and recipe; shows itself in a notebook."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage
    from torch import Tensor

    from dreamsampler.generators.field import Mesh


def tensors_of(run: Any) -> list[Tensor]:
    """The results of a run, (3, h, w), or (4, h, w) where they are transparent; in [0, 1]."""
    import torch

    return [
        picture if like.alpha is None else torch.cat([picture, like.alpha.to(picture)])
        for picture, like, more in run.files()
        if "shows" not in more  # the mean and the spread of several
    ]


@final
class Result:
    """The result of a task.

    Attributes:
        run: the finished `Run`, with what the task itself has to show.
    """

    def __init__(self, run: Any) -> None:
        self.run = run

    @cached_property
    def images(self) -> list[PILImage]:
        """The pictures, 8 bits, with the transparency of the source."""
        from dreamsampler.images.save import as_pil

        return [as_pil(picture, like) for picture, like, _ in self.run.files()]

    @cached_property
    def svg(self) -> str | None:
        """The drawing as SVG; None where there is none."""
        return self.run.svg

    @cached_property
    def mesh(self) -> Mesh | None:
        """The scene as a mesh; None where there is none."""
        return self.run.mesh

    @cached_property
    def report(self) -> dict[str, Any]:
        """What was measured on the result."""
        return self.run.full_report

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """How the result was made; `dreamsampler replay` makes it again from that."""
        return self.run.recipe()

    @property
    def seconds(self) -> dict[str, float]:
        """Stage -> how long it took."""
        return self.run.seconds

    @property
    def evaluations(self) -> int:
        """Network evaluations, images times prompts."""
        return self.run.evaluations

    def save(self, path: str | Path, *, metadata: bool = True) -> list[Path]:
        """Write the files, with the recipe inside them.

        Args:
            path: where to; the suffix chooses the format.

        Returns:
            The files.

        Raises:
            OutputError: a file cannot be written.
        """
        target = Path(path)
        self.run.task.check_output(target)
        return self.run.save(target, self.recipe if metadata else {})

    def __repr__(self) -> str:
        sizes = ", ".join(f"{image.width}x{image.height}" for image in self.images[:4])
        more = f", {len(self.images)} images" if len(self.images) > 4 else ""
        spent = f"{self.evaluations} network evaluations, {sum(self.seconds.values()):.1f} s"
        return f"<Result of {self.run.task.name()}: {sizes}{more}; {spent}>"

    def _repr_svg_(self) -> str | None:
        """For notebooks."""
        return self.svg

    def _repr_png_(self) -> bytes | None:
        """For notebooks: the pictures side by side."""
        if self.svg is not None or not self.images:
            return None
        from dreamsampler.images.save import side_by_side

        return side_by_side(self.images[:8])
