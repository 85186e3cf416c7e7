import pytest
import torch

from dreamsampler.images.assemble import assemble
from dreamsampler.images.fit import Fit

SIZES = [(32, 32), (64, 48), (100, 37)]


def setting(size):
    rng = torch.Generator().manual_seed(0)
    fit = Fit.to(size, 32, 8)
    source = torch.rand(3, *size, generator=rng)
    origin = fit.down(source[None]) * 0.9  # an autoencoder that loses a little
    return fit, source, origin


@pytest.mark.parametrize("size", SIZES)
def test_no_change_gives_the_source_back(size):
    fit, source, origin = setting(size)
    assert torch.equal(
        (assemble(source, origin, origin, fit) * 255).round(), (source * 255).round()
    )


@pytest.mark.parametrize("size", SIZES)
def test_what_is_redrawn_stands_alone(size):
    """No ghost of the source where everything changed."""
    fit, source, origin = setting(size)
    edited = torch.where(origin > 0, -1.0, 1.0)
    torch.testing.assert_close(assemble(source, edited, origin, fit), fit.up(edited)[0])


def test_a_change_that_no_eye_sees_leaves_the_sources_own_bits():
    """Four of 255 levels over a whole picture: what a network and an autoencoder do to a ground."""
    fit, source, origin = setting((32, 32))
    rng = torch.Generator().manual_seed(1)
    edited = (origin + 0.03 * torch.randn(origin.shape, generator=rng).clamp(-1, 1)).clamp(-1, 1)
    assert (edited - origin).abs().max() > 0.02
    assert torch.equal(assemble(source, edited, origin, fit), source)


def test_a_small_change_is_added_to_the_sources_own_pixels():
    """The detail that the autoencoder lost is there, and so is the change."""
    fit, source, origin = setting((32, 32))
    source = source.clamp(0.1, 0.8)
    origin = 0.9 * fit.down(source[None])
    moved = assemble(source, origin + 0.1, origin, fit)
    torch.testing.assert_close(moved, source + 0.05, rtol=0, atol=0.01)
    lost = fit.up(origin + 0.1)[0] - (source + 0.05)
    assert (moved - source - 0.05).abs().mean() < 0.2 * lost.abs().mean()


def test_without_an_origin_it_is_the_decoded_picture():
    fit, source, origin = setting((64, 48))
    assert torch.equal(assemble(source, origin, None, fit), fit.up(origin.clamp(-1, 1))[0])


def test_a_half_redrawn_picture_keeps_the_other_half():
    fit, source, origin = setting((32, 32))
    edited = origin.clone()
    edited[..., :16] = -edited[..., :16].sign()
    out = assemble(source, edited, origin, fit)
    assert torch.equal((out[..., 20:] * 255).round(), (source[..., 20:] * 255).round())
    assert (out[..., :12] - source[..., :12]).abs().mean() > 0.1
