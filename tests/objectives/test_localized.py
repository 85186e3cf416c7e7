import pytest
import torch
from oracles import normal

from dreamsampler.maths import Cosine, Estimate, Moment
from dreamsampler.objectives import inside, localized

ANCHOR = normal(2, 4, 12, 12)
NOW = Moment(0, Cosine()(0.5), ANCHOR, ANCHOR, ANCHOR, Estimate(ANCHOR, ANCHOR), ANCHOR)


def spot(size=1.0, noise=0.02):
    """A change in one place, over a little of it everywhere."""
    change = noise * normal(2, 4, 12, 12, seed=3)
    change[:, :, 3:7, 3:7] += size
    return ANCHOR + change


def test_no_change_is_no_change():
    assert torch.equal(localized(ANCHOR)(ANCHOR, NOW), ANCHOR)


def test_the_little_that_changes_everywhere_is_taken_back():
    z0 = localized(ANCHOR)(spot(), NOW)
    assert torch.equal(z0[:, :, 9:, 9:], ANCHOR[:, :, 9:, 9:])
    torch.testing.assert_close(z0[:, :, 4:6, 4:6], spot()[:, :, 4:6, 4:6])


def test_it_is_relative_so_a_faint_edit_is_an_edit_too():
    bold, faint = spot(1.0, 0.02) - ANCHOR, spot(0.01, 0.0002) - ANCHOR
    act = lambda change: localized(ANCHOR)(ANCHOR + change, NOW) - ANCHOR
    torch.testing.assert_close(act(bold) / 100, act(faint), rtol=1e-6, atol=1e-9)


def test_rows_do_not_know_each_other():
    z0 = spot()
    z0[1] += 5
    alone = localized(ANCHOR[:1])(z0[:1], NOW)
    torch.testing.assert_close(localized(ANCHOR)(z0, NOW)[:1], alone)


@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.5), (0.5, 0.5), (0.6, 0.2)])
def test_thresholds_in_the_wrong_order_are_refused(low, high):
    with pytest.raises(ValueError, match="low < high"):
        localized(ANCHOR, low, high)


def test_inside_keeps_the_anchor_where_the_mask_is_black():
    mask = torch.zeros(1, 1, 12, 12, dtype=torch.float64)
    mask[..., 6:] = 1
    mask[..., 5] = 0.5
    z0 = inside(mask, ANCHOR)(spot(), NOW)
    assert torch.equal(z0[..., :5], ANCHOR[..., :5])
    assert torch.equal(z0[..., 6:], spot()[..., 6:])
    torch.testing.assert_close(z0[..., 5], (ANCHOR[..., 5] + spot()[..., 5]) / 2)


def test_inside_refuses_a_mask_of_another_size():
    with pytest.raises(ValueError, match="latent size"):
        inside(torch.ones(1, 1, 6, 6), ANCHOR)(ANCHOR, NOW)
