"""The task Degrade: a known operator, known noise, a file that says both."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from dreamsampler.files import InputError
from dreamsampler.images.picture import open_picture
from dreamsampler.images.save import read_recipe
from dreamsampler.operators import Downsample, GaussianBlur, Grey, compose, estimate_noise
from dreamsampler.tasks.degrade import Degrade


@pytest.fixture
def picture(tmp_path):
    """Random soft colors, 50 x 37, not touching black or white."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(60, 196, (5, 6, 3), dtype=np.uint8)
    path = tmp_path / "in.png"
    Image.fromarray(coarse).resize((50, 37), Image.Resampling.BICUBIC).save(path)
    return path


def test_it_is_the_operator_and_nothing_else(picture):
    x = open_picture(picture).rgb[None]
    y = Degrade(picture, "blur(sigma=2)").start().measurement
    torch.testing.assert_close(y, GaussianBlur(2.0).A(x)[0])
    small = Degrade(picture, "blur(1) | downsample(4) | grey").start().measurement
    wanted = compose(GaussianBlur(1.0), Downsample(4), Grey()).A(x)[0]
    torch.testing.assert_close(small, wanted.expand(3, -1, -1))
    assert small.shape == (3, 10, 13)


def test_the_noise_is_as_strong_as_said_and_the_seeds_own(picture):
    clean = Degrade(picture, "none").start().measurement
    one = Degrade(picture, "none", noise=0.05, seed=3).start().measurement
    assert abs((one - clean).std().item() / 0.05 - 1) < 0.03
    assert torch.equal(one, Degrade(picture, "none", noise=0.05, seed=3).start().measurement)
    assert not torch.equal(one, Degrade(picture, "none", noise=0.05, seed=4).start().measurement)
    double = Degrade(picture, "none", noise=0.1, seed=3).start().measurement
    torch.testing.assert_close(double - clean, 2 * (one - clean), atol=1e-6, rtol=0)


def test_the_file_holds_the_measurement_and_how_it_was_made(picture, tmp_path):
    task = Degrade(picture, "blur(2) | downsample(2)", noise=0.02, seed=7)
    (path,) = task().save(tmp_path / "new" / "out.png")
    written = open_picture(path)
    assert written.size == task.check_files() == (19, 25)
    assert (written.rgb - task.start().measurement.clamp(0, 1)).abs().max() <= 0.5001 / 255
    recipe = read_recipe(path)
    assert recipe["task"] == "degrade"
    assert recipe["options"]["operator"] == "blur(2) | downsample(2)"
    assert recipe["options"]["noise"] == 0.02
    assert recipe["seeds"] == [7]
    assert recipe["input"]["sha256"] == open_picture(picture).sha256
    assert recipe["report"]["clipped"] == 0
    assert "model" not in recipe
    again = Degrade(**recipe["options"])
    again().save(tmp_path / "again.png")
    assert torch.equal(open_picture(tmp_path / "again.png").rgb, written.rgb)


def test_sixteen_bits_when_asked(picture, tmp_path):
    task = Degrade(picture, "blur(2)", bits=16)
    (path,) = task().save(tmp_path / "deep.png")
    written = open_picture(path)
    assert written.depth == 16
    assert (written.rgb - task.start().measurement).abs().max() <= 0.5001 / 65535
    with pytest.raises(ValueError, match="cannot hold 16 bits"):
        task.outputs(tmp_path / "deep.jpg")


def test_clipping_is_told(tmp_path):
    """On white, half of the noise is cut off; the estimate knows."""
    white = tmp_path / "white.png"
    Image.fromarray(np.full((64, 64, 3), 255, dtype=np.uint8)).save(white)
    (path,) = Degrade(white, "none", noise=0.05)().save(tmp_path / "out.png")
    assert abs(read_recipe(path)["report"]["clipped"] - 0.5) < 0.02
    assert abs(estimate_noise(open_picture(path).rgb[None]) / 0.05 - 1) < 0.05


def test_rounding_is_not_clipping(tmp_path):
    """A blurred white ground is 1.0000001 here and there."""
    white = tmp_path / "white.png"
    Image.fromarray(np.full((64, 64, 3), 255, dtype=np.uint8)).save(white)
    (path,) = Degrade(white, "blur(2)")().save(tmp_path / "out.png")
    assert bool((Degrade(white, "blur(2)").start().measurement > 1).any())
    assert read_recipe(path)["report"]["clipped"] == 0


def test_the_recipe_of_a_small_file_can_be_read(picture, tmp_path):
    with pytest.warns(UserWarning, match="not read again"):
        (path,) = Degrade(picture, "downsample(8)")().save(tmp_path / "small.png")
    assert read_recipe(path)["options"]["operator"] == "downsample(8)"


def test_what_is_not_finite_is_refused_before_anything_is_written(picture, tmp_path):
    task = Degrade(picture, "color_matrix(1e300 0 0, 0 1 0, 0 0 1)")
    with pytest.raises(ValueError, match="infinite"):
        task().save(tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


def test_lost_pixels_are_black_and_without_noise(picture, tmp_path):
    mask = np.zeros((37, 50), dtype=np.uint8)
    mask[5:20, 10:30] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    y = Degrade(picture, f"mask('{tmp_path / 'm.png'}')", noise=0.1).start().measurement
    lost = torch.from_numpy(mask > 0).expand(3, -1, -1)
    assert (y[lost] == 0).all()
    assert (y[~lost] != 0).all()


def test_jpeg_and_tiny_files_are_warned_of(picture, tmp_path):
    with pytest.warns(UserWarning, match="JPEG spoils it once more"):
        Degrade(picture, "blur(1)")().save(tmp_path / "out.jpg")
    with pytest.warns(UserWarning, match="7x5 pixels, and files of fewer than 16"):
        Degrade(picture, "downsample(8)")().save(tmp_path / "out.png")


REFUSED = {
    "no operator": ({"operator": "blr(2)"}, "did you mean blur"),
    "unknown": ({"operator": "blur(?)"}, "leaves sigma open"),
    "empty": ({"operator": ""}, "operator is empty"),
    "negative noise": ({"noise": -0.1}, "noise is -0.1"),
    "NaN noise": ({"noise": float("nan")}, "noise is nan"),
    "loud": ({"noise": 5}, "noise is 5"),
    "noise in words": ({"noise": "auto"}, "noise is 'auto'"),
    "seed": ({"seed": -1}, "seed is -1"),
    "half a seed": ({"seed": 0.5}, "seed is 0.5"),
    "bits": ({"bits": 12}, "there is no bits 12"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_refused(picture, case):
    options, says = REFUSED[case]
    task = Degrade(**{"image": picture, "operator": "blur(1)", **options})
    with pytest.raises(ValueError, match=says) as caught:
        task.check()
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=says):
        task.start()


def test_missing_files_are_refused(picture, tmp_path):
    with pytest.raises(InputError, match=r"nothing\.png"):
        Degrade(tmp_path / "nothing.png", "blur(1)").check_files()
    task = Degrade(picture, "mask(nothing.png) | kernel(k.npy)")
    assert [path.name for path in task.inputs()] == ["in.png", "nothing.png", "k.npy"]
    with pytest.raises(InputError, match=r"no file nothing\.png, which the operator names"):
        task.check_files()
    Image.fromarray(np.zeros((4, 4), dtype=np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(ValueError, match="is 4x4 and the picture 50x37"):
        Degrade(picture, f"mask('{tmp_path / 'm.png'}')").start()


def test_importing_it_needs_no_torch():
    code = "import sys, dreamsampler.tasks.degrade; print('torch' in sys.modules)"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "False"
