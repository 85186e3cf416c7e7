import pytest
import torch
from oracles import normal

from dreamsampler.generators import Canvas
from dreamsampler.maths import Cosine, Estimate, Moment
from dreamsampler.models import GaussianMixture
from dreamsampler.objectives import cfg, delta, inside, localized, plain, spotlight

ANCHOR = normal(2, 4, 12, 12)
NOW = Moment(0, Cosine()(0.5), ANCHOR, ANCHOR, ANCHOR, Estimate(ANCHOR, ANCHOR), ANCHOR)


def spot(size=1.0, noise=0.02):
    """A change in one place, over a little of it everywhere."""
    change = noise * normal(2, 4, 12, 12, seed=3)
    change[:, :, 3:7, 3:7] += size
    return change


def world():
    """Two pictures that differ in one corner, and a third that differs everywhere."""
    means = torch.zeros(3, 4, 8, 8, dtype=torch.float64)
    means[1, :, :4, :4] = 2
    means[2] = 1
    return GaussianMixture(means, std=0.3)


def test_no_change_is_black():
    assert spotlight(0 * ANCHOR).eq(0).all()


def test_the_little_that_changes_everywhere_is_black_and_the_spot_white():
    mask = spotlight(spot(), 0.2, 0.5)
    assert mask[:, :, 9:, 9:].eq(0).all()
    assert mask[:, :, 4:6, 4:6].eq(1).all()


def test_it_is_relative_so_a_faint_change_is_a_change_too():
    torch.testing.assert_close(spotlight(spot(1.0, 0.02)), spotlight(spot(0.01, 0.0002)))


def test_rows_do_not_know_each_other():
    change = spot()
    change[1] += 5
    torch.testing.assert_close(spotlight(change)[:1], spotlight(change[:1]))


@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.5), (0.5, 0.5), (0.6, 0.2)])
def test_thresholds_in_the_wrong_order_are_refused(low, high):
    with pytest.raises(ValueError, match="low < high"):
        spotlight(spot(), low, high)


def test_it_is_delta_under_the_mask():
    prior, level = world(), Cosine()(0.6)
    anchor = prior.means[:1] + 0.1 * normal(1, 4, 8, 8)
    canvas, z = Canvas(anchor + 0.2), normal(1, 4, 8, 8, seed=2)
    target, source = cfg(prior, 1, None, 3.0), plain(prior, 0)
    whole = delta(target, source, canvas, anchor)(z, level)
    part = localized(target, source, canvas, anchor)(z, level)
    mask = spotlight(whole.z0 - anchor)
    torch.testing.assert_close(part.z0, anchor + mask * (whole.z0 - anchor))
    torch.testing.assert_close(part.eps, whole.eps)


def test_the_thresholds_may_follow_the_level():
    prior, anchor = world(), world().means[:1] + 0.1 * normal(1, 4, 8, 8)
    target, source, z = cfg(prior, 1, None, 3.0), plain(prior, 0), normal(1, 4, 8, 8, seed=2)
    asked = target, source, Canvas(anchor), anchor
    moving = localized(*asked, low=lambda level: level.t / 2, high=lambda level: level.t)
    for t in (0.3, 0.6):
        level = Cosine()(t)
        still = localized(*asked, low=t / 2, high=t)(z, level)
        assert torch.equal(moving(z, level).z0, still.z0)


def test_what_two_prompts_agree_on_stays():
    prior, level = world(), Cosine()(0.6)
    anchor = prior.means[:1] + 0.1 * normal(1, 4, 8, 8)
    edit = localized(plain(prior, 1), plain(prior, 0), Canvas(anchor), anchor)
    z0 = edit(normal(1, 4, 8, 8, seed=2), level).z0
    assert torch.equal(z0[..., 6:, 6:], anchor[..., 6:, 6:])
    assert (z0 - anchor)[..., :3, :3].abs().min() > 0.5


@pytest.mark.parametrize("scale", [0.0, 1.0, 7.0])
def test_equal_prompts_return_the_anchor_at_any_scale(scale):
    prior, level = world(), Cosine()(0.6)
    anchor = prior.means[:1] + 0.1 * normal(1, 4, 8, 8)
    target, there = cfg(prior, 1, None, scale), plain(prior, 1)
    edit = localized(target, there, Canvas(anchor), anchor, by=there)
    assert torch.equal(edit(normal(1, 4, 8, 8, seed=2), level).z0, anchor)


def test_inside_keeps_the_anchor_where_the_mask_is_black():
    mask = torch.zeros(1, 1, 12, 12, dtype=torch.float64)
    mask[..., 6:] = 1
    mask[..., 5] = 0.5
    moved = ANCHOR + spot()
    z0 = inside(mask, ANCHOR)(moved, NOW)
    assert torch.equal(z0[..., :5], ANCHOR[..., :5])
    assert torch.equal(z0[..., 6:], moved[..., 6:])
    torch.testing.assert_close(z0[..., 5], (ANCHOR[..., 5] + moved[..., 5]) / 2)


def test_inside_refuses_a_mask_of_another_size():
    with pytest.raises(ValueError, match="latent size"):
        inside(torch.ones(1, 1, 6, 6), ANCHOR)(ANCHOR, NOW)
