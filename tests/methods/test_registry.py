"""The contract of every registered method: its steps, its evaluations, its options."""

import json
from dataclasses import replace

import pytest
import torch
from tiny import latents

from dreamsampler.guidance import cfg, rectified_cfg_pp
from dreamsampler.images.fit import Fit
from dreamsampler.maths import RectifiedFlow, generators
from dreamsampler.methods.edit.sdedit import sdedit
from dreamsampler.methods.entry import OURS
from dreamsampler.methods.inputs import EditInputs, InpaintInputs, RestoreInputs
from dreamsampler.methods.registry import METHODS, method, methods_of
from dreamsampler.models import GaussianMixture, ModelError, changed_tokens, word_tokens
from dreamsampler.models.counting import counting_prior
from dreamsampler.models.few_steps import FewSteps
from dreamsampler.models.network import NetworkPrior
from dreamsampler.operators import GaussianBlur
from dreamsampler.regularizers import Measurement, inside
from dreamsampler.samplers import finish, flow_shifted

EDITS = methods_of("edit").values()


@pytest.fixture(autouse=True)
def _takes_references(monkeypatch):
    """The tiny model, as if it took reference pictures; the method only asks whether it does."""
    monkeypatch.setattr(NetworkPrior, "references", True)


def inputs_of(each, prior, seed=3, cells=8, **more):
    """Small inputs of a method's task."""
    condition, rng = prior.condition("a dog"), generators([seed])
    null = prior.condition("")
    if each.task == "edit":
        source, z_src = prior.condition("a cat"), latents(prior, 1, seed=1)[..., :cells, :cells]
        prompts = [("a cat", "a dog")]
        return EditInputs(prior, z_src, condition, source, null, rng, prompts, **more)
    side = cells * prior.factor
    x = torch.rand(3, side, side, generator=torch.Generator().manual_seed(1))
    if each.task == "inpaint":
        mask = torch.zeros(1, side, side)
        mask[:, : side // 2] = 1
        fit = Fit.to((side, side), side, prior.multiple)
        pair = [mask], ["a dog"], [condition]
        return InpaintInputs(prior, x, x, *pair, null, fit, rng)
    op = GaussianBlur(2.0)
    decode, encode = (lambda z: (prior.decode(z) + 1) / 2), (lambda x: prior.encode(2 * x - 1))
    data = Measurement(op, op.A(x[None]), 0.02, decode, encode)

    def view(axes):
        mirrored = {
            "decode": lambda z: decode(z).flip(axes),
            "encode": lambda x: encode(x.flip(axes)),
        }
        return replace(data, **mirrored)

    return RestoreInputs(prior, data, x[None], condition, null, rng, view, coarse=True)


def short(each):
    """Few steps."""
    few = {"num_inference_steps": 4, "visits": 2, "inner_steps": 1, "starts": (0.3, 0.2)}
    return {name: value for name, value in few.items() if name in each.settings}


def ran(each, prior, chosen=None, **how):
    with torch.no_grad():
        steps, total = each.start(inputs_of(each, prior, **how), chosen)
        return list(steps), total


def test_every_entry_says_what_it_is():
    assert len({(each.task, each.name) for each in METHODS}) == len(METHODS)
    for task in ("edit", "inpaint", "restore"):
        assert next(iter(methods_of(task))) == "default"
    for each in METHODS:
        assert each.name.replace("_", "").isalnum() and each.name == each.name.lower()
        assert "arXiv:" in each.paper or each.paper == OURS
        assert each.use and "\n" not in each.use and not each.use.endswith(".")
        assert each.settings["num_inference_steps"] > 0
        assert json.loads(json.dumps(dict(each.settings)))
        assert callable(each.load())


def test_steps_and_evaluations_are_as_announced(prior):
    """On a model without networks, which counts; a search may end before its last step."""
    counts = counting_prior(prior.family, prior.factor, "tiny", FewSteps())[0]
    for each in METHODS:
        before = counts.evaluations
        steps, total = ran(each, counts, cells=2)
        assert len(steps) == total, each
        used = counts.evaluations - before
        searched = each.name == "null_text_inversion"
        assert used <= each.evaluations if searched else used == each.evaluations, (each, used)


@pytest.mark.parametrize("each", METHODS, ids=lambda each: f"{each.task}-{each.name}")
def test_it_runs_on_a_network_with_other_settings(each, prior):
    """Announced steps, finite results; a seed matters where noise is drawn, and only there."""
    steps, total = ran(each, prior, short(each))
    assert len(steps) == total
    assert steps[-1].z0.isfinite().all()
    again = ran(each, prior, short(each), seed=4)[0]
    assert torch.equal(again[-1].z0, steps[-1].z0) != each.draws
    if "strength" in each.settings:
        assert ran(each, prior, {"strength": 0})[1] == 0
        moved = ran(each, prior, {**short(each), "strength": 0.65})[0]
        assert len(moved) % 4 == 0 and moved[-1].level.s < 1


@pytest.mark.parametrize("each", EDITS, ids=lambda each: each.name)
def test_what_a_mask_keeps_stays_in_every_edit(each, prior):
    z_src = latents(prior, 1, seed=1)
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :3] = 1
    steps, _ = ran(each, prior, short(each), regularize=inside(mask, z_src))
    kept = mask.expand_as(z_src) == 0
    assert torch.equal(steps[-1].z0[kept], z_src[kept])
    assert not torch.equal(steps[-1].z0, z_src)


def test_equal_prompts_give_the_source_back(prior):
    """Where both sides of a difference are guided alike."""
    for name in ("default", "dds", "pds"):
        inputs = inputs_of(method("edit", name), prior)
        same = replace(inputs, source_condition=inputs.condition)
        steps, _ = method("edit", name).start(same, short(method("edit", name)))
        assert torch.equal(finish(steps).z0, inputs.z_src), name


def test_a_registered_run_is_the_direct_call_bit_for_bit(prior):
    inputs = inputs_of(method("edit", "sdedit"), prior)
    chosen = {"num_inference_steps": 5, "strength": 0.65, "guidance_scale": 5.0}
    steps, _ = method("edit", "sdedit").start(inputs, chosen)
    target = cfg(prior, inputs.condition, inputs.null, 5.0)
    levels = flow_shifted(prior.schedule, 5, start=0.65)
    direct = sdedit(target, inputs.z_src, levels, generators([3]))
    assert torch.equal(finish(steps).z0, finish(direct).z0)


def test_guidance_is_chosen_by_name_and_takes_two_prompts(prior, monkeypatch):
    edit, inputs = method("edit", "sdedit"), inputs_of(method("edit", "sdedit"), prior)
    chosen = {"num_inference_steps": 5, "strength": 0.65, "guidance_scale": 5.0}
    plain, named, other = (
        finish(edit.start(inputs_of(edit, prior), {**chosen, "guidance": each})[0]).z0
        for each in (None, "cfg", "rectified_cfg_pp")
    )
    levels = flow_shifted(prior.schedule, 5, start=0.65)
    ahead = rectified_cfg_pp(prior, inputs.condition, inputs.null, 5.0, levels)
    direct = sdedit(ahead, inputs.z_src, levels, generators([3]))
    assert torch.equal(plain, named) and torch.equal(other, finish(direct).z0)
    assert not torch.equal(plain, other)
    monkeypatch.setattr(type(prior.family), "guidance", "embedded", raising=False)
    with pytest.raises(ValueError, match="leave guidance rectified_cfg_pp out"):
        method("edit", "instruct").start(inputs, {"guidance": "rectified_cfg_pp"})


def test_a_restoration_that_averages_leaves_its_mean(prior):
    inputs = inputs_of(method("restore", "default"), prior)
    steps, total = method("restore", "default").start(inputs, {"num_inference_steps": 4})
    finish(steps)
    assert inputs.mean is not None and inputs.mean.count == 4
    assert inputs.mean.mean.shape == inputs.guess.shape
    assert len(inputs.axes) == total and {*inputs.axes} == {(), (-1,)}


def test_what_a_method_cannot_do_is_refused(prior):
    with pytest.raises(ValueError, match=r"no method 'sdedti': did you mean sdedit\?"):
        method("edit", "sdedti")
    with pytest.raises(ValueError, match="no method 'x': choose one of default"):
        method("inpaint", "x")
    with pytest.raises(ValueError, match=r"sdedit has no gamma; it has num_inference_steps"):
        method("edit", "sdedit").options({"gamma": 1.0})
    flow = GaussianMixture(torch.zeros(1, 3, 8, 8), 0.5, RectifiedFlow())
    for each in EDITS:
        inputs = inputs_of(method("edit", "default"), prior)
        if each.attention:
            with pytest.raises(ModelError, match=f"method {each.name}: .*take the default method"):
                each.start(replace(inputs, prior=flow))
        elif each.table:
            with pytest.raises(ValueError, match="table of alphas_cumprod"):
                each.start(replace(inputs, prior=flow))


def test_ledits_takes_all_words_of_the_target_or_those_that_changed(prior, monkeypatch):
    taken = []
    record = lambda *given, words, **more: taken.append(words) or iter(())
    monkeypatch.setattr("dreamsampler.methods.edit.ledits.ledits", record)
    for words in ("all", "changed", None):
        method("edit", "ledits").start(inputs_of(method("edit", "ledits"), prior), {"words": words})
    assert torch.equal(taken[0], word_tokens(prior, ["a dog"]))
    assert torch.equal(taken[1], changed_tokens(prior, ["a cat"], ["a dog"])[1])
    assert taken[0].sum() > taken[1].sum() and taken[2] is None
