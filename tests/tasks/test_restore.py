"""The task Restore, end to end on a model of random weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dreamsampler.files import InputError
from dreamsampler.images.save import read_recipe
from dreamsampler.methods.registry import methods_of
from dreamsampler.models import GaussianMixture
from dreamsampler.operators import Downsample, GaussianBlur, Grey, Jpeg, Mask, parse
from dreamsampler.regularizers.measurement import Measurement
from dreamsampler.tasks import Restore
from dreamsampler.tasks.data_consistency import (
    DataConsistency,
    closed,
    eased,
    first_guess,
    guessable,
    met,
    steadied,
)

BLUR = "blur(sigma=1.5)"


def sharp(height=56, width=72):
    """A grey field with a bright disk and a dark bar, (1, 3, h, w)."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    disk = ((y - height / 2) ** 2 + (x - width / 3) ** 2).sqrt() < height / 4
    bar = (x > 0.7 * width) & (x < 0.8 * width)
    picture = torch.full((3, height, width), 0.5)
    picture[0] += 0.35 * disk - 0.3 * bar
    picture[1] -= 0.2 * disk + 0.3 * bar
    return picture[None]


def write(path, y):
    pixels = (y[0].clamp(0, 1).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    Image.fromarray(pixels.squeeze()).save(path)
    return path


@pytest.fixture
def blurred(tmp_path):
    """72 x 56 pixels under a blur, noise 0.02."""
    y = GaussianBlur(1.5).A(sharp())
    y = y + 0.02 * torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    return write(tmp_path / "blurred.png", y)


def quick(image, operator=BLUR, **options):
    return Restore(image, operator, **{"num_inference_steps": 4, "size": 40, **options})


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize("method", methods_of("restore"))
def test_every_method_runs_and_explains_its_measurement(method, prior, blurred):
    """Whatever a network of random weights says, the last step answers to the measurement."""
    run = quick(blurred, method=method, noise=0.02).start(prior)
    moments = list(run)
    assert len(moments) == run.total
    (picture,) = run.pictures()
    assert picture.shape == (3, 56, 72)
    assert 0 <= picture.min() <= picture.max() <= 1
    assert run.evaluations > 0
    assert run.preview(moments[-1]).shape[1] == 3
    assert run.report["residual"] == pytest.approx(run.report["residual_expected"], rel=0.1)
    assert "warning" not in run.report


def test_adaptive_negation_costs_an_evaluation_a_level_and_changes_the_walk(prior, blurred):
    options = {"method": "treg", "noise": 0.02, "prompt": "dog face"}
    without, negated = (
        quick(blurred, adaptive_negation=on, **options).start(prior).run() for on in (False, True)
    )
    assert negated.evaluations == without.evaluations + negated.total
    assert not torch.equal(without.pictures()[0], negated.pictures()[0])
    assert "warning" not in negated.report


def test_the_files_that_are_announced_are_written(prior, blurred, tmp_path):
    task = quick(blurred, num_images=2, seed=7)
    run = task.start(prior).run()
    paths = run.save(tmp_path / "out.png")
    assert paths == task.outputs(tmp_path / "out.png")
    assert [p.name for p in paths] == ["out-0.png", "out-1.png", "out-mean.png", "out-spread.png"]
    recipes = [read_recipe(path) for path in paths]
    assert [recipe.get("seed") for recipe in recipes[:2]] == [7, 8]
    assert recipes[3]["shows"] == "spread" and recipes[3]["white"] == run.report["spread_white"]
    first, second, mean, spread = (pixels(path).astype(float) for path in paths)
    assert np.abs((first + second) / 2 - mean).max() <= 1
    wanted = np.sqrt(((first - second) ** 2 / 2).mean(-1)) / recipes[3]["white"]
    # both files are rounded, by up to half a level, and the deviation of that is shown enlarged
    assert np.abs(wanted.clip(0, 255) - spread[..., 0]).max() <= 1.5 + 1 / recipes[3]["white"]


def test_a_sample_does_not_depend_on_its_neighbors(prior, blurred):
    both = quick(blurred, num_images=2, seed=3).start(prior).run().pictures()
    alone = quick(blurred, seed=4).start(prior).run().pictures()
    torch.testing.assert_close(both[1], alone[0], rtol=0, atol=2e-3)


def test_smaller_measurements_become_larger_pictures(prior, tmp_path):
    path = write(tmp_path / "small.png", Downsample(2).A(sharp()))
    task = quick(path, "downsample(2)", noise=0.01, size=None)  # the model has a size of its own
    assert task.check_files() == (56, 72)
    run = task.start(prior).run()
    assert run.pictures()[0].shape == (3, 56, 72)
    run.save(tmp_path / "large.png")
    assert pixels(tmp_path / "large.png").shape == (56, 72, 3)


def test_colors_of_a_grey_measurement_are_averaged(prior, tmp_path):
    path = write(tmp_path / "grey.png", Grey().A(sharp()).expand(-1, 3, -1, -1))
    run = quick(path, "grey", noise=0.01).start(prior)
    assert run.data.y.shape == (1, 1, 56, 72)
    (picture,) = run.run().pictures()
    assert (Grey().A(picture[None]) - run.data.y).square().mean().sqrt() < 0.02


def test_what_a_file_shows_in_a_hole_does_not_matter(prior, tmp_path):
    mask = torch.zeros(1, 1, 56, 72)
    mask[..., 20:30, 20:40] = 1
    write(tmp_path / "mask.png", mask)
    found = []
    for filling in (0.0, 1.0):
        path = write(tmp_path / f"{filling}.png", sharp() * (1 - mask) + filling * mask)
        run = quick(path, f"mask({tmp_path / 'mask.png'})", noise=0.01).start(prior).run()
        found.append(run.pictures()[0])
        assert run.report["residual"] <= 1.05 * run.report["residual_expected"]
    torch.testing.assert_close(found[0], found[1])


def test_jpeg_goes_by_gradients(prior, tmp_path):
    path = write(tmp_path / "jpeg.png", Jpeg(20).A(sharp()))
    run = quick(path, "jpeg(quality=20)", noise=0.02).start(prior).run()
    assert run.pictures()[0].isfinite().all()
    assert "warning" not in run.report


def test_an_unknown_width_is_found(tmp_path):
    """A prior that knows the picture: its belief and the fit take turns and end at the truth."""
    picture = sharp(48, 48)
    known = GaussianMixture(2 * picture - 1, std=0.05)
    y = GaussianBlur(2.2).A(picture)
    y = y + 0.02 * torch.randn(y.shape, generator=torch.Generator().manual_seed(2))
    task = quick(write(tmp_path / "y.png", y), "blur(sigma=?)", num_inference_steps=12, size=None)
    run = task.start(known)
    guessed = dict(run.described.steps[0].values)["sigma"]
    run.run().pictures()
    (step,) = parse(run.report["operator"]).steps
    found = dict(step.values)["sigma"]
    assert abs(found - 2.2) < 0.05 < abs(guessed - 2.2)


def test_noise_is_found(prior, blurred):
    run = quick(blurred).start(prior)
    assert run.data.noise == pytest.approx(0.02, rel=0.1)


def test_a_file_without_noise_is_told_so(prior, tmp_path):
    path = write(tmp_path / "clean.png", torch.linspace(0, 1, 48).expand(1, 3, 48, 48))
    run = quick(path, "none", noise="auto").start(prior).run()
    run.pictures()
    assert run.report["note"] == "no noise was found"


def test_no_noise_means_the_rounding_of_the_file(prior, blurred):
    run = quick(blurred, noise=0).start(prior)
    assert run.data.noise == pytest.approx(1 / 255 / 12**0.5)


def test_a_wrong_operator_is_told(prior, tmp_path):
    """A sharp picture is no blurred one: nothing in [0, 1] explains it."""
    path = write(tmp_path / "sharp.png", sharp() * 0.9 + 0.1 * (sharp() > 0.6))
    run = quick(path, "blur(sigma=6)", noise=0.01).start(prior).run()
    run.pictures()
    assert "not explained" in run.report["warning"]
    assert run.report["residual"] > 1.1 * run.report["residual_expected"]


def test_a_transparent_picture_lies_on_white(prior, tmp_path):
    rgba = np.full((32, 40, 4), 120, np.uint8)
    rgba[8:20, 8:30, 0] = 250
    rgba[:16, :, 3] = 255
    rgba[16:, :, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    run = quick(tmp_path / "rgba.png", noise=0.02).start(prior)
    assert (run.data.y[:, :, 24:] == 1).all()


@pytest.mark.parametrize(
    ("text", "known"),
    [
        (BLUR, True),
        ("blur(sigma=5)", True),
        ("downsample(4)", True),
        ("jpeg(quality=10)", True),
        ("none", True),
        ("grey", False),
    ],
)
def test_what_a_first_guess_can_know(text, known):
    assert guessable(parse(text).build((64, 64)), (64, 64)) is known


def test_a_hole_is_nothing_to_guess():
    mask = torch.ones(1, 1, 64, 64)
    mask[..., 10:40, 10:40] = 0
    assert not guessable(Mask(mask), (64, 64))


def test_the_last_step_meets_the_noise_from_both_sides():
    """From black (explains nothing) and from an exact fit (explains noise as well)."""
    op, noise = GaussianBlur(1.5), 0.05
    clean = op.A(sharp())
    y = (
        clean + noise * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    ).clamp(0, 1)
    data = Measurement(op, y, noise, lambda z: z, lambda x: x)
    fitted = data.prox(sharp(), 0.5)
    assert data.residual_ratio(fitted) < 0.95
    for near in (0 * y, fitted, sharp()):
        assert 0.9 < data.residual_ratio(closed(data, near)) <= 1.05


def test_a_picture_that_explains_the_noise_as_well_is_taken_back():
    op, noise = GaussianBlur(1.5), 0.01
    y = op.A(sharp())
    y = y + noise * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    data = Measurement(op, y, noise, lambda z: z, lambda x: x)
    near, fitted = 0.9 * sharp(), data.prox(sharp(), 0.5)
    assert data.residual_ratio(near) > 1 and data.residual_ratio(fitted) < 0.95
    assert 0.95 <= data.residual_ratio(eased(data, near, fitted)) <= 1
    right = sharp()
    assert eased(data, near, right) is right


def test_projections_in_turn_meet_a_measurement_inside_the_range_of_pictures():
    """Grey, next to no noise, colors that are far off: one data step alone leaves [0, 1]."""
    op, clouds = Grey(), torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    data = Measurement(op, op.A(sharp()), 0.3 / 255, lambda z: z, lambda x: x)
    near = torch.nn.functional.interpolate(clouds, sharp().shape[-2:])
    found = met(data, near)
    assert data.residual_ratio(near) > 100
    assert data.residual_ratio(found) <= 1
    assert found.min() >= 0 and found.max() <= 1


def test_the_first_guess_is_nearer_than_the_measurement():
    op = GaussianBlur(1.5)
    data = Measurement(op, op.A(sharp()), 0.01, lambda z: z, lambda x: x)
    before = (data.y - sharp()).square().mean()
    assert (first_guess(data) - sharp()).square().mean() < 0.3 * before


def test_a_picture_is_steadied_where_the_guess_is_near_and_moved_by_little_elsewhere():
    x, guess = torch.full((2, 3, 1, 2), 0.5), torch.tensor([0.51, 0.9]).expand(1, 3, 1, 2)
    moved = steadied(x, guess) - x
    torch.testing.assert_close(moved[..., 0], torch.full((2, 3, 1), 0.003))
    torch.testing.assert_close(moved[..., 1], torch.full((2, 3, 1), 0.009))


def test_data_consistency_in_words():
    assert "warning" not in DataConsistency(0.0205, 0.02, 0.02).summary()
    assert "1.50 times the noise" in DataConsistency(0.03, 0.02, 0.02).summary()["warning"]
    assert "noise may be only 0.015" in DataConsistency(0.014, 0.0187, 0.02).summary()["note"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "magic"}, "no method 'magic'"),
        ({"noise": -0.1}, "noise is -0.1"),
        ({"noise": 2.0}, "from 0 to 1"),
        ({"noise": float("nan")}, "noise is nan"),
        ({"noise": "much"}, "'much'"),
        ({"operator": "blurr(2)"}, "did you mean blur"),
        ({"operator": "blur(sigma=-1)"}, "must be above 0"),
        ({"operator": ""}, "operator is empty"),
        ({"operator": "jpeg(50)", "method": "treg"}, "linear"),
        ({"operator": "jpeg(50)", "method": "psld"}, "linear"),
        ({"method": "dreamsampler", "guidance_scale": 3.0}, "has no guidance_scale"),
        (
            {"method": "dreamsampler", "negative_prompt": "dog"},
            "dreamsampler has no negative_prompt",
        ),
        ({"guidance_scale": 3.0}, "without a prompt"),
        ({"negative_prompt": "dog"}, "without a prompt"),
        ({"prompt": "cat", "negative_prompt": "dog"}, "at guidance_scale 1"),
        ({"adaptive_negation": True, "prompt": "cat"}, "a part of method treg"),
        ({"adaptive_negation": True, "method": "treg"}, "pass a prompt"),
        (
            {
                "adaptive_negation": True,
                "method": "treg",
                "prompt": "cat",
                "guidance_scale": 1.0,
            },
            "guidance_scale above 1",
        ),
        ({"num_images": 0}, "num_images is 0"),
        ({"num_inference_steps": 0}, "num_inference_steps is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"size": 4}, "size is 4"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(options, words):
    task = replace(Restore("a.png", BLUR), **options)
    with pytest.raises(ValueError, match=words) as refusal:
        task.check()
    assert "\n" not in str(refusal.value)


def test_files_that_cannot_be_used(prior, tmp_path):
    plain = write(tmp_path / "plain.png", torch.full((1, 3, 32, 32), 0.4))
    with pytest.raises(InputError, match="one color"):
        quick(plain).start(prior)
    with pytest.raises(InputError, match="no file"):
        quick(plain, "kernel(nowhere.png)").check_files()
    with pytest.raises(InputError, match="nowhere"):
        quick(tmp_path / "nowhere.png").check_files()
    lost = write(tmp_path / "lost.png", torch.ones(1, 3, 56, 72))
    with pytest.raises(InputError, match="white is what was lost"):
        quick(write(tmp_path / "sharp.png", sharp()), f"mask({lost})").start(prior)
    mask = write(tmp_path / "mask.png", torch.zeros(1, 3, 20, 20))
    picture = write(tmp_path / "picture.png", sharp())
    with pytest.raises(ValueError, match="20x20"):
        quick(picture, f"mask({mask})").start(prior)
    with pytest.raises(InputError, match="crop the picture"):
        quick(picture, "downsample(64) | downsample(64)").check_files()


def test_the_inputs_are_the_picture_and_the_operators_files():
    task = Restore("a.png", "mask(m.png) | kernel(k.npy)")
    assert task.inputs() == [Path("a.png"), Path("m.png"), Path("k.npy")]


def test_pictures_before_the_end_are_refused(prior, blurred):
    with pytest.raises(ValueError, match="not finished"):
        quick(blurred).start(prior).pictures()


def test_previews_of_the_mirror_image_are_turned_back(prior, tmp_path):
    picture = torch.linspace(0.1, 0.9, 72).expand(1, 3, 56, 72)
    run = quick(write(tmp_path / "ramp.png", picture), "none", noise=0.01).start(prior)
    moments = list(run)
    axes = [(), (-1,), (), (-1,)]  # four levels in four walks
    for step, turned in zip(moments, axes, strict=True):
        with torch.no_grad():
            wanted = prior.decode(step.z0).clamp(-1, 1).flip(turned)
        assert torch.equal(run.preview(step), wanted)
    (result,) = run.pictures()
    assert (result - picture[0]).abs().mean() < 0.05


def test_the_picture_of_the_spread_is_neither_black_nor_burnt_out(prior, blurred, tmp_path):
    run = quick(blurred, num_images=2).start(prior).run()
    *_, path = run.save(tmp_path / "out.png")
    shown = pixels(path)
    assert shown.max() > 60
    assert (shown == 255).mean() < 0.01
