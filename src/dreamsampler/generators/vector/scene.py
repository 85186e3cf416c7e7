"""Scenes: closed cubic curves, a color for each path, an order of drawing."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Literal, TypeAlias, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

FillRule: TypeAlias = Literal["nonzero", "evenodd"]

Points: TypeAlias = Float[Tensor, "m 2"]
Loop: TypeAlias = Float[Tensor, "_ 2"]
Segments: TypeAlias = Int[Tensor, "n 4"]
Owners: TypeAlias = Int[Tensor, " n"]
Colors: TypeAlias = Float[Tensor, "p 4"]

LARGEST_SIDE = 16384
"""Longer sides of a canvas are refused: they are mistakes."""


@final
@dataclass(frozen=True, eq=False)
class Scene:
    """Filled paths in their order of drawing, the first one lowest.

        B(t) = (1-t)^3 P0 + 3 (1-t)^2 t P1 + 3 (1-t) t^2 P2 + t^3 P3

    A path is one contour or several (holes, islands): every segment belongs to one path, and in
    each path as many segments end at a point as begin there, so that all contours are closed.
    Anchors are shared by index, so that contours stay closed when points move.

    Args:
        points: control points in pixels, x to the right, y down; (0, 0) is the outer corner of the
            first pixel, whose middle is (0.5, 0.5).
        segments: rows of `points`: anchor, handle, handle, next anchor.
        path_of_segment: which path a segment belongs to, 0 to p - 1.
        color: straight (not premultiplied) red, green, blue and opacity, each in [0, 1].
        width: of the canvas, pixels.
        height: of the canvas, pixels.
        fill_rule: "nonzero" or "evenodd", for all paths or one each.

    Raises:
        ValueError: for indices out of range, open contours, or a canvas that is too large.

    Example:
        >>> disks = Scene.circles(torch.tensor([[8.0, 8.0]]), torch.tensor([4.0]), 16, 16)
        >>> disks.paths, len(disks.segments), disks.points[0].tolist()
        (1, 4, [12.0, 8.0])
    """

    points: Points
    segments: Segments
    path_of_segment: Owners
    color: Colors
    width: int
    height: int
    fill_rule: FillRule | tuple[FillRule, ...] = "nonzero"

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            if not 1 <= getattr(self, name) <= LARGEST_SIDE:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, but a canvas has sides of 1 to "
                    f"{LARGEST_SIDE} pixels"
                )
        if len(self.rules) != self.paths:
            raise ValueError(
                f"there are {len(self.rules)} fill rules for {self.paths} paths: give one for all, "
                "or one each"
            )
        if unknown := {*self.rules} - {"nonzero", "evenodd"}:
            raise ValueError(f'fill_rule is {unknown}, but must be "nonzero" or "evenodd"')
        _check_indices(self)

    @property
    def paths(self) -> int:
        """The number of paths."""
        return len(self.color)

    @property
    def rules(self) -> tuple[FillRule, ...]:
        """The fill rule of each path."""
        one = self.fill_rule
        return (one,) * self.paths if isinstance(one, str) else one

    def curves(self) -> Float[Tensor, "n 4 2"]:
        """The control points of every segment."""
        return self.points.index_select(0, self.segments.reshape(-1)).view(-1, 4, 2)

    def sampled(self, count: int) -> Float[Tensor, "n {count} 2"]:
        """Points of every segment at even steps of its parameter, without its last one."""
        like = {"dtype": self.points.dtype, "device": self.points.device}
        t = torch.linspace(0, 1, count + 1, **like)[:-1, None]
        weight = torch.cat([(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3], 1)
        return weight @ self.curves()

    def moved(self, points: Points, color: Colors | None = None) -> Scene:
        """The same paths with other points, and other colors if given; not checked again."""
        scene = copy.copy(self)
        object.__setattr__(scene, "points", points)
        object.__setattr__(scene, "color", self.color if color is None else color)
        return scene

    def scaled(self, factor: float) -> Scene:
        """On a canvas `factor` times as large (its sides are rounded up)."""
        width, height = (math.ceil(side * factor) for side in (self.width, self.height))
        return replace(self, points=self.points * factor, width=width, height=height)

    def kept(self, keep: Tensor) -> Scene:
        """Only the paths for which `keep`, (p,), is true; unused points are dropped.

        Example:
            >>> two = Scene.circles(torch.tensor([[4.0, 4.0], [9.0, 9.0]]), torch.ones(2), 16, 16)
            >>> two.kept(torch.tensor([False, True])).points[0].tolist()
            [10.0, 9.0]
        """
        chosen = keep[self.path_of_segment]
        used, segments = self.segments[chosen].unique(return_inverse=True)
        number = keep.long().cumsum(0) - 1
        return replace(
            self,
            points=self.points[used],
            segments=segments.view(-1, 4),
            path_of_segment=number[self.path_of_segment[chosen]],
            color=self.color[keep],
            fill_rule=tuple(compress(self.rules, keep.tolist())),
        )

    @classmethod
    def loops(
        cls,
        points: Float[Tensor, "p k 2"],
        color: Colors,
        width: int,
        height: int,
        fill_rule: FillRule = "nonzero",
    ) -> Scene:
        """Paths of one contour each, all with the same number of segments.

        Args:
            points: of every path its anchor, handle, handle, anchor, ...; k is a multiple of 3.
            color: one row a path.
            width: of the canvas, pixels.
            height: of the canvas, pixels.
            fill_rule: "nonzero" or "evenodd".

        Raises:
            ValueError: if k is no multiple of 3.
        """
        return compound([[loop] for loop in points], color, width, height, fill_rule)

    @classmethod
    def circles(
        cls,
        centers: Float[Tensor, "p 2"],
        radii: Float[Tensor, " p"],
        width: int,
        height: int,
        *,
        color: Colors | None = None,
        segments: int = 4,
    ) -> Scene:
        """Circles, as near as so many cubic segments come to them.

            handle length = 4/3 tan(pi / 2 segments) radius

        Four segments are within 0.03 % of the radius.

        Args:
            centers: in pixels.
            radii: in pixels.
            width: of the canvas, pixels.
            height: of the canvas, pixels.
            color: opaque black if left out.
            segments: a path, at least 2.

        Raises:
            ValueError: fewer than two segments.
        """
        if segments < 2:
            raise ValueError(f"segments is {segments}, but a circle takes at least 2")
        like = {"dtype": centers.dtype, "device": centers.device}
        angle = torch.arange(segments, **like) * (2 * math.pi / segments)
        anchor = torch.stack([angle.cos(), angle.sin()], 1)
        along = torch.stack([-anchor[:, 1], anchor[:, 0]], 1)
        handle = 4 / 3 * math.tan(math.pi / 2 / segments) * along
        following = anchor.roll(-1, 0)
        back = following - handle.roll(-1, 0)
        unit = torch.stack([anchor, anchor + handle, back], 1).view(-1, 2)
        if color is None:
            color = torch.tensor([0.0, 0.0, 0.0, 1.0], **like).repeat(len(centers), 1)
        points = centers[:, None] + radii[:, None, None] * unit
        return cls.loops(points, color, width, height)

    @classmethod
    def random(
        cls,
        paths: int,
        width: int,
        height: int,
        rng: torch.Generator,
        *,
        segments: int = 4,
        radius: tuple[float, float] = (0.04, 0.2),
        jitter: float = 0.25,
        opacity: tuple[float, float] = (0.4, 1.0),
    ) -> Scene:
        """Wobbly blobs of random color all over the canvas.

        Args:
            paths: how many.
            width: of the canvas, pixels.
            height: of the canvas, pixels.
            rng: on the CPU.
            segments: a path, at least 2.
            radius: smallest and largest, in shares of the shorter side.
            jitter: standard deviation of the points around a circle, in radii.
            opacity: smallest and largest.
        """

        def between(low: float, high: float, *shape: int) -> Tensor:
            return low + (high - low) * torch.rand(*shape, generator=rng)

        centers = torch.rand(paths, 2, generator=rng) * torch.tensor([width, height])
        radii = between(*radius, paths) * min(width, height)
        color = torch.cat([between(0, 1, paths, 3), between(*opacity, paths, 1)], 1)
        smooth = cls.circles(centers, radii, width, height, color=color, segments=segments)
        noise = torch.randn(paths, 3 * segments, 2, generator=rng) * radii[:, None, None]
        return smooth.moved(smooth.points + jitter * noise.view(-1, 2))


def compound(
    paths: Sequence[Sequence[Loop]],
    color: Colors,
    width: int,
    height: int,
    fill_rule: FillRule | tuple[FillRule, ...] = "nonzero",
) -> Scene:
    """A scene of paths that are made of several loops.

    Args:
        paths: of every path its loops, (3 s, 2) each: anchor, handle, handle, anchor, ...
        color: one row a path.
        width: of the canvas, pixels.
        height: of the canvas, pixels.
        fill_rule: for all paths or one each.

    Raises:
        ValueError: for a loop whose length is no multiple of 3.

    Example:
        >>> ring = [torch.rand(12, 2), torch.rand(9, 2)]
        >>> compound([ring], torch.ones(1, 4), 8, 8).segments.shape
        torch.Size([7, 4])
    """
    points, segments, owners, start = [], [], [], 0
    for number, loops in enumerate(paths):
        for loop in loops:
            if len(loop) % 3 or not len(loop):
                raise ValueError(
                    f"a loop has {len(loop)} points, but takes 3 a segment: anchor, handle, handle"
                )
            points.append(loop)
            first = torch.arange(0, len(loop), 3)
            row = torch.stack([first, first + 1, first + 2, (first + 3) % len(loop)], 1)
            segments.append(start + row)
            owners += [number] * (len(loop) // 3)
            start += len(loop)
    return Scene(
        torch.cat(points) if points else color.new_zeros(0, 2),
        (torch.cat(segments) if segments else torch.zeros(0, 4, dtype=torch.long)).to(color.device),
        torch.tensor(owners, dtype=torch.long, device=color.device),
        color,
        width,
        height,
        fill_rule,
    )


def _check_indices(scene: Scene) -> None:
    """Raise a ValueError unless all indices exist and all contours are closed."""
    if not len(scene.segments):
        if scene.paths:
            raise ValueError(f"{scene.paths} paths have no segments: leave empty paths out")
        return
    for name, index, count in (
        ("segments", scene.segments, len(scene.points)),
        ("path_of_segment", scene.path_of_segment, scene.paths),
    ):
        low, high = (int(bound) for bound in index.aminmax())
        if low < 0 or high >= count:
            raise ValueError(f"{name} holds {low} to {high}, but must lie in 0 to {count - 1}")
    owner = scene.path_of_segment.long() * len(scene.points)
    begins, ends = ((owner + scene.segments[:, column].long()).sort().values for column in (0, 3))
    if not torch.equal(begins, ends):
        raise ValueError(
            "a path is open: in every path as many segments must end at a point as begin there"
        )
