"""One rule for transparency: seen on a ground, and transparent again in the result."""

import numpy as np
import pytest
import torch
from PIL import Image

from dreamsampler import Degrade, Edit, Restore, Vectorize
from dreamsampler.generators.vector import rasterize, read_svg
from dreamsampler.images.picture import Picture, open_picture
from dreamsampler.operators import parse
from dreamsampler.tasks.result import tensors_of

DISK = np.hypot(*np.mgrid[-15.5:16, -15.5:16]) < 10
COLORS = {"red": (200, 30, 30), "white": (255, 255, 255), "black": (0, 0, 0)}


@pytest.fixture(params=COLORS)
def logo(request, tmp_path):
    """A disk on nothing, 32 x 32; what is hidden has another color."""
    samples = np.full((32, 32, 4), (7, 8, 9, 0), np.uint8)
    samples[DISK] = (*COLORS[request.param], 255)
    path = tmp_path / f"{request.param}.png"
    Image.fromarray(samples).save(path)
    return path


def test_what_is_white_itself_is_seen_on_black():
    alpha = torch.tensor([1.0, 0.5, 0.0]).expand(1, 16, 3)
    for value, ground in ((1.0, 0.0), (0.95, 0.0), (0.8, 1.0), (0.0, 1.0)):
        picture = Picture(torch.full((3, 16, 3), value), alpha)
        assert picture.ground == ground
        assert torch.allclose(
            picture.flat()[0, 0, 1:], (torch.tensor([value, ground]) + ground) / 2
        )
        assert torch.allclose(picture.unflat(picture.flat()), picture.rgb)
    assert Picture(torch.ones(3, 16, 3)).ground == 1
    assert Picture(torch.ones(3, 16, 3), torch.zeros(1, 16, 3)).ground == 1


@pytest.mark.parametrize("operator", ["blur(2)", "downsample(2, area)", "blur(1) | grey"])
def test_a_degraded_picture_is_the_measurement_on_any_ground(logo, tmp_path, operator):
    """A is linear and keeps brightness: flat(A) = A(flat), whatever lies below."""
    Degrade(logo, operator)().save(tmp_path / "y.png")
    found, source, op = open_picture(tmp_path / "y.png"), open_picture(logo), parse(operator)
    for ground in (0.0, 0.4, 1.0):
        wanted = op.build(source.size).A(source.flat(ground)[None])[0]
        assert (found.flat(ground) - wanted).abs().max() < 1.6 / 255


def test_lost_pixels_stay_opaque_and_black(logo, tmp_path):
    mask = np.zeros((32, 32), np.uint8)
    mask[14:20, 5:30] = 255
    Image.fromarray(mask).save(tmp_path / "hole.png")
    Degrade(logo, f"mask('{tmp_path / 'hole.png'}')")().save(tmp_path / "y.png")
    found = open_picture(tmp_path / "y.png")
    assert (found.alpha[:, 14:20, 5:30] == 1).all() and (found.rgb[:, 14:20, 5:30] == 0).all()
    assert (found.alpha[0, :14].numpy() == DISK[:14]).all()


@pytest.mark.parametrize("logo", ["white"], indirect=True)
def test_a_restored_picture_is_transparent_again(logo, prior, tmp_path):
    Degrade(logo, "downsample(2)")().save(tmp_path / "y.png")
    out = Restore(tmp_path / "y.png", "downsample(2)", num_inference_steps=1, num_images=2)(prior)
    written = [open_picture(path) for path in out.save(tmp_path / "x.png")]
    for each in written[:3]:  # two samples and their mean
        assert ((each.alpha[0].numpy() > 0.5) == DISK).mean() > 0.97
        assert each.alpha[0, :4].max() == 0 and each.alpha[0, 16, 16] == 1
    assert written[3].alpha is None  # the spread
    assert [len(each) for each in tensors_of(out.run)] == [4, 4]
    assert out.images[0].mode == "RGBA"


@pytest.mark.parametrize("logo", ["red"], indirect=True)
def test_an_edited_picture_keeps_its_alpha_to_the_bit(logo, prior, tmp_path):
    (path,) = Edit(logo, "dog", num_inference_steps=1)(prior).save(tmp_path / "x.png")
    assert torch.equal(open_picture(path).alpha, open_picture(logo).alpha)


@pytest.mark.parametrize(
    "logo, init",
    [("red", "component"), ("white", "component"), ("black", "trace")],
    indirect=["logo"],
)
def test_paths_are_drawn_on_nothing(logo, prior, tmp_path, init):
    task = Vectorize(logo, paths=2, fit_steps=50, beta=0, init=init)
    (path,) = task(prior).save(tmp_path / "x.svg")
    assert "<rect" not in path.read_text()
    shown, wanted = rasterize(read_svg(path)), open_picture(logo)
    assert ((shown[3].numpy() > 0.5) == DISK).mean() > 0.95
    assert (shown[:3, 16, 16] - wanted.rgb[:, 16, 16]).abs().max() < 0.1


def test_an_svg_file_that_is_white_on_nothing_is_seen(prior, tmp_path):
    path = tmp_path / "white.svg"
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        '<rect x="8" y="8" width="16" height="16" fill="#fff"/></svg>'
    )
    run = Vectorize(path, prompt="a dog", size=32).start(prior)
    assert run.source.ground == 0
    assert run.source.flat()[:, 16, 16].min() > 0.99 and run.source.flat()[:, 2, 2].max() == 0
