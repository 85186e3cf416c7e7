"""Models of pixels: closed forms, UNet2DModel folders, any denoiser, tiles, what is refused."""

import threading

import pytest
import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from dreamsampler import Edit, Restore, from_denoiser, from_pipe, from_pretrained
from dreamsampler.cancel import Canceled
from dreamsampler.models import ModelError

SPREAD = 0.2


def shrink(y, sigma):
    """The posterior mean of pixels that are Gaussian about 0.5: linear in y."""
    return 0.5 + (y - 0.5) / (1 + (sigma / SPREAD) ** 2)


def unet(channels=3, out=None, attention=False, **more):
    kind = "AttnDownBlock2D" if attention else "DownBlock2D"
    torch.manual_seed(0)
    return UNet2DModel(
        sample_size=16,
        in_channels=channels,
        out_channels=out or channels,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", kind),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        add_attention=attention,
        attention_head_dim=4,
        **more,
    ).eval()


def pictures(height, width, count=1):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


def estimate(prior, z, t, prompt=""):
    return prior.predict(z, prior.schedule(t), [prior.condition(prompt)])[0]


@given(st.floats(0.02, 1.0), st.integers(1, 11), st.integers(1, 9))
def test_a_denoiser_is_tweedies_formula(t, height, width):
    """z0 is the denoised picture, and alpha z0 + sigma eps is z, at any size."""
    prior = from_denoiser(shrink)
    z, level = pictures(height, width), prior.schedule(t)
    found = estimate(prior, z, t)
    wanted = z / (1 + (level.s / 2 / SPREAD) ** 2)
    torch.testing.assert_close(found.z0, wanted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(level.alpha * found.z0 + level.sigma * found.eps, z)


@pytest.mark.parametrize("method", ["default", "dpir"])
def test_noise_alone_is_restored_to_the_posterior_mean(method):
    """Of a Gaussian prior that is a closed form; the measurement is nowhere black or white."""
    rng, noise = torch.Generator().manual_seed(0), 0.1
    y = (0.5 + 0.1 * torch.randn(3, 20, 31, generator=rng)).clamp(0.2, 0.8)
    run = Restore(y, "none", noise=noise, method=method).start(from_denoiser(shrink)).run()
    torch.testing.assert_close(run.pictures()[0], shrink(y, noise), atol=2e-3, rtol=0)
    assert run.evaluations == 1


@pytest.mark.parametrize("operator", ["none", "downsample(2)"])
def test_several_samples_differ_and_each_explains_the_measurement(operator):
    y = 0.5 + 0.1 * torch.randn(3, 20, 24, generator=torch.Generator().manual_seed(0))
    task = Restore(y.clamp(0.2, 0.8), operator, noise=0.05, num_images=2)
    run = task.start(from_denoiser(shrink)).run()
    first, second, *_ = run.pictures()
    assert (first - second).abs().mean() > 0.004
    assert "warning" not in run.report


def test_pixels_that_were_measured_stay_to_the_bit(tmp_path):
    from PIL import Image

    hole = Image.new("L", (40, 24))
    hole.paste(255, (10, 5, 14, 20))
    hole.save(tmp_path / "hole.png")
    texture = torch.randint(-1, 2, (3, 24, 40), generator=torch.Generator().manual_seed(0))
    y = (torch.linspace(60, 180, 40).round() + texture) / 255
    run = Restore(y, f"mask({tmp_path / 'hole.png'})").start(from_denoiser(shrink)).run()
    (found,) = run.pictures()
    lost = torch.zeros(24, 40, dtype=torch.bool)
    lost[5:20, 10:14] = True
    assert torch.equal(found[:, ~lost], y[:, ~lost])
    assert not torch.equal(found[:, lost], y[:, lost])
    assert bool(found.isfinite().all())


def test_a_folder_is_asked_as_its_network_is(tmp_path):
    network, scheduler = unet(), DDPMScheduler()
    DDPMPipeline(network, scheduler).save_pretrained(tmp_path)
    prior = from_pretrained(tmp_path, device="cpu")
    z, n = pictures(16, 16, 2), 400
    level = prior.schedule(prior.schedule.time(n))
    found = estimate(prior, z, level.t)
    with torch.no_grad():
        eps = network(z, n).sample
    torch.testing.assert_close(found.eps, eps)
    torch.testing.assert_close(found.z0, (z - level.sigma * eps) / level.alpha)
    assert (prior.latent_channels, prior.factor, prior.multiple, prior.native_size) == (3, 1, 1, 0)
    torch.testing.assert_close(prior.decode(prior.encode(z)), z)


@pytest.mark.parametrize("size", [(16, 16), (17, 30), (3, 5), (1, 1)])
def test_cells_of_pixels_any_size_and_gradients(size):
    """12 channels are 2 x 2 pixels; what is padded is cut off again."""
    prior = from_pipe(DDIMPipeline(unet(12), DDIMScheduler()))
    z = pictures(*size).requires_grad_()
    with torch.enable_grad():
        found = estimate(prior, z, 0.3)
        found.z0.sum().backward()
    assert found.z0.shape == z.shape
    assert z.grad is not None
    assert bool(z.grad.isfinite().all())
    assert all(p.grad is None for p in prior.network.parameters())


def test_tiles_are_blended_without_a_seam():
    """A network that looks at single pixels gives the same picture in tiles."""
    z = pictures(150, 201)
    whole = estimate(from_denoiser(shrink, tiling=512), z, 0.5).z0
    tiled = estimate(from_denoiser(shrink, tiling=64), z, 0.5).z0
    torch.testing.assert_close(tiled, whole)


def test_a_learned_variance_is_left_out():
    both, mean = unet(out=6), unet()
    with torch.no_grad():
        state = both.state_dict()
        state["conv_out.weight"], state["conv_out.bias"] = (
            state["conv_out.weight"][:3],
            state["conv_out.bias"][:3],
        )
        mean.load_state_dict(state)
    z = pictures(16, 16)
    a, b = (estimate(from_pipe(DDPMPipeline(n, DDPMScheduler())), z, 0.5) for n in (both, mean))
    torch.testing.assert_close(a.eps, b.eps)


def test_a_class_is_prompted_by_its_number():
    prior = from_pipe(DDPMPipeline(unet(num_class_embeds=4), DDPMScheduler()))
    z = pictures(16, 16)
    assert not torch.equal(estimate(prior, z, 0.5, "1").eps, estimate(prior, z, 0.5, "2").eps)
    for prompt in ("cat", "4"):
        with pytest.raises(ModelError, match="4 classes by their numbers"):
            prior.condition(prompt)
    with pytest.raises(ModelError, match="needs a class"):
        estimate(prior, z, 0.5)


def test_a_network_with_attention_has_a_size():
    prior = from_pipe(DDPMPipeline(unet(attention=True), DDPMScheduler()))
    assert prior.native_size == 16


def test_what_cannot_be_meant_is_one_line(tmp_path):
    prior = from_denoiser(shrink)
    y = pictures(16, 16)[0] / 4 + 0.5
    cases = [
        (lambda: from_denoiser(3), "an int is no denoiser|a int is no denoiser"),
        (lambda: from_denoiser(shrink, sigma_max=0), "sigma_max is 0"),
        (lambda: from_pipe(DDPMPipeline(unet(4), DDPMScheduler())), "4 channels, but pictures"),
        (lambda: from_denoiser(shrink, tiling=1), "tiling is 1, but"),
        (lambda: Restore(y, "none", num_images=2, method="dpir").start(prior), "the same picture"),
        (lambda: Edit(y, prompt="cat").start(prior), "knows no words"),
        (lambda: Restore(y, "none", prompt="cat").start(prior), "knows no words"),
        (
            lambda: prior.predict(pictures(4, 4)[:, :1], prior.schedule(0.5), [None]),
            "take them from encode",
        ),
    ]
    for call, words in cases:
        with pytest.raises(ValueError, match=words):
            call()


def test_the_shipped_model_takes_noise_off_pictures():
    """At least 6 dB off a smooth picture with edges, of any size; it loads in diffusers, too."""
    prior = from_pretrained("photo", device="cpu")
    y, x = torch.meshgrid(torch.linspace(0, 3, 61), torch.linspace(0, 4, 83), indexing="ij")
    clean = torch.stack([x.sin() / 3 + 0.5, (x * y).cos() / 3 + 0.5, (x > y) * 0.6 + 0.2])[None]
    noise = 0.1
    noisy = clean + noise * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    u = 2 * noise / (1 + 2 * noise)
    level = prior.schedule.at_flow(u)
    condition = prior.condition("")
    (found,) = prior.predict(level.alpha * (2 * noisy - 1), level, [condition])
    before = (noisy - clean).square().mean()
    after = ((found.z0 + 1) / 2 - clean).square().mean()
    assert 10 * (before / after).log10() > 6
    assert prior.native_size == 0


class TinyDRUNet(torch.nn.Module):
    """What deepinv's DRUNet is called and computes like: a map of sigma beside the colors, sides
    that it divides by 8, its answer the clean picture."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Conv2d(4, 8, 3, padding=1, bias=False)
        self.down = torch.nn.Conv2d(8, 8, 8, stride=8, bias=False)
        self.up = torch.nn.ConvTranspose2d(8, 8, 8, stride=8, bias=False)
        self.tail = torch.nn.Conv2d(8, 3, 3, padding=1, bias=False)

    def forward(self, x, sigma):
        level = torch.as_tensor(sigma, dtype=x.dtype).expand(len(x), 1, *x.shape[2:])
        h = self.head(torch.cat([x, level], 1))
        return x - self.tail(h + self.up(self.down(h)))


def test_a_drunet_in_safetensors_is_a_prior(tmp_path):
    """Its file into its module, the module into `from_denoiser`; sides of 21 and 30 are padded."""
    torch.manual_seed(0)
    save_file(TinyDRUNet().state_dict(), tmp_path / "drunet_color.safetensors")
    torch.manual_seed(1)
    network = TinyDRUNet().eval()
    network.load_state_dict(load_file(tmp_path / "drunet_color.safetensors"))
    y, noise = 0.3 + 0.4 * torch.rand(3, 21, 30, generator=torch.Generator().manual_seed(2)), 0.1
    prior = from_denoiser(network, sigma_max=50 / 255)
    level = prior.schedule.at_flow(2 * noise / (1 + 2 * noise))
    (found,) = prior.predict(level.alpha * (2 * y[None] - 1), level, [prior.condition("")])
    padded = torch.nn.functional.pad(y[None], (0, 2, 0, 3), "reflect")
    with torch.no_grad():
        wanted = network(padded, noise)[..., :21, :30]
    torch.testing.assert_close((found.z0 + 1) / 2, wanted, atol=1e-5, rtol=1e-5)
    out = Restore(y, "none", noise=noise)(prior, progress=False)
    assert out.evaluations == 1 and out.recipe["model"]["name"] == "denoiser"


def test_steps_for_noise_alone_are_refused():
    task = Restore(torch.rand(3, 16, 16), "none", noise=0.1, num_inference_steps=5)
    with pytest.raises(ValueError, match="takes noise alone off in one step: leave it out"):
        task(from_denoiser(shrink), progress=False)


def test_a_large_picture_tells_its_parts_and_can_be_canceled():
    prior, heard = from_denoiser(shrink, tiling=64), []
    y = torch.full((3, 100, 150), 0.5)
    y[:, 50:] = 0.6
    task = Restore(y, "none", noise=0.1)
    task(prior, progress=lambda state: heard.append((state.stage, state.part)))
    parts = [part for stage, part in heard if stage == "step"]
    assert len(set(parts)) >= 6 and parts[1:-1] == sorted(parts[1:-1]) and max(parts) < 1
    flag = threading.Event()
    with pytest.raises(Canceled):
        task(prior, progress=lambda state: state.part > 0.3 and flag.set(), cancel=flag)
