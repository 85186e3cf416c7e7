"""The autoencoder's trainer: what it optimizes, what it folds, and that a kill costs nothing."""

import argparse
import math
import random

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

pytest.importorskip("matplotlib")

from training.autoencoder import finer, muon
from training.autoencoder import network as autoencoder
from training.autoencoder import train as train_autoencoder
from training.data import render
from training.pictures import ACROSS, read_held_out


def tiny(warm=None, width=8):
    """A network of the same kind, in milliseconds."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(width,) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=128,
        mid_block_add_attention=False,
        scaling_factor=autoencoder.SCALE,
    )


@pytest.fixture
def noise():
    """uint8 pictures."""
    return np.random.default_rng(0).integers(0, 256, (6, 128, 128, 3), dtype=np.uint8)


def test_fold_makes_latents_unit_and_changes_no_picture(noise):
    torch.manual_seed(0)
    vae = tiny()
    before = autoencoder.reconstruct(vae, noise)
    autoencoder.fold(vae, noise)
    z = vae.encode(autoencoder.as_batch(noise, vae)).latent_dist.mean.detach() * autoencoder.SCALE
    assert z.mean((0, 2, 3)).abs().max() < 1e-3
    assert (z.std((0, 2, 3)) - 1).abs().max() < 1e-3
    assert np.abs(autoencoder.reconstruct(vae, noise).astype(int) - before).max() <= 1


def test_fold_scales_the_spread_of_the_posterior_alike(noise):
    torch.manual_seed(0)
    vae = tiny()
    x = autoencoder.as_batch(noise, vae)
    with torch.no_grad():
        old = vae.encode(x).latent_dist
        autoencoder.fold(vae, noise)
        new = vae.encode(x).latent_dist
    ratio = old.mean.std((0, 2, 3)) / new.mean.std((0, 2, 3))
    assert torch.allclose(old.std / new.std, ratio.view(1, -1, 1, 1).expand_as(old.std), rtol=1e-3)


def test_psnr_is_the_formula():
    zero = np.zeros((2, 4, 4, 3), np.uint8)
    other = np.stack([zero[0] + 51, zero[0] + 255])
    wanted = [-10 * math.log10(0.04), 0.0]
    assert autoencoder.psnr(zero, other) == pytest.approx(wanted, abs=1e-4)


def test_the_loss_reports_the_same_psnr():
    """A network that answers gray has the PSNR of the gray picture."""

    class Gray:
        def encode(self, x):
            mean = torch.zeros(len(x), 4, 2, 2)
            from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

            posterior = DiagonalGaussianDistribution(torch.cat([mean, mean], 1))
            return argparse.Namespace(latent_dist=posterior)

        def decode(self, z):
            return argparse.Namespace(sample=torch.zeros(len(z), 3, 16, 16))

    x = torch.full((2, 3, 16, 16), 0.4)
    _, quality = autoencoder.loss_of(Gray(), x)  # ty: a stand-in
    assert quality.item() == pytest.approx(-20 * math.log10(0.2), abs=1e-3)


@pytest.mark.parametrize("whole", [False, True])
def test_batches_are_a_function_of_their_seed(noise, whole):
    data = torch.from_numpy(noise)
    one, two, other = (
        autoencoder.batch(data, 2, whole, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    assert one.shape == ((2, 3, 128, 128) if whole else (8, 3, 64, 64))
    assert one.abs().max() <= 1
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_batches_turn_mirror_and_recolor_but_invent_nothing():
    """Whole pictures keep their colors up to order and inversion; crops are parts of them."""
    rng = torch.Generator().manual_seed(0)
    data = torch.zeros(1, 128, 128, 3, dtype=torch.uint8)
    data[0, :30, :10] = torch.tensor([255, 128, 0], dtype=torch.uint8)
    x = autoencoder.batch(data, 64, True, rng)
    inside = (x - x[:, :, 64:65, 64:65]).abs().sum(1) > 0  # the middle is background
    assert (inside.sum((1, 2)) == 300).all()
    tall = inside.any(2).sum(1)
    assert set(tall.tolist()) == {10, 30}  # turned or not
    corners = {(int(m[0].any()), int(m[:, 0].any())) for m in inside}
    assert len(corners) == 4
    data.zero_()
    data[0, ..., 0] = torch.arange(128)  # every crop shows 64 neighbors of this ramp, in order
    crops = autoencoder.batch(data, 16, False, rng)
    ramp = ((crops.amax((2, 3)) - crops.amin((2, 3))) * 127.5).amax(1)
    assert crops.shape == (64, 3, 64, 64) and torch.allclose(ramp, ramp.new_tensor(63.0), atol=0.1)


def options(tmp_path):
    """What the command line would give."""
    return argparse.Namespace(
        data=tmp_path, out=tmp_path, warm=None, finer=None, part="decoder",
        minutes=1.0, lr=1e-3, batch=1, whole=0.2,
        workers=1, every=9.0, save=9.0, seed=0, device="cpu", compile=False, muon=True,
    )  # fmt: skip


def test_a_killed_run_goes_on_as_if_nothing_had_been(tmp_path, noise, monkeypatch):
    monkeypatch.setattr(train_autoencoder, "build", tiny)
    np.save(tmp_path / "autoencoder.npy", noise)
    whole = train_autoencoder.Trainer(0, options(tmp_path))
    for _ in range(4):
        whole.update()
    first = train_autoencoder.Trainer(0, options(tmp_path))
    for _ in range(2):
        first.update()
    first.save()
    second = train_autoencoder.Trainer(0, options(tmp_path))
    assert second.step == 2
    for _ in range(2):
        second.update()
    for a, b in zip(whole.parameters + whole.ema, second.parameters + second.ema, strict=True):
        assert torch.equal(a, b)


def test_newton_schulz_makes_matrices_orthogonal(rng):
    for shape in ((12, 40), (40, 12), (16, 16)):
        values = torch.linalg.svdvals(muon.orthogonal(torch.randn(shape, generator=rng)))
        assert values.max() < 1.3
        assert values.median() > 0.6


def test_muon_moves_by_a_fifth_of_the_rate(rng):
    """The update's root mean square is 0.2 lr, however large the gradient is."""
    for size in (1e-3, 1e3):
        weight = torch.zeros(32, 8, 3, 3, requires_grad=True)
        weight.grad = size * torch.randn(weight.shape, generator=rng)
        muon.Muon([weight], lr=0.1).step()
        assert weight.detach().square().mean().sqrt().item() == pytest.approx(0.02, rel=0.25)


@pytest.mark.parametrize("kind", ["concepts", "icons"])
def test_held_out_pictures_are_there_and_differ(kind):
    pictures = read_held_out(kind)
    assert len(pictures) == 48
    assert len(pictures) % ACROSS == 0
    assert len({picture.tobytes() for picture in pictures}) == 48


def grown():
    """A tiny autoencoder and the one that it grows to."""
    torch.manual_seed(0)
    old = tiny(width=32)
    return old, finer.grow(old)


def test_a_grown_decoder_begins_with_repeated_pixels_and_a_grown_encoder_with_means(noise):
    """Inside, away from the rims, the encoder misses one row and column of the pixels it should."""
    old, new = grown()
    z = torch.randn(1, 4, 16, 16)
    assert new.config.sample_size == 256 and new.decode(z).sample.shape == (1, 3, 256, 256)
    down = new.encoder.down_blocks[0]
    smooth = torch.nn.functional.interpolate(torch.rand(1, 3, 8, 8), (64, 64), mode="bicubic")
    with torch.no_grad():
        wanted = old.encoder.conv_in(torch.nn.functional.avg_pool2d(smooth, 2))
        output = down(new.encoder.conv_in(smooth))
        output = output[0] if isinstance(output, tuple) else output
    inside = (..., slice(2, -2), slice(2, -2))
    assert (output - wanted)[inside].abs().mean() < 0.05 * wanted[inside].std()
    up = new.decoder.up_blocks[-2].upsamplers[0]
    x = torch.randn(1, 32, 6, 6)
    assert torch.allclose(up(x), x.repeat_interleave(2, 2).repeat_interleave(2, 3), atol=1e-6)
    block, x = new.decoder.up_blocks[-1], torch.randn(1, 32, 16, 16)
    assert torch.allclose(block(x), x)


@pytest.mark.parametrize("part", ["decoder", "encoder"])
def test_a_grown_autoencoder_trains_one_part(part):
    _, new = grown()
    chosen = argparse.Namespace(finer=True, part=part)
    trained = {id(p) for p in train_autoencoder.trained(new, chosen)}
    names = {name for name, p in new.named_parameters() if id(p) in trained}
    if part == "decoder":
        assert names == {n for n, _ in new.named_parameters() if n.startswith(("decoder", "post"))}
    else:
        assert {n.split(".")[1] for n in names} == {"conv_in", "down_blocks"}
        assert not any(n.startswith("encoder.down_blocks.1") for n in names)


def test_pictures_twice_as_large_show_the_same():
    """What is drawn at 256 px and halved is what is drawn at 128 px."""
    small, large = (
        render.compose(
            np.kron(np.ones((160, 160, 4), np.float32) * [0.2, 0.5, 0.3, 1], np.ones((s, s, 1))),
            render.backdrop("blue", kind, random.Random(3), 128 * s),
            render.affine(random.Random(4), 0.2, 0.5),
        )
        for s, kind in ((1, "striped"), (2, "striped"))
    )
    halved = large.reshape(128, 2, 128, 2, 3).astype(float).mean((1, 3))
    assert np.abs(halved - small).mean() < 2
