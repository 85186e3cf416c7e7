"""The Stable Diffusion prior against diffusers' own pipeline, and what it refuses."""

import copy
import dataclasses
import types

import pytest
import torch
from tiny import edit_json, latents, open_pipe

from dreamsampler.maths import Estimate, Level
from dreamsampler.models.errors import ModelError, NetworkError
from dreamsampler.models.finite import FiniteCheck
from dreamsampler.models.load import from_pretrained
from dreamsampler.models.pipe import from_pipe


@pytest.mark.parametrize("target", ["epsilon", "v_prediction"])
def test_the_loop_equals_the_pipelines_own(target, own_folder):
    edit_json(own_folder / "scheduler/scheduler_config.json", prediction_type=target)
    pipe = open_pipe(own_folder)
    prior = from_pretrained(own_folder, device="cpu")
    z = latents(prior, 2)
    words = {"prompt": ["a cat"] * 2, "negative_prompt": ["dog"] * 2, "guidance_scale": 4.0}
    pipe.set_progress_bar_config(disable=True)
    expected = pipe(**words, num_inference_steps=5, latents=z, output_type="latent").images
    null, cat = prior.condition("dog"), prior.condition("a cat")
    times = [prior.schedule.time(int(t)) for t in pipe.scheduler.timesteps]
    levels = [prior.schedule(t) for t in times]
    ends = [*levels[1:], prior.schedule(prior.schedule.time(0))]
    with torch.no_grad():
        for level, end in zip(levels, ends, strict=True):
            plain, wished = prior.predict(z, level, [null, cat])
            guided: Estimate = plain.lerp(wished, 4.0)
            z = end.alpha * guided.z0 + end.sigma * guided.eps
    assert (z - expected).norm() <= 1e-5 * expected.norm()


def test_one_forward_for_all_conditions(tiny):
    calls = []
    handle = tiny.network.register_forward_pre_hook(lambda _, args: calls.append(len(args[0])))
    before = tiny.evaluations
    with torch.no_grad():
        tiny.predict(latents(tiny, 2), tiny.schedule(0.5), [tiny.condition(p) for p in "abc"])
        assert tiny.predict(latents(tiny, 2), tiny.schedule(0.5), []) == []
    handle.remove()
    assert calls == [6]
    assert tiny.evaluations - before == 6


def test_the_network_gets_the_levels_time_and_the_rates_are_the_levels_own(tiny):
    times_given = []
    handle = tiny.network.register_forward_pre_hook(lambda _, args: times_given.append(args[1]))
    z, condition = latents(tiny, 1), tiny.condition("")
    with torch.no_grad():
        for t in (0.0, 0.001, 0.5, 0.7505, 1.0):
            tiny.predict(z, tiny.schedule(t), [condition])
        (shifted,) = tiny.predict(z, Level(0.5, 0.6, 0.8), [condition])
        (own,) = tiny.predict(z, tiny.schedule(0.5), [condition])
    handle.remove()
    assert times_given[:5] == [0, 0, 499, pytest.approx(749.5), 999]
    assert torch.allclose(shifted.eps, own.eps, atol=1e-6)
    assert torch.allclose(0.6 * shifted.z0 + 0.8 * shifted.eps, z, atol=1e-6)


def test_the_schedule_is_the_schedulers_table(tiny, pipe):
    table = pipe.scheduler.alphas_cumprod
    assert tiny.schedule.alphas_cumprod == tuple(table.tolist())
    assert tiny.schedule(tiny.schedule.time(500)).alpha_bar == pytest.approx(table[500].item())


def test_sizes(tiny):
    assert (tiny.latent_channels, tiny.factor, tiny.multiple, tiny.native_size) == (4, 8, 16, 256)


def test_encode_is_the_scaled_mode(tiny, pipe):
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        mode = pipe.vae.encode(x).latent_dist.mode()
        z = tiny.encode(x)
        assert torch.allclose(z, 0.18215 * mode, atol=1e-6)
        assert torch.allclose(tiny.decode(z), pipe.vae.decode(mode).sample, atol=1e-5)


def test_a_shift_factor_is_honored(pipe):
    plain = from_pipe(pipe)
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        z, y = plain.encode(x), plain.decode(plain.encode(x))
        pipe.vae.register_to_config(shift_factor=0.5, scaling_factor=2.0)
        shifted = from_pipe(pipe)
        assert torch.allclose(shifted.encode(x), (z / 0.18215 - 0.5) * 2, atol=1e-5)
        assert torch.allclose(shifted.decode(shifted.encode(x)), y, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 3, 60, 64), (1, 1, 64, 64), (3, 64, 64)])
def test_pictures_of_odd_shapes_are_refused(tiny, shape):
    with pytest.raises(ValueError, match="multiples of 8"):
        tiny.encode(torch.zeros(shape))


def test_latents_of_another_model_are_refused(tiny):
    with pytest.raises(ValueError, match=r"latents of \(b, 4, h, w\)"):
        tiny.predict(torch.zeros(1, 8, 8, 8), tiny.schedule(0.5), [tiny.condition("")])


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 9 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried"),
    ],
)
def test_lack_of_memory_is_one_line(pipe, monkeypatch, error):
    prior = from_pipe(pipe)

    def full(*_, **__):
        raise error

    monkeypatch.setattr(pipe.vae, "decode", full)
    with pytest.raises(MemoryError, match="ran out of memory on") as caught:
        prior.decode(torch.zeros(1, 4, 8, 8))
    assert "\n" not in str(caught.value)
    assert pipe.vae.decoder.conv_in.weight.requires_grad
    monkeypatch.setattr(pipe.vae, "encode", lambda _: pipe.vae.decoder.conv_in(torch.zeros(1)))
    with pytest.raises(RuntimeError, match="Expected"):  # other errors pass as they are
        prior.encode(torch.zeros(1, 3, 32, 32))


def test_half_precision_network_and_float32_latents(tiny, tiny_folder):
    half = from_pretrained(tiny_folder, dtype="bfloat16", device="cpu")
    assert half.dtype == half.vae.dtype == torch.bfloat16
    z = latents(half, 2)
    with torch.no_grad():
        (low,) = half.predict(z, half.schedule(0.5), [half.condition("a cat")])
        (full,) = tiny.predict(z, tiny.schedule(0.5), [tiny.condition("a cat")])
        x = half.decode(half.encode(torch.zeros(1, 3, 64, 64)))
    assert low.z0.dtype == low.eps.dtype == x.dtype == torch.float32
    assert 0 < (low.z0 - full.z0).norm() < 0.03 * full.z0.norm()
    level = half.schedule(0.5)
    assert torch.allclose(level.alpha * low.z0 + level.sigma * low.eps, z, atol=1e-5)


def test_float64_latents_stay_float64(tiny):
    z = latents(tiny, 1, dtype=torch.float64)
    (estimate,) = tiny.predict(z, tiny.schedule(0.5), [tiny.condition("")])
    assert estimate.z0.dtype == torch.float64


def test_conditions_are_kept_and_do_not_grow_without_end(tiny):
    assert tiny.condition("a cat") is tiny.condition("a cat")
    for n in range(100):
        tiny.condition(f"cat {n}")
    assert len(tiny._conditions) <= 64


def test_conditions_made_in_inference_mode_serve_gradients(tiny_folder):
    prior = from_pretrained(tiny_folder, device="cpu")
    with torch.inference_mode():
        condition = prior.condition("a cat")
    z = latents(prior, 1).requires_grad_()
    prior.predict(z, prior.schedule(0.5), [condition])[0].z0.sum().backward()
    assert z.grad.isfinite().all()


def test_embeddings_can_be_optimized(tiny):
    condition = tiny.condition("a cat")
    free = condition.embeddings.clone().requires_grad_()
    tuned = dataclasses.replace(condition, embeddings=free)
    tiny.predict(latents(tiny, 2), tiny.schedule(0.5), [tuned])[0].z0.sum().backward()
    assert free.grad.abs().max() > 0
    with torch.no_grad():
        free += 1
    assert tuned != condition


@pytest.mark.parametrize("sick", ["weights", "input", "decoder", "encoder"])
def test_nan_from_the_network_is_one_line(sick, tiny_folder):
    prior = from_pretrained(tiny_folder, device="cpu")
    z, level, condition = latents(prior, 1), prior.schedule(0.5), prior.condition("")
    if sick == "input":
        z[0, 0, 0, 0] = float("nan")
    module = {"weights": prior.network, "decoder": prior.vae.decoder, "encoder": prior.vae.encoder}
    if sick in module:
        with torch.no_grad():
            module[sick].conv_out.weight[0].fill_(float("inf"))
    with pytest.raises(NetworkError) as caught, torch.no_grad():
        if sick == "decoder":
            prior.decode(z)
        elif sick == "encoder":
            prior.encode(torch.zeros(1, 3, 32, 32))
        else:
            prior.predict(z, level, [condition])
    text = str(caught.value)
    assert "\n" not in text
    assert {"input": "its input had", "weights": "t 0.5, sigma"}.get(sick, sick) in text


def test_float16_overflow_names_the_remedy():
    with pytest.raises(NetworkError, match="bfloat16 or float32"):
        FiniteCheck().add(torch.tensor([float("inf")]), torch.zeros(1), "the UNet", torch.float16)


@pytest.mark.parametrize(
    ("part", "change", "word"),
    [
        ("unet", {"in_channels": 8}, "instruction-editing"),
        ("unet", {"out_channels": 8}, "outputs 8"),
        ("unet", {"addition_embed_type": "text_time"}, "SDXL"),
        ("unet", {"class_embed_type": "projection"}, "class labels"),
        ("unet", {"num_class_embeds": 1000}, "class labels"),
        ("unet", {"encoder_hid_dim_type": "ip_image_proj"}, "IP-Adapter"),
        ("unet", {"cross_attention_dim": 768}, "different models"),
        ("scheduler", {"prediction_type": "flow_prediction"}, "prediction_type"),
    ],
)
def test_other_families_are_refused(opened, part, change, word):
    pipe, changed = copy.copy(opened), copy.copy(getattr(opened, part))
    changed.register_to_config(**change)  # of the copy alone
    setattr(pipe, part, changed)
    with pytest.raises(ModelError, match=word) as caught:
        from_pipe(pipe)
    assert "\n" not in str(caught.value)


def test_a_flow_scheduler_is_refused(pipe):
    from diffusers import FlowMatchEulerDiscreteScheduler

    pipe.scheduler = FlowMatchEulerDiscreteScheduler()
    with pytest.raises(ModelError, match="alphas_cumprod"):
        from_pipe(pipe)


class TestFromPipe:
    """A prior on top of a pipeline that goes on living."""

    def test_it_shares_every_weight(self, pipe):
        before = {k: (v.data_ptr(), v.dtype, v.stride()) for k, v in pipe.unet.state_dict().items()}
        prior = from_pipe(pipe)
        assert prior.network is pipe.unet
        after = {
            k: (v.data_ptr(), v.dtype, v.stride()) for k, v in prior.network.state_dict().items()
        }
        assert before == after

    def test_the_pipeline_still_works_and_its_weights_stay_trainable(self, pipe):
        pipe.set_progress_bar_config(disable=True)
        words = {"prompt": "a cat", "num_inference_steps": 2, "output_type": "latent"}
        z = latents(types.SimpleNamespace(latent_channels=4), 1)
        before = pipe(**words, latents=z.clone()).images
        prior = from_pipe(pipe)
        free = z.clone().requires_grad_()
        (estimate,) = prior.predict(free, prior.schedule(0.5), [prior.condition("a cat")])
        prior.decode(estimate.z0).sum().backward()
        assert free.grad.abs().max() > 0
        weights = [*pipe.unet.parameters(), *pipe.vae.parameters()]
        assert all(weight.requires_grad and weight.grad is None for weight in weights)
        assert torch.equal(pipe(**words, latents=z.clone()).images, before)

    def test_what_is_loaded_later_counts(self, pipe):
        prior = from_pipe(pipe)
        old = prior.condition("a cat")
        with torch.no_grad():
            pipe.text_encoder.get_input_embeddings().weight.add_(1.0)
        assert prior.condition("a cat") != old

    def test_its_version_follows_its_weights(self, pipe, opened):
        first = from_pipe(pipe)
        assert first.revision == from_pipe(opened).revision
        with torch.no_grad():
            pipe.unet.conv_in.weight.add_(1.0)
        assert from_pipe(pipe).revision != first.revision

    def test_offloaded_weights_are_followed(self, pipe, tiny):
        from accelerate import cpu_offload

        for part in (pipe.unet, pipe.vae, pipe.text_encoder):
            cpu_offload(part, execution_device=torch.device("cpu"))
        prior = from_pipe(pipe)
        z = latents(prior, 1)
        with torch.no_grad():
            (got,) = prior.predict(z, prior.schedule(0.5), [prior.condition("a cat")])
            (expected,) = tiny.predict(z, tiny.schedule(0.5), [tiny.condition("a cat")])
        assert torch.allclose(got.z0, expected.z0, atol=1e-5)

    def test_other_pipelines_are_refused(self, pipe):
        pipe.unet = None
        with pytest.raises(ModelError, match="StableDiffusionPipeline has no unet"):
            from_pipe(pipe)
        with pytest.raises(
            ModelError, match="SimpleNamespace cannot be used as a prior: it has no scheduler"
        ):
            from_pipe(types.SimpleNamespace(transformer=None))
