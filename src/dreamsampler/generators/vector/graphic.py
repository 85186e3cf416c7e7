"""A vector graphic as a generator: its points and colors are optimized."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dreamsampler.generators.vector.contour import contours
from dreamsampler.generators.vector.initial import Picture, placed
from dreamsampler.generators.vector.raster import coverage, rasterize
from dreamsampler.generators.vector.scene import Scene


@final
class VectorGraphic(nn.Module):
    """A scene over an opaque background, whose points and colors are parameters.

        g(psi) = 2 rasterize(scene) - 1

    Args:
        scene: initial paths; the tensors are copied.
        background: red, green and blue in [0, 1].

    Example:
        >>> blobs = Scene.random(8, 32, 32, torch.Generator().manual_seed(0))
        >>> graphic = VectorGraphic(blobs)
        >>> graphic().shape, len(list(graphic.parameters()))
        (torch.Size([1, 3, 32, 32]), 2)

    Source: Li et al., "Differentiable Vector Graphics Rasterization for Editing and Learning",
    SIGGRAPH Asia 2020 (the idea); Kim, Park & Ye, "DreamSampler", ECCV 2024 (arXiv:2403.11415),
    section 4.3 (as a generator).
    """

    def __init__(self, scene: Scene, background: Sequence[float] = (1.0, 1.0, 1.0)) -> None:
        super().__init__()
        self.points = nn.Parameter(scene.points.detach().clone())
        self.color = nn.Parameter(scene.color.detach().clone())
        self.background: Tensor
        self.register_buffer("background", torch.tensor([*background]).to(scene.points))
        self._shape = scene.moved(self.points.detach(), self.color.detach())

    @property
    def scene(self) -> Scene:
        """The present scene; gradients reach the parameters."""
        return self._shape.moved(self.points, self.color)

    def forward(self) -> Float[Tensor, "1 3 h w"]:
        """The picture, in [-1, 1]."""
        return 2 * rasterize(self.scene, self.background)[None] - 1

    @torch.no_grad()
    def clamp_(self) -> None:
        """Bring colors back to [0, 1], and points to within a quarter of the canvas around it."""
        self.color.clamp_(0, 1)
        size = torch.tensor([self._shape.width, self._shape.height]).to(self.points)
        self.points.copy_(torch.minimum(torch.maximum(self.points, -0.25 * size), 1.25 * size))

    @torch.no_grad()
    def visible(self) -> Float[Tensor, " p"]:
        """The visible area of every path: sum of alpha_k prod_{j>k} (1 - alpha_j), in pixels."""
        alpha = coverage(self.scene) * self.color[:, 3, None, None]
        through = torch.ones_like(alpha[0])
        visible = torch.empty_like(self.color[:, 3])
        for k in range(len(alpha) - 1, -1, -1):
            visible[k] = (alpha[k] * through).sum()
            through *= 1 - alpha[k]
        return visible

    @torch.no_grad()
    def respawn(
        self,
        picture: Picture,
        optimizer: torch.optim.Optimizer,
        rng: torch.Generator,
        *,
        least: float = 2.0,
    ) -> int:
        """Begin again with paths that are hardly visible: without area they have no gradient.

        They become disks where the error is largest, and their optimizer state is set to zero.

        Args:
            picture: the target, in [0, 1].
            optimizer: of this graphic's parameters.
            rng: on the CPU.
            least: pixels below which a path counts as dead.

        Returns:
            Their number.
        """
        dead = (self.visible() < least).nonzero().squeeze(1).tolist()
        if not dead:
            return 0
        error = (self()[0] + 1) / 2 - picture
        fresh = placed(picture, error, len(dead), rng)
        loops = contours(self._shape)
        rows = []
        for number, k in enumerate(dead):
            middle, radius = _disk(fresh, number)
            for place, loop in enumerate(loops[k]):
                points = self._shape.segments[loop, :3].flatten()
                # of a compound path the first loop becomes the disk, holes become points
                size = radius if place == 0 else torch.zeros_like(radius)
                canvas = (fresh.width, fresh.height)
                disk = Scene.circles(middle[None], size[None], *canvas, segments=max(2, len(loop)))
                self.points[points] = disk.points[: len(points)].to(self.points)
                rows.append(points)
            self.color[k] = fresh.color[number].to(self.color)
        forget(optimizer, self.points, torch.cat(rows))
        forget(optimizer, self.color, torch.tensor(dead))
        return len(dead)


def forget(optimizer: torch.optim.Optimizer, parameter: Tensor, rows: Tensor) -> None:
    """Set the optimizer state of some rows of a parameter to zero."""
    for value in optimizer.state.get(parameter, {}).values():
        if isinstance(value, Tensor) and value.shape == parameter.shape:
            value[rows] = 0


def _disk(scene: Scene, number: int) -> tuple[Tensor, Tensor]:
    """The middle and the radius of one of a scene's circles."""
    rows = scene.segments[scene.path_of_segment == number, 0]
    anchors = scene.points[rows]
    middle = anchors.mean(0)
    return middle, (anchors[0] - middle).norm()
