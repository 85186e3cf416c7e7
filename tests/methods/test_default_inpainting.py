"""The default inpainting: colors that meet those around the hole before it is drawn again."""

import pytest
import torch

from dreamsampler.images.fit import Fit
from dreamsampler.images.tone import toned
from dreamsampler.maths import Estimate, RectifiedFlow, generators
from dreamsampler.methods.inputs import InpaintInputs
from dreamsampler.methods.registry import method
from dreamsampler.models import GaussianMixture
from dreamsampler.tasks import Inpaint
from dreamsampler.tasks.recipe import upgrade

SIDE = 8
HOLE = torch.zeros(1, SIDE, SIDE)
HOLE[:, 2:6, 3:7] = 1
SOURCE = torch.full((3, SIDE, SIDE), 0.5)
SHADE = 0.56
"""What the model paints, everywhere: near to the source's color, and not the same."""


class Plain:
    """A model of pixels that always sees one gray."""

    latent_channels, factor, multiple, native_size = 3, 1, 1, SIDE
    schedule = RectifiedFlow()

    def condition(self, prompt):
        return prompt

    def predict(self, z, level, conditions):
        zs = [z] * len(conditions) if isinstance(z, torch.Tensor) else list(z)
        z0 = torch.full_like(zs[0], 2 * SHADE - 1)
        return [Estimate(z0, (each - level.alpha * z0) / level.sigma) for each in zs]

    def encode(self, x):
        return x

    def decode(self, z):
        return z


def inputs_of(prior, condition=None, null=None):
    fit, rng = Fit.to((SIDE, SIDE), SIDE, 1), generators([0, 1])
    return InpaintInputs(prior, SOURCE, SOURCE, [HOLE], ["1"], [condition], null, fit, rng)


def run(name, **settings):
    steps, total = method("inpaint", name).start(inputs_of(Plain()), settings)
    taken = list(steps)
    assert len(taken) == total
    return taken


def test_the_second_part_starts_from_colors_that_meet_the_sources():
    """Exactly E(x'), x' = D(z0) + c in the hole, in noise that the first part did not have."""
    taken = run("default", num_inference_steps=10)
    split = next(i for i, step in enumerate(taken) if step.level.flow <= 0.4 + 1e-6)
    assert [step.level.flow for step in taken] == pytest.approx([1 - i / 10 for i in range(10)])
    painted = torch.where(HOLE > 0, SHADE, SOURCE)
    expected = 2 * torch.where(HOLE > 0, toned(SOURCE, painted, HOLE), SOURCE) - 1
    assert expected[:, HOLE[0] > 0].abs().max() < 0.02, "the shade is the source's"
    for row in taken[split].before:
        torch.testing.assert_close(row, expected)
    outside = (HOLE == 0).expand(2, 3, SIDE, SIDE)
    kept = [step.noise[outside] for step in taken[split:]]
    assert all(torch.equal(each, kept[0]) for each in kept), "held: half was renewed before that"
    assert not torch.equal(taken[split].noise, taken[split - 1].noise)


def test_what_is_known_never_moves():
    source = (2 * SOURCE - 1).expand(2, 3, SIDE, SIDE)
    for step in run("default", num_inference_steps=5):
        assert torch.equal(step.z0 * (1 - HOLE), source * (1 - HOLE))


@pytest.mark.parametrize("few", [{"redraw": 0.0}, {"num_inference_steps": 2}])
def test_without_second_levels_it_is_the_anchored_one(few):
    shared = {k: n for k, n in few.items() if k != "redraw"}
    ours, theirs = run("default", **few), run("anchored", **shared)
    assert all(torch.equal(a.z0, b.z0) for a, b in zip(ours, theirs, strict=True))


def test_guidance_is_weaker_once_shapes_are_settled():
    """On a mixture, where guidance moves the estimate by w times what the prompt changes."""
    worlds = torch.stack([2 * SOURCE - 1 - 0.2 * HOLE, 2 * SOURCE - 1 + 0.2 * HOLE])
    prior = GaussianMixture(worlds, std=0.3)
    pair = prior.condition("1"), prior.condition("")
    steps, _ = method("inpaint", "default").start(inputs_of(prior, *pair), {"guidance_scale": 5.0})
    for step in steps:
        scale = 5.0 if step.level.flow > 0.4 + 1e-6 else 2.0
        text, null = prior.predict(step.z, step.level, pair)
        torch.testing.assert_close(step.estimate.z0, torch.lerp(null.z0, text.z0, scale))


def test_colors_meet_in_the_picture_as_well():
    """The model draws its own shade again and again; with feather 0 nothing else is shifted."""
    hole, source = torch.zeros(1, 16, 16), torch.full((3, 16, 16), 0.5)
    hole[:, 4:12, 5:13] = 1
    common = {"image": source, "prompt": "1", "mask_image": hole, "feather": 0.0, "size": 16}
    met, not_met = (
        (Inpaint(**common, method=name)(Plain()).run.pictures()[0] - source).abs().max()
        for name in ("default", "anchored")
    )
    assert met < 0.02 < not_met < 0.07


def test_recipes_say_which_default_they_ran():
    """What `remove` runs is neither."""
    settings = {"num_inference_steps": 20, "guidance_scale": 5.0, "fresh": 0.5}
    recipe = {"task": "inpaint", "options": {"method": "default"}, "settings": settings}
    assert upgrade(recipe)["options"] == {"method": "anchored"}
    now = {**recipe, "settings": {**settings, "redraw": 0.4}}
    removal = {**recipe, "options": {"method": "default", "remove": True}}
    assert upgrade(now) == now and upgrade(removal) == removal
