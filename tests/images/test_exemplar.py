"""Holes filled with pieces of the rest: periodic pictures are continued, what is known is kept."""

import pytest
import torch

from dreamsampler.images.exemplar import exemplar


def hole(h, w, top, left, height, width):
    mask = torch.zeros(1, h, w)
    mask[:, top : top + height, left : left + width] = 1
    return mask


def checks(side, period):
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return ((y // period + x // period) % 2).float().expand(3, side, side)


@pytest.mark.parametrize(("side", "period"), [(48, 3), (64, 4), (72, 6)])
def test_a_pattern_is_continued(side, period):
    wanted, mask = checks(side, period), hole(side, side, side // 3, side // 3, 14, 17)
    filled, off = exemplar(torch.where(mask > 0, 0.5, wanted), mask)
    assert (filled - wanted).abs().mean() / mask.mean() < 0.05
    assert off.mean() < 0.05


def test_an_edge_is_continued_sharply():
    wanted = (torch.arange(60)[:, None] >= 31).float().expand(3, 60, 60)
    mask = hole(60, 60, 20, 24, 20, 12)
    filled, _ = exemplar(torch.where(mask > 0, 0.0, wanted), mask)
    assert (filled - wanted).abs().max() < 0.01


def test_what_is_known_stays_to_the_bit_and_what_was_in_the_hole_does_not_matter():
    x, mask = (
        torch.rand(3, 50, 41, generator=torch.Generator().manual_seed(0)),
        hole(50, 41, 0, 30, 22, 11),
    )
    one, _ = exemplar(x, mask)
    other, _ = exemplar(torch.where(mask > 0, torch.nan, x), mask)
    assert torch.equal(one, other)
    assert torch.equal(one[:, mask[0] == 0], x[:, mask[0] == 0])
    assert one.isfinite().all()


def test_every_color_of_a_filling_is_one_of_the_picture():
    x = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(1))
    mask = hole(40, 40, 12, 14, 9, 9)
    filled, _ = exemplar(x, mask)
    known = {tuple(c) for c in x[:, mask[0] == 0].T.tolist()}
    assert {tuple(c) for c in filled[:, mask[0] > 0].T.tolist()} <= known


@pytest.mark.parametrize("mask", [torch.zeros(1, 20, 20), torch.ones(1, 20, 20)])
def test_nothing_and_everything_are_left_as_they_are(mask):
    x = torch.rand(3, 20, 20)
    filled, off = exemplar(x, mask)
    assert torch.equal(filled, x) and not off.any()


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (9, 9), (13, 100)])
def test_pictures_too_small_for_pieces_are_filled_smoothly(size):
    x, mask = torch.full((3, *size), 0.25), torch.zeros(1, *size)
    mask[:, -1, -1] = 1
    filled, _ = exemplar(torch.where(mask > 0, 0.9, x), mask)
    if size != (1, 1):
        assert torch.allclose(filled, x, atol=1e-6)
