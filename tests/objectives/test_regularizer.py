import pytest
import torch
from oracles import normal

from dreamsampler.maths import Cosine, Estimate, Moment
from dreamsampler.objectives import anchored, between, chain, descend, every, masked, relax

Z = normal(2, 3, 4, 4)
ANCHOR = normal(2, 3, 4, 4, seed=9)


def moment(index=0, t=0.5):
    return Moment(index, Cosine()(t), 0 * Z, Z, Z, Estimate(Z, Z), Z)


def double(z0, now):
    return 2 * z0


MAPS = {
    "chain": chain(double, relax(0.5)),
    "masked": masked(double, torch.rand(1, 1, 4, 4, dtype=torch.float64)),
    "every": every(2, double),
    "between": between(0.4, 0.6, double),
    "descend": descend(lambda z: (z**2).sum(), 0.1),
    "relax": relax(0.3),
    "anchored": anchored(ANCHOR, 0.7),
}


@pytest.mark.parametrize("name", MAPS)
def test_every_map_is_pure_and_keeps_shape_and_type(name):
    before = Z.clone()
    first, second = MAPS[name](Z, moment()), MAPS[name](Z, moment())
    assert torch.equal(first, second)
    assert torch.equal(Z, before)
    assert (first.shape, first.dtype) == (Z.shape, Z.dtype)


@pytest.mark.parametrize("name", ["descend", "relax", "anchored", "masked"])
def test_rows_do_not_know_each_other(name):
    make = {
        "descend": lambda a: descend(lambda z: (z**4).sum(), 0.1),
        "relax": lambda a: relax(0.3),
        "anchored": lambda a: anchored(a, 0.7),
        "masked": lambda a: masked(anchored(a, 0.7), torch.full((1, 1, 4, 4), 0.3).double()),
    }[name]
    whole = make(ANCHOR)(Z, moment())
    alone = make(ANCHOR[:1])(Z[:1], _first(moment()))
    torch.testing.assert_close(whole[:1], alone)


def _first(now):
    return Moment(0, now.level, now.before[:1], Z[:1], Z[:1], Estimate(Z[:1], Z[:1]), Z[:1])


def test_nothing_in_a_chain_is_the_identity():
    assert chain()(Z, moment()) is Z


def test_a_chain_goes_from_left_to_right():
    torch.testing.assert_close(chain(double, lambda z, now: z + 1)(Z, moment()), 2 * Z + 1)


def test_a_mask_mixes_per_cell():
    mask = torch.tensor([[0.0, 0.25], [0.5, 1.0]], dtype=torch.float64).repeat(2, 2)[None, None]
    torch.testing.assert_close(masked(double, mask)(Z, moment()), (1 + mask) * Z)


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (3, 1, 4, 4), (1, 2, 4, 4), (4, 4)])
def test_a_mask_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"pass a .* mask at latent size"):
        masked(double, torch.ones(shape))(Z, moment())


def test_every_counts_from_the_first_step():
    acted = [every(3, double)(Z, moment(i)) is not Z for i in range(7)]
    assert acted == [True, False, False, True, False, False, True]
    with pytest.raises(ValueError, match="n is 0"):
        every(0, double)


def test_between_is_an_interval_of_times():
    assert [between(0.4, 0.6, double)(Z, moment(t=t)) is Z for t in (0.3, 0.5, 0.7)] == [
        True,
        False,
        True,
    ]


def test_descend_follows_the_gradient():
    stepped = descend(lambda z: (z**2).sum() / 2, 0.1, steps=3)(Z, moment())
    torch.testing.assert_close(stepped, 0.9**3 * Z)
    assert descend(lambda z: (z**2).sum(), 0.0)(Z, moment()) is Z


def test_relax_moves_part_of_the_way():
    torch.testing.assert_close(relax(0.3)(Z, moment()), 0.3 * Z)


@pytest.mark.parametrize("weight", [0.0, 0.7, 5.0])
def test_anchored_is_the_minimizer(weight):
    """The gradient of w/2 |z - anchor|^2 + 1/2 |z - z0|^2 vanishes."""
    z = anchored(ANCHOR, weight)(Z, moment())
    torch.testing.assert_close(weight * (z - ANCHOR) + z - Z, torch.zeros_like(Z))
