"""Photographs are told apart from the drawings that the bundled model knows."""

import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image

from dreamsampler import Edit, Inpaint, Restore, from_pretrained
from dreamsampler.images.picture import open_picture
from dreamsampler.interfaces.model_options import ModelOptions
from dreamsampler.models.bundled_models import BundledModels
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


def test_without_a_name_the_picture_chooses_the_model(tmp_path):
    """A photograph is restored by the model of photographs, a drawing by that of drawings."""
    photo, drawing = tmp_path / "photo.png", tmp_path / "drawing.png"
    Image.open(EXAMPLES / "photographs" / "dress.jpg").crop((100, 100, 196, 196)).save(photo)
    Image.open(EXAMPLES / "bear.png").convert("RGB").resize((96, 96)).save(drawing)
    out = Restore(photo, "none", noise=0.02)(progress=False)
    assert out.recipe["model"]["name"] == "photo"
    assert out.report["model"].startswith("photo (iconic has ")
    assert out.recipe["report"]["model"] == out.report["model"]
    models = BundledModels()
    assert models.choose(Restore(drawing, "none", noise=0.02).shown())[0].name == "iconic"
    hole = torch.zeros(1, 96, 96)
    hole[:, 40:44] = 1
    assert models.choose(Inpaint(photo, mask_image=hole, remove=True).shown())[0].name == "photo"
    for prompted in (Edit(photo, "cat"), Restore(photo, "none", prompt="cat")):
        assert prompted.shown() is None
    model, why = models.choose(None)
    assert (model.name, why) == ("iconic", "")


def test_what_is_added_to_a_model_is_added_to_that_of_drawings():
    assert isinstance(ModelOptions(device="cpu").load(), BundledModels)
    assert isinstance(ModelOptions(device="cpu", tiling=512).load(), BundledModels)
    assert ModelOptions(device="cpu", compile=False, model="iconic").load().name == "iconic"
    assert ModelOptions(device="cpu", distilled="none").load().name == "iconic"
