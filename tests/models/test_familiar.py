"""Photographs are told apart from the drawings that the bundled model knows."""

import warnings
from pathlib import Path

import pytest
import torch

from dreamsampler import Edit, Inpaint, Restore, from_pretrained
from dreamsampler.images.picture import open_picture
from dreamsampler.models.familiar import STRANGE, strangeness

EXAMPLES = Path(__file__).parents[2] / "examples"
DRAWINGS = ("apple.png", "bear.png", "car.png", "cat.png", "grin.png", "tiger.png")


@pytest.fixture(scope="module")
def iconic():
    return from_pretrained(device="cpu")


def opened(name):
    return 2 * open_picture(EXAMPLES / name).flat()[None] - 1


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawings_are_known(iconic, name):
    assert strangeness(iconic, opened(name)) < STRANGE


@pytest.mark.parametrize("name", ["cap", "dress", "shoes"])
def test_photographs_are_not(iconic, name):
    assert strangeness(iconic, opened(f"photographs/{name}.jpg")) > STRANGE


def test_every_task_says_so_in_one_line_before_its_first_step(iconic, tmp_path):
    photo = EXAMPLES / "photographs" / "dress.jpg"
    hole = torch.zeros(1, 455, 400)
    hole[:, 100:200, 100:200] = 1
    tasks = [
        Edit(photo, prompt="red apple"),
        Inpaint(photo, mask_image=hole, prompt="red apple"),
        Restore(photo, "none", noise=0.02),
    ]
    for task in tasks:
        with pytest.warns(UserWarning, match=r"dress.jpg is unlike the drawings .* model photo"):
            task.start(iconic)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        Edit(EXAMPLES / "cat.png", prompt="dog face").start(iconic)
        Restore(photo, "none", noise=0.02).start(from_pretrained("photo", device="cpu"))
