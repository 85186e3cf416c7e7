"""What an edited picture changes in an SVG file: colors, paths that go, and new paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from dreamsampler.cancel import check_canceled
from dreamsampler.generators.vector import Scene, coverage, stacked
from dreamsampler.generators.vector.outline import smoothed
from dreamsampler.generators.vector.regions import (
    APART,
    EDGE,
    components,
    flat_colors,
    grown,
    labeled,
    opened,
    traced_regions,
)

CHANGED = 0.12
"""Local mean change of a pixel, a share of white, from which on an edit has touched it."""
CLEAR = 0.06
"""Distance to the ground up to which an edited picture may be transparent."""
NEAR = 0.3
"""Distance of colors, |RGB|, up to which what is there stays: shading is no change."""
SAME = 0.2
"""The same, up to which pixels of a path have one color."""
FLAT = 0.75
"""Share of a path's pixels that must have one color, so that the path takes it."""
HALO = 0.01
"""Share of the canvas below which pale regions at the border of a drawing are transparent."""
VISIBLE = 20.0
"""Pixels that must be seen of a path, or change under it."""
PART = 0.25
"""Share of what was seen of a path from which on, if it becomes transparent, the path goes."""
REST = 0.1
"""Share of what was seen of a path below which it is a rest, and goes."""


@final
@dataclass(frozen=True, eq=False)
class Redrawing:
    """How paths are changed.

    Args:
        colors: path -> its new RGB; the outline stays.
        removed: paths that go.
        new: opaque closed paths, which do not cross themselves.
        position: how many of the old paths lie below the new ones.
    """

    colors: dict[int, Tensor]
    removed: set[int]
    new: Scene
    position: int

    def scene(self, own: Scene) -> Scene:
        """All paths in their order."""
        color = own.color.clone()
        for k, rgb in self.colors.items():
            color[k, :3] = rgb
        old, number = own.moved(own.points, color), torch.arange(own.paths)
        stays = ~torch.isin(number, torch.tensor([*self.removed], dtype=torch.long))
        parts = [old.kept(stays & (number < self.position)), self.new]
        parts.append(old.kept(stays & (number >= self.position)))
        return stacked(parts)


@torch.no_grad()
def redrawn(
    own: Scene,
    units: Tensor,
    fixed: Tensor,
    picture: Tensor,
    ground: float,
    most: int,
    *,
    transparent: bool = True,
) -> Redrawing:
    """The fewest changes of paths that make them show an edited picture.

    1. A path whose visible part has become another color takes that color.
    2. Where that is not enough, the regions of flat color of the picture are traced as new paths.
    3. A path that is seen where the picture has become transparent goes, with those above it that
       changed, too; what was seen of them is traced.
    4. A path goes of which nothing, or hardly anything, is seen any more.

    All other paths stay as they are.

    Args:
        own: the paths.
        units: which element each path belongs to; its paths go together.
        fixed: paths whose color cannot be changed, (p,) bool.
        picture: (3, h, w) in [0, 1], on the ground.
        ground: gray below the paths.
        most: new paths at most.
        transparent: whether the ground may become visible.
    """
    cover = coverage(own)
    before, seen = _composite(cover, own.color, ground)
    colors = _recolored(own, seen, fixed, picture, before)
    color = own.color.clone()
    for k, rgb in colors.items():
        color[k, :3] = rgb
    shown, seen = _composite(cover, color, ground)
    where = grown(opened(_differs(picture, shown), 2), EDGE)
    palette = torch.cat([torch.full((1, 3), ground), color[:, :3].unique(dim=0)])
    palette = flat_colors(picture, palette, where)
    label = labeled(picture, palette)
    clear = torch.zeros_like(where)
    if transparent:
        clear = _transparent(picture, label, palette, 1 - seen.sum(0), ground)
    part = components(label)  # a region that has mostly changed is drawn as a whole
    share = torch.bincount(part.flatten(), where.flatten().float()) / torch.bincount(part.flatten())
    where = (where | (share > 0.5)[part]) & ~clear

    removed: set[int] = set()
    cut = {k for k in range(own.paths) if _cut(seen[k], clear)}
    if cut:
        lowest = min(cut)
        hit = (seen * where).sum((1, 2)) > VISIBLE
        removed = {k for k in range(own.paths) if k in cut or (k >= lowest and bool(hit[k]))}
        removed = {other for k in removed for other in _unit_of(k, units)}
        where = where | ((seen[[*removed]].sum(0) > 0.5) & ~clear)
        cover = cover.clone()
        cover[[*removed]] = 0
        shown, _ = _composite(cover, color, ground)
    part = components(torch.where(where, label, -1))
    off = (palette[label] - shown.permute(1, 2, 0)).norm(dim=2)
    count = torch.bincount(part.flatten()).clamp_min(1)
    mean = torch.bincount(part.flatten(), off.flatten()) / count
    bare = torch.bincount(part.flatten(), _through(cover, color).flatten()) / count
    where = where & ((mean > NEAR) | (bare > 0.5))[part]
    position = _position(removed, seen, where, units)
    above = seen[position:].sum(0) > 0.5
    new = traced_regions(label, palette, where, above, most)

    found = Redrawing(colors, removed, new, position)
    rest = _seen_of(own, found)
    was = seen.sum((1, 2))
    hidden = {
        k
        for k in range(own.paths)
        if k not in removed and float(was[k]) > 0 and float(rest[k]) < REST * float(was[k])
    }
    hidden = {k for k in hidden if {*_unit_of(k, units)} <= hidden | removed}
    return Redrawing(
        {k: rgb for k, rgb in colors.items() if k not in hidden | removed},
        removed | hidden,
        new,
        position,
    )


def _composite(cover: Tensor, color: Tensor, ground: float) -> tuple[Tensor, Tensor]:
    """The picture (3, h, w), and how much each path is seen, (p, h, w)."""
    seen = cover * color[:, 3, None, None]
    through = torch.ones_like(cover[0])
    for k in range(len(seen) - 1, -1, -1):
        alpha = seen[k].clone()
        seen[k] *= through
        through = through * (1 - alpha)
    return torch.einsum("phw,pc->chw", seen, color[:, :3]) + ground * through, seen


def _through(cover: Tensor, color: Tensor) -> Tensor:
    """How much of the ground is seen, (h, w)."""
    return (1 - cover * color[:, 3, None, None]).prod(0)


def _cut(seen: Tensor, clear: Tensor) -> bool:
    """Whether a path is seen where it should not, by more than a shift of its border."""
    wrong = (seen > 0.5) & clear
    much = float((seen * clear).sum()) > max(VISIBLE, PART * float(seen.sum()))
    return much or float(opened(wrong, EDGE).sum()) > VISIBLE


def _differs(a: Tensor, b: Tensor) -> Tensor:
    return smoothed((a - b).abs().mean(0)) > CHANGED


def _transparent(
    picture: Tensor, label: Tensor, palette: Tensor, bare: Tensor, ground: float
) -> Tensor:
    """Where an edit shows the ground; its border is that of the regions.

    The ground is joined to where it was seen before by more than a gap in an outline; small pale
    regions beside that belong to it, too.

    Args:
        bare: how much of the ground was seen before.
    """
    off = (palette - ground).norm(dim=1)
    near = (picture - ground).norm(dim=0) < CLEAR
    wide = opened(near, 2 * EDGE)
    part = components(wide.long())
    reached = torch.isin(part, part[wide & (bare > 0.5)].unique()) & wide
    clear = grown(reached, 3 * EDGE) & (off < 1e-3)[label]
    part = components(label)
    small = (torch.bincount(part.flatten()) < HALO * part.numel())[part]
    beside = torch.isin(part, part[clear | grown(clear, 1) | (bare > 0.5)].unique())
    return clear | (small & beside & (off < NEAR)[label])


def _recolored(
    own: Scene, seen: Tensor, fixed: Tensor, picture: Tensor, before: Tensor
) -> dict[int, Tensor]:
    """Paths that have changed, and show one color."""
    moved, colors = _differs(picture, before), {}
    for k in (~fixed).nonzero().squeeze(1).tolist():
        check_canceled()
        whole = seen[k] > 0.9
        inner = whole & ~grown(~whole, EDGE // 2)
        inner = inner if int(inner.sum()) > VISIBLE else whole
        if int(inner.sum()) <= VISIBLE or float(moved[inner].float().mean()) < 0.5:
            continue
        pixels = picture[:, inner]
        rgb = pixels.median(1).values
        same = ((pixels - rgb[:, None]).norm(dim=0) < SAME).float().mean()
        if float(same) > FLAT and float((rgb - own.color[k, :3]).norm()) > APART:
            colors[k] = rgb
    return colors


def _position(removed: set[int], seen: Tensor, where: Tensor, units: Tensor) -> int:
    """Below which paths the new ones lie: in place of those that go, else above all they cover."""
    if removed:
        return min(removed)
    touched = ((seen * where).sum((1, 2)) > 1).nonzero().squeeze(1).tolist()
    return max(_unit_of(max(touched), units)) + 1 if touched else len(seen)


def _unit_of(k: int, units: Tensor) -> list[int]:
    return (units == units[k]).nonzero().squeeze(1).tolist()


def _seen_of(own: Scene, found: Redrawing) -> Tensor:
    """Pixels that are seen of each old path at the end, (p,)."""
    whole = Redrawing(found.colors, set(), found.new, found.position).scene(own)
    gone = torch.zeros(whole.paths, dtype=torch.bool)
    count = found.new.paths
    for k in found.removed:
        gone[k if k < found.position else k + count] = True
    cover = coverage(whole)
    cover[gone] = 0
    seen = _composite(cover, whole.color, 1.0)[1].sum((1, 2))
    return torch.cat([seen[: found.position], seen[found.position + count :]])
