"""`Inpaint(remove=True)`: a thing is taken away without a prompt."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

import dreamsampler as ds
from dreamsampler.files import InputError
from dreamsampler.images.exemplar import exemplar

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def files(tmp_path):
    """A disc on stripes, its mask, and the stripes alone."""
    rows = np.tile(np.where(np.arange(72) // 4 % 2, 200, 90)[:, None], (1, 80)).astype(np.uint8)
    empty = Image.fromarray(np.stack([rows, rows, 255 - rows], -1))
    picture, mask = empty.copy(), Image.new("L", empty.size)
    ImageDraw.Draw(picture).ellipse((30, 25, 50, 45), fill="red")
    ImageDraw.Draw(mask).ellipse((28, 23, 52, 47), fill=255)
    picture.save(tmp_path / "picture.png")
    mask.save(tmp_path / "mask.png")
    return tmp_path / "picture.png", tmp_path / "mask.png", empty


def error(image, wanted):
    return np.abs(np.asarray(image.convert("RGB")).astype(float) - np.asarray(wanted)).mean()


@pytest.mark.parametrize("name", ["photo", "iconic"])
def test_the_thing_is_gone_and_the_rest_is_as_it_was(files, name, request):
    picture, mask, empty = files
    result = ds.Inpaint(picture, mask_image=mask, remove=True)(ds.from_pretrained(name))
    image, hole = result.images[0], np.asarray(Image.open(mask)) > 0
    assert result.evaluations == 4
    kept = np.asarray(image)[~hole] == np.asarray(Image.open(picture))[~hole]
    assert kept.all()
    assert error(image, empty) < 0.5 * error(Image.open(picture), empty)
    if name == "photo":  # no autoencoder stands between
        assert error(image, empty) < 0.5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prompt": "a cat"}, "takes no prompt"),
        ({"negative_prompt": "a cat"}, "takes no negative_prompt"),
        ({"expand": (0, 0, 4, 0)}, "takes no expand"),
        ({"method": "repaint"}, "leave method repaint out"),
        ({"guidance_scale": 3.0}, "no guidance_scale"),
        ({"num_images": 2}, "draws no noise"),
    ],
)
def test_what_does_not_go_with_it_is_refused(files, options, words):
    with pytest.raises(InputError, match=words):
        ds.Inpaint(files[0], mask_image=files[1], remove=True, **options).check()


def test_without_a_prompt_it_is_named(files):
    with pytest.raises(InputError, match="pass remove"):
        ds.Inpaint(files[0], mask_image=files[1]).check()


def test_texture_of_pieces_that_fit_stays_as_it_is(tmp_path):
    """The model neither smooths nor sharpens what fits: the pattern is continued to the level."""
    tile = np.random.default_rng(0).integers(90, 170, (4, 4, 3), dtype=np.uint8)
    pattern = np.tile(tile, (18, 18, 1))
    hole = np.zeros(pattern.shape[:2], np.uint8)
    hole[26:46, 28:44] = 255
    task = ds.Inpaint(
        Image.fromarray(np.where(hole[..., None] > 0, 255, pattern).astype(np.uint8)),
        mask_image=Image.fromarray(hole),
        remove=True,
        feather=0,
    )
    image = np.asarray(task(ds.from_pretrained("photo"), progress=False).images[0].convert("RGB"))
    assert np.abs(image.astype(int) - pattern).max() <= 2


def test_a_mask_of_the_whole_picture_leaves_nothing_to_fill_from(files):
    everything = Image.new("L", Image.open(files[0]).size, 255)
    task = ds.Inpaint(files[0], mask_image=everything, remove=True)
    with (
        pytest.raises(InputError, match="nothing is left to fill it from"),
        pytest.warns(UserWarning),
    ):
        task(ds.from_pretrained("photo"))


@pytest.mark.parametrize(("turn", "wide"), [(0, 0), (1, 0), (0, 40)])
def test_a_thing_at_the_edge_of_another_leaves_its_outline(turn, wide):
    """Stem and leaf of an apple: ground lies behind them, and the apple does not grow into it."""
    picture = Image.open(EXAMPLES / "apple.png").convert("RGB")
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).polygon(
        [(140 - wide, 0), (345, 0), (345 + wide, 100), (235, 115), (140 - wide, 115)], 255
    )
    above = Image.new("L", picture.size)
    ImageDraw.Draw(above).rectangle((140, 10, 345, 80), 255)
    turned = [each.rotate(90 * turn) for each in (picture, mask, above)]
    task = ds.Inpaint(turned[0], mask_image=turned[1], remove=True)
    colors = np.asarray(task(ds.from_pretrained("photo")).images[0]).astype(int)
    red = colors[..., 0] > colors[..., 2]
    assert red[(np.asarray(turned[1]) > 0) & (np.asarray(turned[2]) > 0)].mean() < 0.02


def test_a_hole_that_leaves_no_whole_piece_is_filled_with_what_is_left():
    """A large flat drawing of which a narrow frame is known."""
    hole = torch.zeros(1, 200, 220)
    hole[:, 3:-3, 3:-3] = 1
    filled, off = exemplar(torch.full((3, 200, 220), 0.25), hole)
    torch.testing.assert_close(filled, torch.full((3, 200, 220), 0.25), atol=0.01, rtol=0)
    assert off.shape == hole.shape
