"""One meaning of guidance_scale, and levels that a distilled model knows."""

import pytest
import torch
from conformance import noise, prior_of

from dreamsampler.guidance import cfg
from dreamsampler.maths import FewLevels, Level, RectifiedFlow
from dreamsampler.models.errors import ModelError
from dreamsampler.models.few_steps import FewSteps, few_steps
from dreamsampler.models.prior import scale_for
from dreamsampler.samplers import flow_shifted, trailing


def calls(network):
    """How many rows each forward had, and its embedded guidance scale."""
    rows = []
    handle = network.register_forward_pre_hook(
        lambda _, args, kwargs: rows.append(
            (len(args[0] if args else kwargs["hidden_states"]), kwargs.get("guidance"))
        ),
        with_kwargs=True,
    )
    return rows, handle


def test_a_network_with_an_embedded_scale_runs_once():
    prior = prior_of("flux-dev")
    rows, handle = calls(prior.network)
    z, level = noise(prior, 1), prior.schedule(0.5)
    cat, null, dog = (prior.condition(p) for p in ("a cat", "", "dog"))
    with torch.no_grad():
        low, high = (cfg(prior, cat, null, scale)(z, level) for scale in (1.5, 6.0))
        cfg(prior, cat, dog, 2.0)(z, level)
    handle.remove()
    assert [(n, scale.tolist()) for n, scale in rows] == [(1, [1.5]), (1, [6.0]), (2, [3.5, 3.5])]
    assert (low.z0 - high.z0).abs().max() > 1e-4


def test_a_latent_consistency_model_has_an_embedded_scale():
    prior = prior_of("lcm")
    z, level = noise(prior, 1), prior.schedule(0.5)
    cat, null = prior.condition("a cat"), prior.condition("")
    with torch.no_grad():
        low, high = (cfg(prior, cat, null, scale)(z, level) for scale in (1.5, 6.0))
    assert (low.z0 - high.z0).abs().max() > 1e-5


def test_an_embedded_scale_is_one_for_all_levels():
    prior = prior_of("flux-dev")
    with pytest.raises(ModelError, match="cannot change with the level"):
        cfg(prior, prior.condition("a cat"), prior.condition(""), lambda level: level.alpha)


def test_distilled_guidance_has_no_scale():
    prior = prior_of("flux-schnell")
    cat, null, dog = (prior.condition(p) for p in ("a cat", "", "dog"))
    with pytest.raises(ModelError, match="pass guidance_scale 1, or a negative prompt"):
        cfg(prior, cat, null, 3.0)
    assert len(cfg(prior, cat, null, 1.0).z0) == 1
    assert len(cfg(prior, cat, dog, 3.0).z0) == 2


@pytest.mark.parametrize(
    ("name", "usual"), [("sd15", 7.0), ("flux-dev", 3.5), ("flux-schnell", 1.0), ("lcm", 8.5)]
)
def test_the_default_scale_is_that_of_the_model(name, usual):
    prior = prior_of(name)
    assert scale_for(prior, None, 7.0) == usual
    assert scale_for(prior, 2.0, 7.0) == 2.0


def test_a_free_model_weighs_two_prompts():
    prior = prior_of("sd15")
    z, level = noise(prior, 1), prior.schedule(0.5)
    cat, null = prior.condition("a cat"), prior.condition("")
    with torch.no_grad():
        got = cfg(prior, cat, null, 3.0)(z, level)
        none, one = prior.predict(z, level, [null, cat])
    torch.testing.assert_close(got.z0, none.z0 + 3.0 * (one.z0 - none.z0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("names", "scheduler", "expected"),
    [
        (["sd15"], "PNDMScheduler", FewSteps()),
        (["stabilityai/sdxl-turbo"], "EulerAncestralDiscreteScheduler", FewSteps(4, True)),
        (["Tongyi-MAI/Z-Image-Turbo"], "", FewSteps(8, True)),
        (["sdxl", "sdxl_lightning_8step_lora.safetensors"], "", FewSteps(8, True)),
        (["sdxl", "sdxl_lightning.safetensors"], "", FewSteps(4, True)),
        (["sdxl", "lcm-lora-sdxl.safetensors"], "", FewSteps(50, True)),
        (["some/model"], "LCMScheduler", FewSteps(50, True)),
        (["turbocharged/model"], "", FewSteps()),
        (["my/turbocat"], "", FewSteps()),
    ],
)
def test_names_say_what_a_model_was_distilled_to(names, scheduler, expected):
    assert few_steps(names, scheduler) == expected


def test_what_the_user_knows_better_counts():
    assert few_steps(["a/b"], "", "turbo") == FewSteps(4, True)
    assert few_steps(["a/b-turbo"], "", "none") == FewSteps()
    with pytest.raises(ModelError, match="must be none, turbo"):
        few_steps(["a/b"], "", "fast")


def test_few_levels_are_visited_once_each():
    schedule = FewLevels(RectifiedFlow(3.0), 4)
    times = [level.t for level in trailing(schedule, 16)]
    assert times == [1.0, 0.75, 0.5, 0.25]
    levels = flow_shifted(schedule, 16, start=0.8)
    assert [level.t for level in levels] == sorted({level.t for level in levels}, reverse=True)
    assert {level.t for level in levels} <= {0.25, 0.5, 0.75, 1.0}
    assert schedule(0.0) == Level(0.0, 1.0, 0.0)
