"""The baselines of the inpainting suite: what they know, paint, and are recorded with."""

import pytest
import torch

from benchmarks.baselines import Hole, painted
from benchmarks.suites import inpainting
from dreamsampler import GaussianMixture
from dreamsampler.images.fit import Fit
from dreamsampler.maths import generators

SIDE = 8
HOLE = torch.zeros(1, SIDE, SIDE)
HOLE[:, 2:6, 3:7] = 1
BASE = torch.linspace(-0.5, 0.5, 3 * SIDE * SIDE).view(3, SIDE, SIDE)
WORLD = torch.stack([BASE * (1 - HOLE) - 0.7 * HOLE, BASE * (1 - HOLE) + 0.7 * HOLE])
"""Two pictures that differ in the hole only."""
SETTINGS = [
    {"by": "dps", "steps": 30, "scale": 1.0},
    {"by": "dps", "steps": 30, "scale": 1.0, "gluing": 0.1},
    {"by": "treg", "steps": 20, "scale": 1.0},
    {"by": "flowdps", "steps": 20, "scale": 1.0},
    {"steps": 20, "scale": 1.0},
    {"steps": 20, "scale": 1.0, "visits": 2},
]


def hole(x=(WORLD[0] + 1) / 2, prompt="1"):
    prior = GaussianMixture(WORLD, std=0.05)
    return Hole(prior, x, HOLE, Fit.to((SIDE, SIDE), SIDE, 1), prompt, generators([0]))


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(map(str, s.values())))
def test_every_baseline_paints_what_the_prompt_asks_for_and_knows_the_rest(settings):
    made = 2 * painted(hole(), settings) - 1
    assert (made - WORLD[1]).abs().mean() < 0.08
    assert ((made - WORLD[0]).abs() * HOLE).sum() / (3 * HOLE.sum()) > 1, "not the source"


@pytest.mark.parametrize("settings", SETTINGS[:4], ids=lambda s: "-".join(map(str, s.values())))
def test_methods_of_restoration_follow_what_is_known_and_never_see_the_hole(settings):
    """A source that is brighter outside, within what the prior allows, is followed there; what is
    in its hole changes nothing."""
    brighter = (WORLD[0] + 1) / 2 + 0.05 * (1 - HOLE)
    near, far = (painted(hole(x), settings) for x in (brighter, (WORLD[0] + 1) / 2))
    moved = ((near - far) * (1 - HOLE)).sum() / (3 * (1 - HOLE).sum())
    assert 0.003 < moved < 0.06, "FlowDPS follows the least"
    data = hole().data()
    assert (data.y * HOLE == 0).all() and (
        data.op.A(torch.ones(1, 3, SIDE, SIDE)) * HOLE == 0
    ).all()


def test_settings_of_rows_that_were_measured_long_ago_are_what_they_were():
    """A record depends on its row's settings."""
    held = {row.key: row.settings for row in inpainting.ROWS}
    assert held["blended"] == {"steps": 50, "scale": 7.5}
    assert held["blended-tuned"] == {"steps": 20, "scale": 5.0}
    assert held["repaint"] == {"steps": 25, "scale": 7.5, "visits": 10}
    assert held["repaint-tuned"] == {"steps": 20, "scale": 5.0, "visits": 2}
    assert held["paper"] == {"preset": "paper"} and held["default"] == {"preset": "default"}
    assert len(held) == len(inpainting.ROWS)
