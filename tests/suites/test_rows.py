"""The rows of registered methods: those that were recorded stay, a new method is one more."""

import json
from types import SimpleNamespace

import pytest
import torch

from benchmarks.results import COMMITTED
from benchmarks.suites import inpainting
from benchmarks.suites.editing import Editing
from benchmarks.suites.inpainting import Inpainting
from benchmarks.suites.radiance import Radiance
from benchmarks.suites.restoration import Restoration
from benchmarks.suites.rows import (
    CURVES,
    METHODS,
    NAMES,
    PUBLISHED,
    editing_rows,
    settings_of,
    start,
)
from benchmarks.suites.vectorization import Vectorization
from dreamsampler import GaussianMixture
from dreamsampler.images.fit import Fit
from dreamsampler.maths import generators
from dreamsampler.methods.inputs import InpaintInputs
from dreamsampler.methods.registry import Method, methods_of
from dreamsampler.samplers import finish

SIDE = 8
HOLE = torch.zeros(1, SIDE, SIDE)
HOLE[:, 2:6, 3:7] = 1
BASE = torch.linspace(-0.5, 0.5, 3 * SIDE * SIDE).view(3, SIDE, SIDE)
WORLD = torch.stack([BASE * (1 - HOLE) - 0.7 * HOLE, BASE * (1 - HOLE) + 0.7 * HOLE])
"""Two pictures that differ in the hole only."""
STEPS = {"dps": 30, "psld": 30}
UNMEASURED = {
    "inpainting": {"dps", "psld", "treg", "flowdps", "paper"},
    "restoration": {f"preset-{name}" for name in ("dps", "psld", "flowdps", "paper")},
}
"""Slow rows that the committed figures, of the pictures and the decoder of 256 px, do not have yet;
of curves they hold the points near our likeness."""


@pytest.mark.parametrize("suite", [Editing, Inpainting, Restoration, Vectorization, Radiance])
def test_rows_are_those_that_were_recorded(suite):
    """A record depends on the method's name in tables and on the settings."""
    rows = {row.key: row for row in suite.all_rows(None, curves=True)}
    recorded = json.loads((COMMITTED / f"{suite.name}.json").read_text())["rows"]
    known = {each["key"] for each in recorded}
    unmeasured = {key for key in rows.keys() - known if rows[key].kind != "sweep"}
    assert unmeasured == UNMEASURED.get(suite.name, set())
    for each in recorded:
        row = rows[each["key"]]
        now = (row.method, row.kind, row.settings)
        assert now == (each["method"], each["kind"], each["settings"]), row.key


def test_every_method_of_the_registry_is_a_row():
    titles = {each.title for each in methods_of("edit").values() if not each.reference}
    rows = editing_rows()
    assert METHODS.keys() == PUBLISHED.keys() == CURVES.keys() == titles
    assert len({row.key for row in rows}) == len(rows)
    assert {row.method for row in editing_rows(curves=False)} == titles
    assert {each.name for each in inpainting.METHODS.values()} == methods_of("inpaint").keys()


def test_settings_of_a_row_reach_its_method(monkeypatch):
    seen = []
    monkeypatch.setattr(Method, "check_model", lambda self, prior: None)
    monkeypatch.setattr(Method, "load", lambda self: lambda inputs, given: (seen.append(given), 0))
    inputs = SimpleNamespace(prior=GaussianMixture(WORLD, std=0.05))
    for row in editing_rows():
        start(METHODS[row.method], inputs, row.settings)
        expected = {NAMES.get(name, name): value for name, value in row.settings.items()}
        expected.pop("edition", None)
        assert expected.items() <= seen[-1].items(), row.key
        if "skip" in row.settings:
            assert seen[-1]["strength"] is None
    sdedit = METHODS["SDEdit"]
    assert settings_of(sdedit) == {"steps": 50, "scale": 7.5, "skip": 0.2}
    with pytest.raises(ValueError, match="sdedit has no visits"):
        start(sdedit, inputs, {"visits": 2})


def painted(key, settings, x=(WORLD[0] + 1) / 2):
    prior = GaussianMixture(WORLD, std=0.05)
    fit, pair = Fit.to((SIDE, SIDE), SIDE, 1), (prior.condition("1"), prior.condition(""))
    filled = x * (1 - HOLE) + 0.5 * HOLE
    given = InpaintInputs(prior, x, filled, [HOLE], ["1"], [pair[0]], pair[1], fit, generators([0]))
    made = finish(start(inpainting.METHODS[key], given, settings)[0])
    return given.data.decode(made.z0).clamp(0, 1)[0]


def few(key):
    return {"steps": STEPS.get(key, 20), "scale": 1.0} | ({"visits": 2} if key == "repaint" else {})


BASELINES = [key for key in inpainting.METHODS if key not in ("paper", "default")]


@pytest.mark.parametrize("key", BASELINES)
def test_every_baseline_paints_what_the_prompt_asks_for_and_knows_the_rest(key):
    made = 2 * painted(key, few(key)) - 1
    assert (made - WORLD[1]).abs().mean() < 0.08
    assert ((made - WORLD[0]).abs() * HOLE).sum() / (3 * HOLE.sum()) > 1, "not the source"


@pytest.mark.parametrize("key", ["dps", "psld", "treg", "flowdps"])
def test_methods_of_restoration_follow_what_is_known(key):
    """A source that is brighter outside, within what the prior allows, is followed there."""
    brighter = (WORLD[0] + 1) / 2 + 0.05 * (1 - HOLE)
    near, far = (painted(key, few(key), x) for x in (brighter, (WORLD[0] + 1) / 2))
    moved = ((near - far) * (1 - HOLE)).sum() / (3 * (1 - HOLE).sum())
    assert 0.003 < moved < 0.06, "FlowDPS follows the least"
