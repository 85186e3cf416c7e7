"""Any diffusers pipeline as a prior: its own call, held open and asked step by step."""

import copy
import gc
import threading
import weakref

import diffusers
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pipelines import TINY, build

from dreamsampler import Edit
from dreamsampler.maths import Level, to_estimate
from dreamsampler.models import ModelError, from_pipe
from dreamsampler.models.driven import family as driven_family
from dreamsampler.models.driven.codec import DrivenCodec
from dreamsampler.models.driven.family import DrivenFamily
from dreamsampler.models.driven.layout import learn_layout
from dreamsampler.models.driven.levels import levels_of
from dreamsampler.models.libraries import quiet
from dreamsampler.models.network import NetworkPrior


def tiny(name):
    """A tiny pipeline of a class, and a picture of its size."""
    with quiet():
        pipe = build(TINY[name])
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return pipe, Image.fromarray(noise)


def driven(pipe, **call):
    """A prior that asks the pipeline's call even where there is an adapter."""
    family = DrivenFamily(pipe, call)
    return NetworkPrior(family, DrivenCodec(family))


def noise(prior, rows=1, seed=0):
    side = 64 // prior.factor
    shape = (rows, prior.latent_channels, side, side)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def ask(prior, z, *conditions, t=0.5):
    with torch.no_grad():
        return [e.z0 for e in prior.predict(z, prior.schedule(t), list(conditions))]


@pytest.fixture(scope="module")
def control():
    return tiny("StableDiffusionControlNetPipeline")


@pytest.fixture(scope="module")
def plain():
    return tiny("StableDiffusionPipeline")[0]


@pytest.mark.parametrize("name", ["StableDiffusionPipeline", "StableDiffusionXLPipeline"])
def test_it_is_what_the_adapter_is_with_the_pipelines_own_null_prompt(name):
    pipe, _ = tiny(name)  # that of XL is zeros
    ours, theirs = driven(pipe), from_pipe(pipe)
    z = noise(ours, 2)
    prompts = (None, "a cat")
    a = ask(ours, z, *map(ours.condition, prompts))
    b = ask(theirs, z, *map(theirs.condition, prompts))
    for one, other in zip(a, b, strict=True):
        assert (one - other).abs().max() < 1e-5 * other.abs().max()
    assert (ours.latent_channels, ours.factor, ours.multiple) == (4, 8, theirs.multiple)
    assert ours.family.guidance == theirs.family.guidance == "cfg"
    with torch.no_grad():
        x = ours.decode(z)
        assert (x - theirs.decode(z)).abs().max() < 1e-4
        assert (ours.encode(x) - theirs.encode(x)).abs().max() < 1e-5


class TestTheCall:
    def test_a_control_picture_counts_and_a_wrong_name_is_named(self, control):
        pipe, picture = control
        prior, other = from_pipe(pipe, image=picture), from_pipe(pipe, image=picture.rotate(90))
        z = noise(prior)
        (a,), (b,) = (ask(p, z, p.condition("a cat")) for p in (prior, other))
        assert (a - b).abs().max() > 1e-4
        with pytest.raises(ModelError, match="no 'imag', did you mean image"):
            from_pipe(pipe, imag=picture)
        with pytest.raises(ModelError, match="image not given"):
            from_pipe(pipe)

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            ({"num_inference_steps": 5}, "it is the task's num_inference_steps"),
            ({"latents": None}, "it is the task's seed"),
            ({"prompt": "a"}, "the prompt is the task's"),
            ({"control_guidance_end": 0.5}, "depends on the number of the step"),
        ],
    )
    def test_what_a_task_sets_is_refused(self, control, call, message):
        pipe, picture = control
        with pytest.raises(ModelError, match=message):
            from_pipe(pipe, image=picture, **call)

    def test_arguments_of_one_condition(self):
        pipe, picture = tiny("FluxKontextPipeline")
        prior = from_pipe(pipe)
        assert prior.references
        z = noise(prior)
        conditions = prior.condition("a cat"), prior.condition("a cat", image=picture)
        assert conditions[0] != conditions[1]
        assert conditions[1] == prior.condition("a cat", image=picture.copy())
        without, with_reference = ask(prior, z, *conditions)
        assert (without - with_reference).abs().max() > 1e-4
        (alone,) = ask(prior, z, conditions[1])
        assert (alone - with_reference).abs().max() < 1e-5

    def test_an_editor_without_a_reference_says_so(self):
        pipe, picture = tiny("QwenImageEditPipeline")
        prior = from_pipe(pipe)
        with pytest.raises(ModelError, match="edits a reference picture: pass image="):
            prior.condition("a cat")
        assert prior.condition("a cat", image=picture).prompt == "a cat"

    def test_skipped_layers_guide_at_every_level(self):
        """guided + s (cat - cat without a layer): a free level has no number of a step."""
        pipe, _ = tiny("StableDiffusion3Pipeline")
        skips = {"skip_guidance_layers": [0], "skip_layer_guidance_scale": 2.0}
        prior, plain = (from_pipe(pipe, guidance_scale=3.0, **more) for more in (skips, {}))
        z = noise(prior)
        (got,), (guided,) = (ask(p, z, p.condition("a cat")) for p in (prior, plain))
        (cat,) = ask(ours := driven(pipe), z, ours.condition("a cat"))
        block = pipe.transformer.transformer_blocks[0]
        block.forward = lambda hidden_states, encoder_hidden_states, **_: (
            encoder_hidden_states,
            hidden_states,
        )
        (without,) = ask(ours, z, ours.condition("a cat"))
        expected = guided + 2 * (cat - without)
        assert (got - expected).abs().max() < 1e-4 * got.abs().max()
        assert (got - guided).abs().max() > 1e-3 * got.abs().max()
        assert prior.evaluations == 3
        with pytest.raises(ModelError, match="it is every step"):
            from_pipe(pipe, guidance_scale=3.0, skip_layer_guidance_stop=0.5)
        with pytest.raises(ModelError, match=r"skip_guidance_layers is part of .* own guidance"):
            from_pipe(pipe, skip_guidance_layers=[0])

    def test_what_enlarges_a_picture_is_no_editor(self):
        """Its call takes a picture, as an editor's does; `instruct` refuses it."""
        pipe, picture = tiny("StableDiffusionUpscalePipeline")
        prior = from_pipe(pipe)
        assert not prior.references
        with pytest.raises(ModelError, match=r"needs a picture: pass image= to from_pipe$"):
            prior.condition("a cat")
        with pytest.raises(ModelError, match="takes no reference picture"):
            Edit(picture, "a cat", method="instruct")(prior)

    def test_a_color_picture_for_an_autoencoder_of_transparent_ones(self):
        """It is opaque."""
        pipe, _ = tiny("QwenImage21Pipeline")
        prior = from_pipe(pipe)
        x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
        with torch.no_grad():
            z = prior.encode(x)
            opaque = torch.cat([x, torch.ones(1, 1, 64, 64)], 1)[:, :, None]
            code = pipe.vae.encode(opaque).latent_dist.mode()
            assert torch.allclose(prior.family.layout(4, 4).to_code(z), code, atol=1e-5)
            assert prior.decode(z).shape == x.shape

    def test_the_pipelines_own_guidance(self, plain):
        prior, ours = from_pipe(plain, guidance_scale=3.0), driven(plain)
        z = noise(prior)
        null, cat = ask(ours, z, ours.condition(None), ours.condition("a cat"))
        (own,) = ask(prior, z, prior.condition("a cat"))
        assert (own - (null + 3 * (cat - null))).abs().max() < 1e-4 * own.abs().max()
        assert prior.evaluations == 2  # two rows of the network
        condition, nothing = prior.condition("a cat"), prior.condition(None)
        assert len(prior.guided(condition, nothing, 1.0)) == 1
        with pytest.raises(ModelError, match="guides itself by its call"):
            prior.guided(condition, nothing, 5.0)


def test_a_row_does_not_depend_on_others_and_gradients_pass():
    prior = driven(tiny("StableDiffusionInpaintPipeline (9 channels)")[0])
    z = noise(prior, 3).requires_grad_()
    condition = prior.condition("a cat")
    (estimate,) = prior.predict(z, prior.schedule(0.5), [condition])
    for row in range(3):  # the picture inside the call is encoded by its mode, not sampled
        (alone,) = ask(prior, z[row : row + 1].detach(), condition)
        assert (alone - estimate.z0[row : row + 1]).abs().max() < 1e-4
    (gradient,) = torch.autograd.grad((estimate.z0[0] ** 2).mean(), z)
    assert gradient[0].abs().max() > 0
    assert not gradient[1:].any()
    assert not any(p.grad is not None for p in prior.network.parameters())


def test_a_trigflow_network_sees_what_its_pipeline_shows_it():
    pipe, _ = tiny("SanaSprintPipeline")
    prior, seen = driven(pipe), []
    pipe.transformer.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append((args or (kwargs["hidden_states"],))[0]),
        with_kwargs=True,
    )
    z, level = noise(prior), prior.schedule(0.5)
    with torch.no_grad():
        prior.predict(z, level, [prior.condition("a cat")])
    u = level.flow  # the pipeline's network is a flow's, which sees z / (alpha + sigma)
    assert torch.allclose(seen[-1], z * (u**2 + (1 - u) ** 2) ** 0.5, atol=1e-5)


class TestThePipelineStaysAsItWas:
    def test_nothing_is_left_on_it(self, plain):
        before, state = dict(vars(plain)), torch.get_rng_state()
        prior = driven(plain)
        ask(prior, noise(prior), prior.condition("a cat"), prior.condition(None))
        assert vars(plain).keys() == before.keys()
        assert all(vars(plain)[name] is value for name, value in before.items())
        assert torch.equal(torch.get_rng_state(), state)

    def test_open_calls_do_not_keep_it_in_memory(self):
        pipe, _ = tiny("StableDiffusionPipeline")
        prior = driven(pipe)
        ask(prior, noise(prior), prior.condition("a cat"))
        gone, threads = weakref.ref(pipe), threading.active_count()
        del prior, pipe
        gc.collect()
        assert gone() is None
        assert threading.active_count() < threads

    def test_weights_that_change_count(self):
        pipe, _ = tiny("StableDiffusionPipeline")
        prior = driven(pipe)
        z, condition = noise(prior), prior.condition("a cat")
        (before,) = ask(prior, z, condition)
        with torch.no_grad():
            pipe.unet.conv_out.weight.mul_(2)
        (after,) = ask(prior, z, condition)
        assert (before - after).abs().max() > 1e-3


def test_a_call_that_is_used_up_is_opened_again(control, monkeypatch):
    fresh = driven(control[0], image=control[1])  # its loop has a list of its steps
    monkeypatch.setattr(driven_family, "_STEPS", (3,))
    prior = driven(control[0], image=control[1])
    condition, z = prior.condition("a cat"), noise(prior)
    for t in (0.9, 0.2, 0.9, 0.5, 0.4, 0.9, 0.1):
        (a,), (b,) = ask(prior, z, condition, t=t), ask(fresh, z, fresh.condition("a cat"), t=t)
        assert torch.equal(a, b)


def test_an_error_of_the_network_is_raised_and_the_next_ask_works(plain, monkeypatch):
    prior = driven(plain)
    z, condition = noise(prior), prior.condition("a cat")
    (before,) = ask(prior, z, condition)
    with monkeypatch.context() as patch:
        patch.setattr(plain.unet, "forward", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ask(prior, z, condition)
    assert torch.equal(ask(prior, z, condition)[0], before)


def test_threads_have_calls_of_their_own(plain):
    prior = driven(plain)
    zs, found = [noise(prior, seed=seed) for seed in range(2)], {}
    condition = prior.condition("a cat")
    expected = [ask(prior, z, condition)[0] for z in zs]

    def run(index):
        found[index] = ask(prior, zs[index], condition)[0]

    for index in range(2):  # one after the other: a network belongs to one thread at a time
        thread = threading.Thread(target=run, args=(index,))
        thread.start()
        thread.join()
    assert all(torch.equal(found[index], expected[index]) for index in range(2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vae": None}, "its vae is missing"),
        ({"scheduler": None}, "it has no scheduler"),
        ({"unet": None}, "it has none of unet"),
        ({"scheduler": diffusers.ScoreSdeVeScheduler()}, "StableDiffusionControlNetPipeline"),
    ],
)
def test_what_cannot_be_driven_is_refused_in_one_line(control, change, message):
    pipe = copy.copy(control[0])
    for name, value in change.items():
        vars(pipe)[name] = value
    with pytest.raises(ModelError, match=message) as caught:
        from_pipe(pipe, image=control[1])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", ["text_encoder", "tokenizer"])
def test_a_pipeline_that_cannot_read_prompts_says_what_it_lacks(control, part):
    pipe = copy.copy(control[0])
    vars(pipe)[part] = None
    hint = f"its {part} is missing: load the pipeline with it, or pass prompt_embeds"
    with pytest.raises(ModelError, match=hint):
        from_pipe(pipe, image=control[1])


def test_the_size_that_is_named_is_one_that_the_pipeline_keeps():
    """This editor scales pictures to one area and rounds, and what it made of them again."""
    prior = driven(tiny("LongCatImageEditPipeline")[0])
    for _ in range(2):
        with pytest.raises(ModelError, match=r"works at 48 x 112 pixels, not at 16 x 56: pass a"):
            prior.decode(torch.zeros(1, prior.latent_channels, 7, 2))
    assert prior.decode(torch.zeros(1, prior.latent_channels, 14, 6)).shape[2:] == (112, 48)


class _Rewriting(diffusers.StableDiffusionPipeline):
    def __call__(self, prompt=None, height=None, width=None, num_inference_steps=4, **_):
        self.scheduler.set_timesteps(num_inference_steps)
        z = torch.zeros(1, 4, height // 8, width // 8)
        text = self.encode_prompt(prompt, "cpu", 1, False)[0]
        for t in self.scheduler.timesteps:
            out = self.unet(z, t, encoder_hidden_states=text).sample
            z = self.scheduler.step(out, t, z).prev_sample * 0.9
        return self.vae.decode(z)


def test_a_loop_that_rewrites_its_latents_is_refused(plain):
    parts = {n: m for n, m in plain.components.items() if n != "image_encoder"}
    with pytest.raises(ModelError, match="changes the latents between two steps"):
        from_pipe(_Rewriting(**parts, requires_safety_checker=False))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_layout_is_learned_whatever_it_is(data):
    shape = tuple(data.draw(st.integers(1, n)) for n in (5, 6, 7))
    count = shape[0] * shape[1] * shape[2]
    seed, half = data.draw(st.integers(0, 99)), data.draw(st.booleans())
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(count, generator=generator)
    scale = torch.rand(shape[0], 1, 1, generator=generator) * 5 + 0.2
    offset = torch.randn(shape[0], 1, 1, generator=generator)
    kind = torch.bfloat16 if half else torch.float32

    def decode(row):
        code = row.view(-1)[order].view(1, *shape) * scale + offset
        return code.to(kind)

    layout = learn_layout((count,), decode)
    z = torch.randn(2, *shape, generator=generator)
    assert torch.equal(layout.from_loop(layout.to_loop(z)), z)
    tolerance = 0.05 if half else 1e-4
    expected = torch.cat([decode(row) for row in layout.to_loop(z)]).float()
    assert torch.allclose(layout.to_code(z), expected, atol=tolerance, rtol=tolerance)
    assert torch.allclose(layout.from_code(layout.to_code(z)), z, atol=1e-5)


def test_what_is_no_layout_is_refused():
    with pytest.raises(ModelError, match="something else than"):
        learn_layout((64,), lambda row: row.view(1, 4, 4, 4).cumsum(-1))
    with pytest.raises(ModelError, match="videos"):
        learn_layout((64,), lambda row: row.view(1, 4, 4, 2, 2))


@pytest.mark.parametrize(
    "scheduler",
    [
        diffusers.DDIMScheduler(clip_sample=False),
        diffusers.DDIMScheduler(clip_sample=False, prediction_type="v_prediction"),
        diffusers.DDIMScheduler(clip_sample=False, prediction_type="sample"),
        diffusers.EDMEulerScheduler(),
        diffusers.EDMEulerScheduler(prediction_type="v_prediction"),
        diffusers.SCMScheduler(),
        diffusers.CMStochasticIterativeScheduler(),
    ],
    ids=lambda each: f"{type(each).__name__}-{each.config.get('prediction_type')}",
)
def test_an_output_means_what_the_scheduler_makes_of_it(scheduler):
    trig = isinstance(scheduler, diffusers.SCMScheduler)
    scheduler.set_timesteps(2 if trig else 5)
    levels = levels_of(scheduler, 16)
    z, output = (noise_like(seed) for seed in range(2))
    step = 1 if trig else 2
    time = scheduler.timesteps[step]
    level = next_level(levels, float(time))
    sample = z * levels.scale
    given = output * levels.scale
    if isinstance(scheduler, diffusers.CMStochasticIterativeScheduler):
        scheduler.scale_model_input(sample, time)  # it wants that first
        skip, out = scheduler.get_scalings_for_boundary_condition(torch.tensor(level.sigma))
        clean = skip * sample + out * given
    else:
        for t in scheduler.timesteps[:step]:  # some count their steps
            scheduler.scale_model_input(sample, t) if hasattr(scheduler, "sigmas") else None
            scheduler.step(torch.zeros_like(given), t, sample)
        if isinstance(scheduler, diffusers.EDMEulerScheduler):
            scheduler.scale_model_input(sample, time)
        result = scheduler.step(given, time, sample)
        clean = getattr(result, "pred_original_sample", None)
        clean = result.denoised if clean is None else clean
    target_output, target = given / levels.scale, levels.target
    if levels.scalings:
        _, skip, out = levels.scalings(level)
        target_output, target = skip * z + out * output, "sample"
    ours = to_estimate(target_output, z, level, target).z0 * levels.scale
    assert torch.allclose(ours, clean, rtol=1e-4, atol=1e-4)


def test_a_flow_is_straight_from_data_to_noise():
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(6)
    levels = levels_of(scheduler, 16)
    clean, eps = noise_like(0), noise_like(1)
    sigma = float(scheduler.sigmas[2])
    level = Level(0.5, 1 - sigma, sigma)
    assert levels.time(level) == pytest.approx(float(scheduler.timesteps[2]), rel=1e-5)
    z = level.alpha * clean + level.sigma * eps
    after = scheduler.step(eps - clean, scheduler.timesteps[2], z).prev_sample
    next_sigma = float(scheduler.sigmas[3])
    assert torch.allclose(after, (1 - next_sigma) * clean + next_sigma * eps, atol=1e-5)
    assert torch.allclose(to_estimate(eps - clean, z, level, "flow").z0, clean, atol=1e-5)


def noise_like(seed):
    return torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(seed))


def next_level(levels, time):
    """The level that the scheduler counts so, by bisection in t."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if levels.time(levels.schedule(middle)) < time else (low, middle)
    return levels.schedule(high)
