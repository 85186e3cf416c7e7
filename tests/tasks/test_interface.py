"""The interface that a Python user meets: the printed lines, on every kind of picture."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import TINY

import dreamsampler as ds
from dreamsampler.cancel import Canceled
from dreamsampler.images.memory import picture_of
from dreamsampler.images.save import read_recipe
from dreamsampler.tasks import MODEL_TASKS

LINES = """
out = ds.Edit(cat, prompt="dog face", source_prompt="cat face", seed=3)(model)
out.images[0].save("plain.png"); out.save("with-recipe.png")
ds.Inpaint(grin, mask_image=mask, prompt="sunglasses")(model).images[0]
ds.Restore(y, ds.operators.GaussianBlur(3), prompt="cat face")(model).images[0]
ds.Vectorize(cat, paths=64)(model).save("cat.svg")
blur = ds.operators.GaussianBlur(2)
ds.Reconstruct("car-views", blur, prompt="toy car")(model).mesh.save("car.glb")
for step in ds.Edit(cat, prompt="dog face").start(model): ...
ds.Edit(cat, prompt="dog", method="sdedit")(model)
"""
"""As printed in docs/architecture.md; numbers of steps and sizes are lowered by `QUICK` only."""
QUICK = {
    "Edit": {"num_inference_steps": 2, "size": 32},
    "Inpaint": {"num_inference_steps": 2, "size": 32},
    "Restore": {"num_inference_steps": 4, "size": 32},
    "Vectorize": {"fit_steps": 2, "update_steps": 1, "num_inference_steps": 1, "loss": 0.0}
    | {"size": 32},
    "Reconstruct": {
        "fit_steps": 4,
        "update_steps": 1,
        "num_inference_steps": 1,
        "resolution": 8,
        "deconvolve": False,
        "size": 32,
    },
}
KINDS = {
    "path": lambda x: str(x),
    "pil": lambda x: Image.open(x),
    "numpy": lambda x: np.asarray(Image.open(x)),
    "tensor": lambda x: (
        torch.from_numpy(np.array(Image.open(x))).movedim(-1, 0)
        if Image.open(x).mode == "RGB"
        else torch.from_numpy(np.array(Image.open(x)))[None]
    ),
}


@pytest.fixture(scope="module")
def model():
    return ds.from_pretrained(TINY, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A cat, a face with a mask, a blurred picture, and four views of a car."""
    path = tmp_path_factory.mktemp("interface")
    y, x = np.mgrid[:24, :32]
    rgb = np.stack([x * 5, y * 6, (x * y) % 256], -1).astype(np.uint8)
    for name in ("cat", "grin", "y"):
        Image.fromarray(rgb).save(path / f"{name}.png")
    mask = np.zeros((24, 32), np.uint8)
    mask[6:18, 8:24] = 255
    Image.fromarray(mask).save(path / "mask.png")
    ds.MakeScene("car", "blur(sigma=2)", views=3, held_out=0, size=16)().save(path / "car-views")
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_the_printed_lines_run(kind, model, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "car-views").symlink_to(folder / "car-views")
    pictures = {n: KINDS[kind](folder / f"{n}.png") for n in ("cat", "grin", "mask", "y")}
    namespace = {"ds": quick_tasks(), "model": model, **pictures}
    exec(LINES, namespace)
    assert namespace["out"].images[0].size == (32, 24)
    recipe = read_recipe("with-recipe.png")
    assert recipe["options"]["image"] == (str(pictures["cat"]) if kind == "path" else "image")
    plain, tagged = (np.array(Image.open(f"{n}.png")) for n in ("plain", "with-recipe"))
    assert np.array_equal(plain, tagged)
    assert not Image.open("plain.png").info
    assert Path("cat.svg").read_text().startswith("<svg")
    assert Path("car.glb").read_bytes()[:4] == b"glTF"


def quick_tasks():
    """The package, with tasks that take few steps where the lines do not say how many."""

    class Quick:
        def __getattr__(self, name):
            found = getattr(ds, name)
            if name not in QUICK:
                return found
            return lambda *args, **options: found(*args, **{**QUICK[name], **options})

    return Quick()


def test_all_kinds_of_pictures_give_the_same_result(model, folder):
    """Of a JPEG's, a palette's and a 16-bit picture's kinds `test_memory` speaks."""
    made = [
        ds.Edit(KINDS[kind](folder / "cat.png"), "dog", num_inference_steps=2)(model).run.pictures()
        for kind in KINDS
    ]
    assert all(torch.equal(one[0], made[0][0]) for one in made)


def test_what_is_no_picture_is_one_line(model):
    with pytest.raises(ValueError, match="image is of type dict, but must be a picture"):
        ds.Edit({}, "dog")
    with pytest.raises(ValueError, match=r"image is missing \(None\): pass a picture"):
        ds.Edit(None, "dog")
    with pytest.raises(ValueError, match="image is of type list, but must be a picture"):
        ds.Edit([Image.new("RGB", (32, 32))] * 2, "dog")
    with pytest.raises(ValueError, match=r"pass dreamsampler\.from_pretrained\('sd15'\)"):
        ds.Edit("cat.png", "dog")("sd15")


def test_a_result_shows_itself_in_a_notebook(model, folder):
    drawn = ds.Vectorize(str(folder / "cat.png"), paths=2, **QUICK["Vectorize"])(model)
    assert drawn._repr_svg_() == drawn.svg and drawn.svg.startswith("<svg")
    assert drawn._repr_png_() is None and drawn.mesh is None
    edited = ds.Edit(str(folder / "cat.png"), "dog", num_images=2, **QUICK["Edit"])(model)
    assert edited._repr_png_().startswith(b"\x89PNG") and edited._repr_svg_() is None
    assert repr(edited).startswith("<Result of edit: 32x24, 32x24; ")
    assert edited.evaluations == edited.recipe["evaluations"] > 0
    assert set(edited.seconds) == {"encode", "loop", "decode"}


def test_progress_is_told_and_may_stop_the_run(model, folder):
    seen = []

    def watch(state):
        seen.append((state.stage, state.done, state.total))
        if state.stage == "step" and state.done == 2:
            state.run.stop()

    task = ds.Edit(str(folder / "cat.png"), "dog", num_inference_steps=5)
    result = task(model, progress=watch)
    steps = [("step", done, 5) for done in range(3)]
    assert seen == [("read", 0, 0), *steps, ("decode", 2, 2)]
    first = [step.z0 for step, _ in zip(task.start(model), range(2), strict=False)]
    assert torch.equal(result.run.last.z0, first[1])


@pytest.mark.parametrize("stage", ["read", "fit", "step"])
def test_a_flag_cancels_between_two_iterations(stage, model, folder):
    flag = threading.Event()
    task = ds.Vectorize(
        str(folder / "cat.png"), paths=2, fit_steps=20, update_steps=1, num_inference_steps=3
    )

    seen = []

    def watch(state):
        seen.append(state.stage)
        if state.stage == stage:
            flag.set()

    with pytest.raises(Canceled):
        task(model, progress=watch, cancel=flag)
    assert seen[-1] == stage and seen.count(stage) == 1


def test_every_option_has_one_name(folder):
    """One name for one thing in all tasks."""
    from dreamsampler.tasks.options import options_of

    names = {name for task in MODEL_TASKS for name in options_of(task)}
    assert names.isdisjoint({"preset", "samples", "scene", "steps", "inner_steps"})
    helps = {}
    for task in MODEL_TASKS:
        for name, option in options_of(task).items():
            helps.setdefault(name, set()).add(option.kind)
    mixed = {name: kinds for name, kinds in helps.items() if len(kinds) > 1}
    assert set(mixed) <= {"prompt", "mask_image"}  # Inpaint takes several of each


def test_a_picture_object_is_taken_as_it_is(model, folder):
    cat = picture_of(Image.open(folder / "cat.png"))
    assert ds.Edit(cat, "dog").image is cat
