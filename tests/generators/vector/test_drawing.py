"""A vector graphic on the loop: bound by data, pulled by an exact prior."""

import pytest
import torch
from outlines import psnr, rng

from dreamsampler.generators import Variable
from dreamsampler.generators.vector import (
    Drawing,
    Scene,
    VectorGraphic,
    fitted,
    placed,
    rasterize,
    scattered,
    staged,
)
from dreamsampler.guidance import conditional
from dreamsampler.maths import generators
from dreamsampler.methods.vectorization import vectorize
from dreamsampler.models import GaussianMixture
from dreamsampler.samplers import flow_shifted

WHITE = torch.ones(3)


def disk(color, radius=9.0):
    scene = Scene.circles(
        torch.tensor([[16.0, 16.0]]), torch.tensor([radius]), 32, 32, color=torch.tensor([color])
    )
    return rasterize(scene, WHITE)


RED, BLUE = disk([0.9, 0.1, 0.1, 1.0]), disk([0.1, 0.1, 0.9, 1.0])


def nothing(graphic, drawn):
    return drawn.sum() * 0


def same(x):
    return x


def seen(graphic):
    return (graphic()[0].detach() + 1) / 2


def drawing(scene, energy=nothing, **options):
    return Drawing(VectorGraphic(scene), energy, same, same, **options)


def test_it_is_a_subject():
    assert isinstance(drawing(scattered(RED, 4, rng())), Variable)


def test_a_look_is_what_is_drawn_and_a_pull_comes_nearer():
    variable = drawing(scattered(RED, 6, rng()), update_steps=30, rate=1.0)
    assert torch.equal(variable.latent(), variable.graphic().detach())
    before = psnr(seen(variable.graphic), BLUE)
    with torch.no_grad():  # as in the loop
        variable.update(2 * BLUE[None] - 1)
    assert psnr(seen(variable.graphic), BLUE) > before + 1


def test_what_the_autoencoder_does_not_see_goes():
    """A blind decoder shows the disk without the speck: the speck has no say, so it fades."""
    speck = Scene.circles(
        torch.tensor([[16.0, 16.0], [3.0, 3.0]]),
        torch.tensor([9.0, 1.5]),
        32,
        32,
        color=torch.tensor([[0.9, 0.1, 0.1, 1.0], [0.0, 0.0, 0.0, 1.0]]),
    )
    graphic = VectorGraphic(speck)
    before = psnr(seen(graphic), RED)
    blind = Drawing(graphic, nothing, same, lambda z: 2 * RED[None] - 1, update_steps=30, rate=1.0)
    blind.update(blind.latent())
    assert (blind.target_picture[0] - RED).abs().max() < 1e-5
    assert psnr(seen(graphic), RED) > before + 5


def test_what_is_beyond_the_prior_is_left_alone():
    """The prior sees a mean color only, and what it does not see is added to its belief."""
    graphic = VectorGraphic(scattered(RED, 6, rng()))
    before = seen(graphic)

    def mean(x):
        return x.mean((2, 3), keepdim=True).expand_as(x)

    coarse = Drawing(graphic, nothing, mean, same, beyond=lambda x: x - mean(x), update_steps=5)
    coarse.update(coarse.latent())
    assert psnr(seen(graphic), before) > 35
    assert (coarse.target_picture[0] - before).abs().max() < 1e-5


def test_without_weight_the_prior_has_no_say():
    scene = scattered(RED, 6, rng())
    one, other = (drawing(scene, beta=0.0) for _ in range(2))
    for variable, target in ((one, RED), (other, BLUE)):
        variable.latent()
        variable.update(2 * target[None] - 1)
    assert torch.equal(one.graphic(), other.graphic())


def test_a_fit_explains_its_data():
    graphic = VectorGraphic(placed(BLUE, 1 - BLUE, 4, rng()))
    before = psnr(seen(graphic), BLUE)
    taken = list(fitted(graphic, lambda _, x: (x - BLUE).square().sum(), BLUE, 60, rng()))
    assert taken == list(range(1, 61))
    assert psnr(seen(graphic), BLUE) > max(before, 30)


def test_paths_come_in_stages():
    for paths in (1, 4, 7, 64, 100):
        assert sum(staged(paths)) == paths and min(staged(paths)) > 0


@pytest.mark.parametrize(("number", "truth"), [("0", RED), ("1", BLUE)])
def test_the_prior_decides_what_the_data_leave_open(number, truth):
    """The data say where it is dark, the prompt which color it has."""
    pictures = GaussianMixture(2 * torch.stack([RED, BLUE]) - 1, std=0.1)
    dark = RED.mean(0)

    def energy(graphic, drawn):
        return (drawn.mean(1) - dark).square().mean() / (2 * 0.02**2)

    guess = dark.expand(3, -1, -1)
    graphic = VectorGraphic(placed(guess, 1 - guess, 5, rng()))
    for _ in fitted(graphic, energy, guess, 40, rng()):
        pass
    before = psnr(seen(graphic), truth)
    variable = Drawing(graphic, energy, same, same, update_steps=10, rate=1.0)
    levels = flow_shifted(pictures.schedule, 8, start=0.8)
    run = vectorize(conditional(pictures, int(number)), variable, levels, generators(0, images=1))
    assert len(list(run)) == 8
    assert psnr(seen(graphic), truth) > max(before + 5, 22)


def test_rising_levels_and_empty_pulls_are_refused():
    pictures = GaussianMixture(2 * torch.stack([RED, BLUE]) - 1, std=0.1)
    variable = drawing(scattered(RED, 3, rng()))
    levels = flow_shifted(pictures.schedule, 3)[::-1]
    with pytest.raises(ValueError, match="must fall"):
        next(vectorize(conditional(pictures, 0), variable, levels, generators(0, images=1)))
    with pytest.raises(ValueError, match="update_steps is 0"):
        drawing(scattered(RED, 3, rng()), update_steps=0)
    with pytest.raises(ValueError, match="beta is -1"):
        drawing(scattered(RED, 3, rng()), beta=-1.0)
