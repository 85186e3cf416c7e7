"""Fill a hole with what lies around it: patches of the known part, from coarse to fine."""

from __future__ import annotations

import itertools
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from dreamsampler.images.pyramid import spread

PATCH = 7
"""Side of a patch, in pixels of its level."""
REACH = PATCH // 2
FEATURES = 24
"""Principal components by which patches are compared."""
SEARCHED = 2**19
"""Levels with more pixels only carry on what coarser ones found."""
JOINED = 128
"""Longest side at which edges are joined across the hole."""
ROUNDS = 600
"""Of joining them."""
ROUNDING = 1 / 255
"""Difference of neighbors, in [0, 1], up to which they are of one color."""
FLAT = 0.85
"""Share of such neighbors, along rows and along columns, from which a picture is a flat drawing."""
SIDES = [*itertools.product((8, 4, 2, 1), ((0, 1), (0, -1), (1, 0), (-1, 0)))]


def exemplar(x: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """The picture, its hole filled with pieces of the rest, and how badly they fit.

    Every patch that touches the hole looks for the nearest one that does not; a pixel of the hole
    becomes the mean of what the patches over it found, the better matches counting more. That is
    repeated from a size at which the hole has a few pixels to the full one. It begins with colors
    spread into the hole; in a drawing, whose pieces fit so well that things grow twice, with the
    edges around the hole joined by short lines (least total variation).

    Args:
        x: (3, h, w) in [0, 1]; what lies in the hole is not looked at.
        hole: (1, h, w) in [0, 1]; above 0 is filled.

    Returns:
        The picture, (3, h, w), and in its hole the deviation of the patches around a pixel from
        those that they were taken from, (1, h, w) in the units of x; 0 outside.

    Example:
        >>> stripes = (torch.arange(48) // 4 % 2).float().expand(3, 48, 48)
        >>> hole = torch.zeros(1, 48, 48)
        >>> hole[:, 18:30, 18:30] = 1
        >>> filled, off = exemplar(torch.where(hole > 0, 0.5, stripes), hole)
        >>> bool((filled - stripes).abs().max() < 0.02 and off.max() < 0.02)
        True

    Source: Wexler, Shechtman, Irani, "Space-time completion of video", TPAMI 2007; the search:
    Barnes et al., "PatchMatch", SIGGRAPH 2009.
    """
    lost = hole > 0
    if not bool(lost.any()) or bool(lost.all()):
        return x, torch.zeros_like(hole)
    x = torch.where(lost, 0, x)
    sizes, known = _sizes(lost), (~lost).to(x)
    start = spread(x[None], known[None])[0]
    if not _is_flat(x, known):
        return _from(start, sizes, x, lost, 8)
    joined = next((i for i, size in enumerate(sizes) if max(size) <= JOINED), len(sizes) - 1)
    level, sure = _reduced(x, lost, sizes[joined])
    start = functional.interpolate(start[None], sizes[joined], mode="bilinear")[0]
    start = _joined(torch.where(sure, level, start), sure)
    return _from(start, sizes[: joined + 1], x, lost, 2)  # more would roughen the lines


def _is_flat(x: Tensor, known: Tensor) -> bool:
    """Whether nearly all known neighbors are of one color, as in drawings without texture."""
    shares: list[float] = []
    for axis in (1, 2):
        n = x.shape[axis] - 1
        pairs = known.narrow(axis, 0, n) * known.narrow(axis, 1, n)
        same = pairs[0] * (x.diff(dim=axis).abs().amax(0) < ROUNDING)
        shares.append(float(same.sum() / pairs.sum().clamp_min(1)))
    return min(shares) > FLAT


def _from(
    guess: Tensor, sizes: list[tuple[int, int]], x: Tensor, lost: Tensor, rounds: int
) -> tuple[Tensor, Tensor]:
    """See `exemplar`: from a first guess, which the smallest of the sizes is begun with."""
    rng = torch.Generator().manual_seed(0)
    field, off = None, torch.zeros_like(lost, dtype=x.dtype)
    for size in reversed(sizes):
        level, known = _reduced(x, lost, size)
        near = functional.max_pool2d((~known).to(x)[None], PATCH, 1, REACH)[0, 0] > 0
        sources = ~near
        sources[:REACH], sources[-REACH:] = False, False
        sources[:, :REACH], sources[:, -REACH:] = False, False
        if not bool(sources.any()):
            continue
        whole = size == sizes[0]
        guess = functional.interpolate(guess[None], size, mode="bilinear")[0]
        guess = torch.where(known, level, guess)
        search = _Search(guess, near, sources, rng)
        found = search.everywhere() if field is None else search.carried(field)
        if field is not None:  # an enlarged mean is blurred, and would find blurred patches
            guess = search.copied(found) if whole else torch.where(known, level, search.mean(found))
            search.update(guess)
        for _ in range((rounds // 2 if whole else rounds) if near.numel() <= SEARCHED else 0):
            found = search.everywhere() if field is None else search.nearer(found)
            guess = torch.where(known, level, search.mean(found))
            search.update(guess)
        field = search.field(found)
        if whole:  # means of many patches have lost their texture
            guess = torch.where(known, level, search.copied(found))
            off = search.off(found)
    guess = functional.interpolate(guess[None], x.shape[-2:], mode="bilinear")[0]
    return torch.where(lost, guess, x), off * lost  # as it began where no size has a whole patch


def _joined(x: Tensor, known: Tensor) -> Tensor:
    """The hole with least total variation: edges that end at it are joined by short lines.

    Source: Chambolle & Pock, JMIV 40 (2011), algorithm 1.
    """
    ahead, dual, rate = x, torch.zeros(2, *x.shape), 8**-0.5
    for _ in range(ROUNDS):
        down = functional.pad(ahead.diff(dim=1), (0, 0, 0, 1))
        dual = dual + rate * torch.stack([down, functional.pad(ahead.diff(dim=2), (0, 1))])
        dual = dual / dual.square().sum((0, 1), keepdim=True).sqrt().clamp_min(1)
        down, across = functional.pad(dual[0], (0, 0, 1, 0)), functional.pad(dual[1], (1, 0))
        new = torch.where(known, x, x + rate * (down.diff(dim=1) + across.diff(dim=2)))
        new = (new * 2**20).round() / 2**20  # numbers near 0 are slow
        ahead, x = 2 * new - x, new
    return x


def _sizes(lost: Tensor) -> list[tuple[int, int]]:
    """Sizes from the full one on, halved until the hole has about four pixels across."""
    h, w = lost.shape[-2:]
    rows, columns = int(lost[0].any(1).sum()), int(lost[0].any(0).sum())
    sizes = [(h, w)]
    while min(rows, columns) > 4 and min(sizes[-1]) >= 6 * PATCH:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
        rows, columns = rows // 2, columns // 2
    return sizes


def _reduced(x: Tensor, lost: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The known colors at a size, and where at least half of a pixel is known."""
    known = (~lost).to(x)
    share = functional.interpolate(known[None], size, mode="area")[0]
    colors = functional.interpolate((x * known)[None], size, mode="area")[0]
    return colors / share.clamp_min(1e-6), share >= 0.5


@final
class _Search:
    """Nearest patches at one size; a match is the row of a patch's middle among all pixels."""

    def __init__(self, x: Tensor, near: Tensor, sources: Tensor, rng: torch.Generator) -> None:
        self.h, self.w = near.shape
        self.allowed, self.rng = sources.flatten(), rng
        self.sources = self.allowed.nonzero()[:, 0]
        self.missing = near.flatten().nonzero()[:, 0]
        self.place = torch.full((self.h * self.w,), -1)
        self.place[self.missing] = torch.arange(len(self.missing))
        self.basis = self._components(x)
        self.update(x)

    def _components(self, x: Tensor) -> Tensor:
        """The principal components of known patches, as kernels."""
        some = self._drawn(min(4000, len(self.sources)))
        around = self._offsets()
        rows = x.reshape(3, -1)[:, some[:, None] + around].permute(1, 0, 2).flatten(1)
        vectors = torch.linalg.eigh((rows.T @ rows).double() / len(rows)).eigenvectors
        return vectors[:, -FEATURES:].T.to(x).reshape(-1, 3, PATCH, PATCH)

    def _offsets(self) -> Tensor:
        steps = torch.arange(-REACH, REACH + 1)
        return (steps[:, None] * self.w + steps).flatten()

    def _drawn(self, count: int) -> Tensor:
        return self.sources[torch.randint(len(self.sources), (count,), generator=self.rng)]

    def update(self, x: Tensor) -> None:
        """Take another guess of the picture."""
        self.x = x
        padded = functional.pad(x[None], (REACH,) * 4, mode="reflect")
        self.features = functional.conv2d(padded, self.basis)[0].flatten(1).T.contiguous()

    def _distance(self, found: Tensor) -> Tensor:
        return (self.features[found] - self.features[self.missing]).pow(2).sum(1)

    def everywhere(self) -> Tensor:
        """The nearest of all sources, for every patch that is missing."""
        rows = self.features[self.sources]
        norms, found = rows.pow(2).sum(1), []
        for part in self.features[self.missing].split(1024):
            found.append(self.sources[(norms - 2 * part @ rows.T).argmin(1)])
        return torch.cat(found)

    def carried(self, field: Tensor) -> Tensor:
        """The matches of the next coarser size, at this one."""
        y, x = self.missing // self.w, self.missing % self.w
        coarse = field[
            :, (y // 2).clamp_max(field.shape[1] - 1), (x // 2).clamp_max(field.shape[2] - 1)
        ]
        return self._usable(2 * coarse[0] + y % 2, 2 * coarse[1] + x % 2, self._drawn(len(y)))

    def field(self, found: Tensor) -> Tensor:
        """Row and column of the match of every pixel, its own where none is missing: (2, h, w)."""
        rows = torch.arange(self.h * self.w)
        rows[self.missing] = found
        return torch.stack([rows // self.w, rows % self.w]).reshape(2, self.h, self.w)

    def _usable(self, y: Tensor, x: Tensor, otherwise: Tensor) -> Tensor:
        """Rows of the places that are sources, others where they are not."""
        inside = (y >= 0) & (y < self.h) & (x >= 0) & (x < self.w)
        rows = torch.where(inside, y * self.w + x, 0)
        return torch.where(inside & self.allowed[rows], rows, otherwise)

    def nearer(self, found: Tensor) -> Tensor:
        """Matches improved by those of neighbors, near and far, and by chance."""
        best = self._distance(found)
        y, x = self.missing // self.w, self.missing % self.w

        def offer(rows: Tensor) -> None:
            nonlocal found, best
            distance = self._distance(rows)
            found = torch.where(distance < best, rows, found)
            best = torch.minimum(distance, best)

        for step, (down, right) in SIDES:
            dy, dx = down * step, right * step
            inside = (y + dy >= 0) & (y + dy < self.h) & (x + dx >= 0) & (x + dx < self.w)
            beside = self.place[torch.where(inside, self.missing + dy * self.w + dx, self.missing)]
            theirs = torch.where(beside >= 0, found[beside], found)
            offer(self._usable(theirs // self.w - dy, theirs % self.w - dx, found))
        radius = max(self.h, self.w) / 2
        while radius >= 1:
            shift = torch.rand(2, len(found), generator=self.rng).mul_(2).sub_(1).mul_(radius)
            dy, dx = shift.round().long()
            offer(self._usable(found // self.w + dy, found % self.w + dx, found))
            radius /= 4
        return found

    def copied(self, found: Tensor) -> Tensor:
        """The picture with every missing pixel as the middle of its match is."""
        colors = self.x.reshape(3, -1).clone()
        colors[:, self.missing] = colors[:, found]
        return colors.reshape_as(self.x)

    def off(self, found: Tensor) -> Tensor:
        """The root mean square deviation of each pixel's patches from their matches: (1, h, w)."""
        error = torch.zeros(self.h * self.w)
        error[self.missing] = self._distance(found) / self.basis[0].numel()
        mean = functional.avg_pool2d(error.reshape(1, self.h, self.w), PATCH, 1, REACH)
        return mean.sqrt()

    def mean(self, found: Tensor) -> Tensor:
        """What the matches say of every pixel, the better ones counting more."""
        error = self._distance(found)
        middle = error.kthvalue(max(1, len(error) * 3 // 4)).values.clamp_min(1e-5)
        weight = torch.exp(-error / (2 * middle)).clamp_min(1e-6)  # a pixel may have bad ones alone
        colors = self.x.reshape(3, -1)
        total, weights = torch.zeros_like(colors), torch.zeros_like(colors[0])
        y, x = self.missing // self.w, self.missing % self.w
        for dy, dx in itertools.product(range(-REACH, REACH + 1), repeat=2):
            inside = (y + dy >= 0) & (y + dy < self.h) & (x + dx >= 0) & (x + dx < self.w)
            at = (self.missing + dy * self.w + dx)[inside]
            share = weight[inside]
            total.index_add_(1, at, colors[:, found[inside] + dy * self.w + dx] * share)
            weights.index_add_(0, at, share)
        return (total / weights.clamp_min(1e-12)).reshape_as(self.x)
