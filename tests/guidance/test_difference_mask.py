import pytest
import torch
from oracles import normal

from dreamsampler.guidance import difference_mask
from dreamsampler.maths import Cosine, Estimate, Step
from dreamsampler.regularizers import inside

ANCHOR = normal(2, 4, 12, 12)
NOW = Step(0, Cosine()(0.5), ANCHOR, ANCHOR, ANCHOR, Estimate(ANCHOR, ANCHOR), ANCHOR)


def spot(size=1.0, noise=0.02):
    """A change in one place, over a little of it everywhere."""
    change = noise * normal(2, 4, 12, 12, seed=3)
    change[:, :, 3:7, 3:7] += size
    return change


def test_no_change_is_black():
    assert difference_mask(0 * ANCHOR).eq(0).all()


def test_the_little_that_changes_everywhere_is_black_and_the_spot_white():
    mask = difference_mask(spot(), 0.2, 0.5)
    assert mask[:, :, 9:, 9:].eq(0).all()
    assert mask[:, :, 4:6, 4:6].eq(1).all()


def test_it_is_relative_so_a_faint_change_is_a_change_too():
    torch.testing.assert_close(
        difference_mask(spot(1.0, 0.02)), difference_mask(spot(0.01, 0.0002))
    )


def test_rows_do_not_know_each_other():
    change = spot()
    change[1] += 5
    torch.testing.assert_close(difference_mask(change)[:1], difference_mask(change[:1]))


@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.5), (0.5, 0.5), (0.6, 0.2)])
def test_thresholds_in_the_wrong_order_are_refused(low, high):
    with pytest.raises(ValueError, match="low < high"):
        difference_mask(spot(), low, high)


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
