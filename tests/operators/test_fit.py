"""What is found out about a measurement: its noise, and parameters nobody content."""

import math

import pytest
import torch
from torch.nn import functional as F

from dreamsampler.operators import (
    Downsample,
    GaussianBlur,
    Jpeg,
    MotionBlur,
    compose,
    estimate_noise,
    fit_parameters,
    guess_parameters,
    parse,
)


def drawing(seed=0, side=96):
    """Disks in flat colors on white, their edges smooth over a pixel: as an icon."""
    rng = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    picture = torch.ones(1, 3, side, side)
    for _ in range(10):
        cx, cy, r = (torch.rand(3, generator=rng) * side).tolist()
        inside = (4.5 + r / 5 - torch.hypot(x - cx, y - cy)).clamp(0, 1)
        picture = torch.lerp(picture, torch.rand(1, 3, 1, 1, generator=rng), inside)
    return picture


def texture(seed=0, side=96, fall=2.0):
    """Gaussian texture of power 1 / f^fall, as in a photograph."""
    rng = torch.Generator().manual_seed(seed)
    f2 = torch.fft.fftfreq(side)[:, None] ** 2 + torch.fft.fftfreq(side) ** 2
    f2[0, 0] = 1
    white = torch.randn(1, 3, side, side, generator=rng)
    grain = torch.fft.ifft2(torch.fft.fft2(white) * f2 ** (-fall / 4)).real
    return (0.5 + 0.15 * grain / grain.std()).clamp(0, 1)


def stored(y, noise, seed=0):
    """With noise, clipped and rounded to 8 bits, as a file has it."""
    rng = torch.Generator().manual_seed(seed)
    return (255 * (y + noise * torch.randn(y.shape, generator=rng)).clamp(0, 1)).round() / 255


@pytest.mark.parametrize("noise", [0.005, 0.01, 0.02, 0.05, 0.1])
@pytest.mark.parametrize("blur", [None, 1.0, 3.0])
def test_the_noise_of_a_drawing_is_found(noise, blur):
    """Within 7 %, sharp or blurred, in spite of a clipped white ground; on average within 4 %."""
    ratios = []
    for seed in range(4):
        x = drawing(seed)
        y = stored(x if blur is None else GaussianBlur(blur).A(x), noise, seed)
        ratios.append(estimate_noise(y) / math.hypot(noise, 0.29 / 255))
    assert all(abs(ratio - 1) < 0.07 for ratio in ratios), ratios
    assert abs(sum(ratios) / 4 - 1) < 0.04


@pytest.mark.parametrize("noise", [0.005, 0.02, 0.1])
def test_the_noise_of_blurred_texture_is_found(noise):
    y = stored(GaussianBlur(2.0).A(texture()), noise)
    assert abs(estimate_noise(y) / math.hypot(noise, 0.29 / 255) - 1) < 0.05


def test_sharp_texture_counts_as_noise():
    """A known limit."""
    assert estimate_noise(stored(texture(), 0.005)) > 1.2 * 0.005


@pytest.mark.parametrize("noise", [0.01, 0.02, 0.05])
def test_texture_that_all_colors_share_is_no_noise(noise):
    """As the texture of photographs is; gray pictures have nothing to tell the two apart."""
    shared = texture()[:, :1] * torch.tensor([0.9, 1.0, 0.8]).view(1, 3, 1, 1)
    assert abs(estimate_noise(stored(shared, noise)) / noise - 1) < 0.11
    assert estimate_noise(stored(shared, 0)) < 0.006
    gray = stored(drawing(0)[:, :1], noise).expand(-1, 3, -1, -1)
    assert abs(estimate_noise(gray) / noise - 1) < 0.1


@pytest.mark.parametrize("shade", [0.0, 0.5, 1.0])
def test_a_gray_card_has_its_noise_even_where_half_of_it_is_cut_off(shade):
    card = torch.full((1, 1, 64, 64), shade)
    assert abs(estimate_noise(stored(card, 0.03)) / 0.03 - 1) < 0.05
    assert estimate_noise(card) == 0


def test_what_was_not_measured_does_not_count():
    y = stored(torch.full((1, 3, 64, 64), 0.5), 0.02)
    hole = torch.ones(1, 1, 64, 64)
    hole[..., 10:50, 20:40] = 0
    spoiled = torch.where(hole == 1, y, torch.rand(y.shape, generator=torch.Generator()))
    assert abs(estimate_noise(spoiled, hole) / 0.02 - 1) < 0.05
    with pytest.raises(ValueError, match="give its standard deviation"):
        estimate_noise(y, torch.zeros(1, 1, 64, 64))
    with pytest.raises(ValueError, match="2x9 pixels"):
        estimate_noise(torch.rand(1, 3, 9, 2, generator=torch.Generator()))


@pytest.mark.parametrize("noise", [0.005, 0.01, 0.05])
@pytest.mark.parametrize("share", [0.3, 0.5])
def test_the_noise_is_found_where_pixels_are_missing_all_over(noise, share):
    """Three measured pixels in a row are enough, on white and in color."""
    ratios = []
    for seed in range(4):
        y, rng = stored(drawing(seed), noise, seed), torch.Generator().manual_seed(seed + 100)
        known = (torch.rand(1, 1, 96, 96, generator=rng) < share).float()
        spoiled = torch.where(known == 1, y, torch.rand(y.shape, generator=rng))
        ratios.append(estimate_noise(spoiled, known) / math.hypot(noise, 0.29 / 255))
    assert all(abs(ratio - 1) < 0.12 for ratio in ratios), ratios
    assert abs(sum(ratios) / 4 - 1) < 0.07


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_blur_is_guessed_from_the_spectrum(sigma, noise):
    """Within a fifth, which is where the fit to a restored picture starts from."""
    y = stored(GaussianBlur(sigma).A(drawing()), noise)
    guess = guess_parameters(parse("blur(sigma=?)"), y, estimate_noise(y))
    assert abs(dict(guess.steps[0].values)["sigma"] / sigma - 1) < 0.2


def test_a_blur_before_downsampling_is_guessed():
    y = stored(compose(GaussianBlur(3.0), Downsample(2)).A(drawing(side=128)), 0.01)
    guess = guess_parameters(parse("blur(?) | downsample(2)"), y, 0.01)
    assert abs(dict(guess.steps[0].values)["sigma"] / 3 - 1) < 0.2


def test_a_motion_is_guessed():
    y = stored(MotionBlur(9.0, 30.0).A(drawing(side=64)), 0.01)
    values = dict(guess_parameters(parse("motion_blur(?, ?)"), y, 0.01).steps[0].values)
    assert abs(values["length"] - 9) < 1.5
    assert abs(values["angle"] - 30) < 8


@pytest.mark.parametrize("quality", [20, 60])
def test_the_quality_of_a_jpeg_is_guessed(quality):
    y = Jpeg(quality).A(drawing())
    assert str(guess_parameters(parse("jpeg(?)"), y, 0.0)) == f"jpeg(quality={quality})"


def test_a_blur_and_a_jpeg_are_guessed_together():
    y = compose(GaussianBlur(2.0), Jpeg(60)).A(drawing())
    values = [dict(s.values) for s in guess_parameters(parse("blur(?) | jpeg(?)"), y, 0.0).steps]
    assert values[1]["quality"] == 60
    assert abs(values[0]["sigma"] / 2 - 1) < 0.3


FITS = [
    ("blur(sigma=?)", [2.5], [2.0]),
    ("blur(sigma=?) | downsample(2)", [1.7], [2.0]),
    ("motion_blur(length=7, angle=?)", [-75.0], [-60.0]),
    ("motion_blur(length=?, angle=?)", [7.0, 20.0], [8.0, 27.0]),
    ("jpeg(quality=?)", [33], [40]),
    ("blur(sigma=?) | jpeg(quality=?)", [1.5, 50], [1.3, 45]),
]


@pytest.mark.parametrize(
    ("text", "true", "near", "close"),
    [(*fit, True) for fit in FITS] + [(*fit, False) for fit in FITS[:-1]],
)
def test_parameters_are_fitted_to_a_known_picture(text, true, near, close):
    one, x = parse(text), drawing(side=48)
    y = stored(one.filled(*true).build().A(x), 0.01)
    found = fit_parameters(one, y, x, near=near if close else None)
    assert not found.unknown
    values = [
        v
        for f, d in zip(found.steps, one.steps, strict=True)
        for (k, v), (_, u) in zip(f.values, d.values, strict=True)
        if u is None
    ]
    for value, expected, whole in zip(values, true, one.whole, strict=True):
        assert abs(value - expected) <= (3 if whole else 0.03 * abs(expected) + 0.02), (
            text,
            values,
        )


def test_a_direction_turns_round():
    """A motion along 88 degrees is found from -85, across the end of the range."""
    one, x = parse("motion_blur(length=9, angle=?)"), drawing(side=48)
    y = MotionBlur(9.0, 88.0).A(x)
    found = fit_parameters(one, y, x, near=[-85.0])
    assert abs(dict(found.steps[0].values)["angle"] - 88) < 1


REFUSED = {
    "blur(2)": "has 0 unknown parameters",
    "blur(?) | blur(?) | blur(?) | blur(?)": "has 4 unknown parameters",
    "mask(m.png) | blur(?)": "behind the mask",
    "jpeg(?) | blur(2)": "goes on after a JPEG",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items())
def test_what_cannot_be_guessed_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        guess_parameters(parse(text), drawing(side=32), 0.01)
    if "unknown" in message:
        with pytest.raises(ValueError, match=message):
            fit_parameters(parse(text), drawing(side=32), drawing(side=32))


def test_a_measurement_too_small_to_guess_from_is_refused():
    small = F.avg_pool2d(drawing(side=32), 4)
    with pytest.raises(ValueError, match="8x8, too small"):
        guess_parameters(parse("blur(?)"), small, 0.01)
