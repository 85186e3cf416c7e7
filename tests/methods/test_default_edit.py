"""The default edit: replayed noise while shapes are decided, fresh noise after that."""

from itertools import pairwise

import pytest
import torch
from oracles import normal, table
from test_anchored_edit import SCHEDULES, drawn, setup

from dreamsampler.guidance import cfg, conditional, difference_mask, predict_batch
from dreamsampler.maths import Cosine, generators
from dreamsampler.methods.edit.default import redraw
from dreamsampler.methods.inputs import EditInputs
from dreamsampler.methods.registry import method
from dreamsampler.models import GaussianMixture
from dreamsampler.regularizers import inside
from dreamsampler.samplers import finish, flow_shifted


def inputs_of(prior, z_src, source=0):
    return EditInputs(prior, z_src, 1, source, None, generators(3, len(z_src)))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_second_half_is_sampling_in_fresh_noise_under_the_mask(schedule):
    prior, z_src = setup(schedule)
    levels = flow_shifted(schedule, 6, start=0.6)
    target, by, source = cfg(prior, 1, None, 2.0), conditional(prior, 1), conditional(prior, 0)
    edit = z_src + normal(2, 4, 8, 8, seed=4)
    run = list(redraw(target, source, z_src, edit, levels, generators(5, 2), by=by))
    n = drawn(generators(5, 2), z_src.shape)
    z0, eps = edit, n
    for step, level in zip(run, levels, strict=True):
        z, x = level.alpha * z0 + level.sigma * eps, level.alpha * z_src + level.sigma * n
        torch.testing.assert_close(step.z, z)
        tgt, seen, src = predict_batch([(target, z), (by, z), (source, x)], level)
        u = level.flow
        m = difference_mask(seen.z0 - src.z0, max(0.05, 0.4 * u - 0.12), max(0.15, 0.5 * u))
        z0, eps = z_src + m * (tgt.z0 - z_src), n + m * (tgt.eps - n)
        torch.testing.assert_close(step.z0, z0)


def test_what_the_model_cannot_explain_of_the_source_does_not_come_back():
    """Texture of another style, in the place of the change: replayed noise keeps it."""
    prior, z_src = setup(Cosine())
    strange = z_src.clone()
    strange[..., :4, :4] += 1.5 * normal(2, 4, 4, 4, seed=9)

    def rest(name):
        z0 = finish(method("edit", name).start(inputs_of(prior, strange))[0]).z0
        assert torch.equal(z0[..., 6:, 6:], strange[..., 6:, 6:])
        return (z0 - prior.means[1])[..., :3, :3].square().mean().sqrt().item()

    assert rest("default") < 2 * prior.std < 3 * prior.std < rest("anchored")


def test_what_a_drawn_mask_keeps_is_the_source_in_its_noise_at_every_level():
    prior, z_src = setup(Cosine())
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :2] = 1
    edit = torch.where(mask > 0, prior.means[1], z_src)
    target, source = cfg(prior, 1, None, 3.0), conditional(prior, 0)
    levels = flow_shifted(Cosine(), 8, start=0.6)
    how = {"regularize": inside(mask, z_src)}
    run = list(redraw(target, source, z_src, edit, levels, generators(0, 2), **how))
    n = drawn(generators(0, 2), z_src.shape)
    for step in run:
        kept = step.level.alpha * z_src + step.level.sigma * n
        torch.testing.assert_close(step.z[..., 2:], kept[..., 2:])
        assert torch.equal(step.z0[..., 2:], z_src[..., 2:])
    assert (run[-1].z - kept)[..., :4, :2].abs().min() > 0.5


@pytest.mark.parametrize("steps", [1, 2, 5, 16])
@pytest.mark.parametrize("strength", [0.3, 0.75, 1.0])
def test_half_of_the_steps_decide_shapes_and_half_draw_again(steps, strength):
    prior, z_src = setup(table())
    chosen = {"num_inference_steps": steps, "strength": strength}
    run, total = method("edit", "default").start(inputs_of(prior, z_src), chosen)
    flows = [step.level.flow for step in run]
    top = min(strength, prior.schedule(1.0).flow)
    assert len(flows) == total == steps and flows[0] == pytest.approx(top, abs=2e-3)
    rises = [i for i, (a, b) in enumerate(pairwise(flows), start=1) if b > a]
    early = steps - steps // 2
    assert rises == ([early] if steps > 2 else [])
    assert all(u > top / 2 - 1e-3 for u in flows[:early])
    if steps > 1:
        assert flows[early] == pytest.approx(min(0.8 * strength, top), abs=2e-3)


def test_it_draws_again_in_noise_of_its_own_and_by_the_seed_alone():
    prior, z_src = setup(Cosine())
    start = method("edit", "default").start
    both = finish(start(inputs_of(prior, z_src))[0]).z0
    alone = EditInputs(prior, z_src[1:], 1, 0, None, generators([4]))
    torch.testing.assert_close(both[1:], finish(start(alone)[0]).z0)


def test_without_a_source_prompt_equal_prompts_are_no_edit():
    prior = GaussianMixture(torch.zeros(2, 4, 8, 8, dtype=torch.float64), 0.3, Cosine())
    z_src = normal(1, 4, 8, 8)
    run, _ = method("edit", "default").start(inputs_of(prior, z_src, source=1))
    assert all(torch.equal(step.z0, z_src) for step in run)
