"""Pictures that are in memory are what their files would be."""

import numpy as np
import pytest
import torch
from PIL import Image

from dreamsampler.files import InputError
from dreamsampler.images.memory import picture_of
from dreamsampler.images.picture import open_picture
from dreamsampler.images.save import read_recipe
from dreamsampler.tasks import Edit, Inpaint, Restore, Vectorize


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(tmp_path / "in.png")
    mask = np.zeros((24, 32), np.uint8)
    mask[6:18, 8:24] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path


TASKS = {
    "edit": lambda i, m: Edit(i, "dog", mask_image=m, num_inference_steps=2, size=32),
    "inpaint": lambda i, m: Inpaint(i, "dog", mask_image=m, num_inference_steps=2, size=32),
    "restore": lambda i, m: Restore(i, "blur(1)", num_inference_steps=2, size=32),
    "vectorize": lambda i, m: Vectorize(
        i, paths=2, fit_steps=3, num_inference_steps=1, update_steps=1
    ),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_task_on_pictures_in_memory_is_the_task_on_their_files(name, prior, files):
    image, mask = files / "in.png", files / "mask.png"
    from_files = TASKS[name](image, mask).start(prior).run().pictures()
    run = TASKS[name](Image.open(image), np.asarray(Image.open(mask))).start(prior).run()
    assert all(torch.equal(a, b) for a, b in zip(from_files, run.pictures(), strict=True))


def test_its_recipe_holds_the_hashes_of_what_was_in_memory(prior, files):
    image, mask = (picture_of(Image.open(files / f"{n}.png")) for n in ("in", "mask"))
    run = TASKS["edit"](image, mask).start(prior).run()
    (path,) = run.save(files / "out.png")
    recipe = read_recipe(path)
    assert recipe["options"]["image"] == "image"
    assert recipe["options"]["mask_image"] == "mask_image"
    assert recipe["input"]["sha256"] == image.sha256
    assert recipe["input"]["files"] == [{"name": None, "sha256": mask.sha256}]
    assert len({image.sha256, mask.sha256, ""}) == 3


def test_a_mask_of_another_size_in_memory_is_refused(prior, files):
    task = TASKS["edit"](Image.open(files / "in.png"), np.ones((20, 20)))
    for refuse in (task.check_files, lambda: task.start(prior)):
        with pytest.raises(InputError, match="mask_image is 20x20 pixels but the picture is 32x24"):
            refuse()


def test_a_canvas_in_memory_that_is_too_large_for_paths_is_refused(prior):
    with pytest.raises(InputError, match="a megapixel is the most"):
        Vectorize(np.zeros((1200, 1200, 3), np.uint8)).start(prior)


def test_every_kind_of_array_is_the_same_picture(files):
    known = open_picture(files / "in.png")
    samples = np.asarray(Image.open(files / "in.png"))
    for kind in (
        samples,
        samples[None],
        samples.astype(np.uint16) * 257,
        samples / 255,
        (samples / 255).astype(np.float32),
        torch.from_numpy(samples.copy()).permute(2, 0, 1),
        torch.from_numpy(samples / 255).permute(2, 0, 1)[None],
        Image.open(files / "in.png"),
        known,
    ):
        assert torch.equal(picture_of(kind).rgb, known.rgb)


def test_the_depth_of_floats_is_what_their_values_show():
    coarse = np.random.default_rng(0).integers(0, 256, (20, 20, 3))
    assert picture_of((coarse / 255).astype(np.float32)).depth == 8
    assert picture_of(coarse / 255 * 0.9).depth == 16


def test_alpha_and_grey_are_kept(files):
    rgba = np.random.default_rng(0).random((20, 24, 4)).astype(np.float32)
    made = picture_of(rgba)
    assert (made.mode, made.alpha.shape) == ("RGBA", (1, 20, 24))
    grey = picture_of(rgba[..., 0])
    assert grey.mode == "L"
    assert torch.equal(grey.rgb[0], grey.rgb[2])


def test_booleans_and_planes_are_masks():
    holes = np.random.default_rng(0).random((20, 24)) > 0.5
    known = picture_of(holes.astype(np.float32))
    for kind in (holes, torch.tensor(holes), torch.tensor(holes).float(), holes[..., None]):
        assert torch.equal(picture_of(kind).rgb, known.rgb)


def test_scalars_of_numpy_and_torch_are_numbers():
    given = {
        "num_inference_steps": np.int64(2),
        "strength": np.float32(0.5),
        "seed": torch.tensor(3),
    }
    task = Edit("cat.png", np.str_("dog"), **given)
    task.check()
    assert task == Edit("cat.png", "dog", num_inference_steps=2, strength=0.5, seed=3)
    wide = Inpaint("cat.png", "dog", expand=(np.int64(8), 0, 0, 0), crop=np.bool_(True))
    wide.check()
    assert wide.expand == (8, 0, 0, 0) and wide.crop is True


def test_a_photograph_on_its_side_is_turned_as_its_file_would_be(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb = np.random.default_rng(0).integers(0, 256, (20, 32, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / "side.png", exif=exif)
    made = picture_of(Image.open(tmp_path / "side.png"))
    assert made.size == (32, 20)
    assert torch.equal(made.rgb, open_picture(tmp_path / "side.png").rgb)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (3, "is of type int, but must be a picture"),
        ([np.zeros((20, 20))], "is of type list"),
        (np.zeros((2, 20, 20, 3)), r"is an array of \(2, 20, 20, 3\)"),
        (torch.zeros(20), "a tensor of .*, but must be .c, h, w."),
        (torch.zeros(5, 20, 20), "is a tensor of"),
        (np.zeros((8, 20, 3)), "each side needs at least 16"),
        (np.full((20, 20), np.nan), "holds NaN"),
        (np.full((20, 20), 255.0), "values from 255 to 255 but must be from 0 to 1: scale"),
        (np.full((20, 20), -0.5), r"pass \(x \+ 1\) / 2"),
        (np.zeros((20, 20), np.int64), "holds int64 numbers"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(image, words):
    with pytest.raises(InputError, match=words) as caught:
        picture_of(image, "the cat")
    assert str(caught.value).startswith("the cat ")
    assert "\n" not in str(caught.value)


def test_numbers_of_numpy_and_tensors_are_numbers(files):
    given = Inpaint(
        files / "in.png",
        "dog",
        expand=(np.int64(4), 0, torch.tensor(0), np.int32(2)),
        seed=np.uint32(7),
        num_inference_steps=np.int64(2),
        guidance_scale=np.float32(2.5),
        crop=np.bool_(True),
    )
    given.check()
    plain = Inpaint(
        files / "in.png", "dog", expand=(4, 0, 0, 2), seed=7, num_inference_steps=2,
        guidance_scale=2.5, crop=True,
    )  # fmt: skip
    assert given == plain
    assert {type(each) for each in (*given.expand, given.seed)} == {int}
    assert type(given.crop) is bool
    with pytest.raises(InputError, match=r"num_inference_steps is 2\.5"):
        Edit(files / "in.png", "dog", num_inference_steps=np.float64(2.5)).check()


def test_masks_of_usual_kinds_are_the_same_mask(files):
    mask = np.asarray(Image.open(files / "mask.png"))
    wanted = picture_of(mask).rgb
    for given in (mask > 0, torch.tensor(mask > 0), torch.tensor(mask), mask[None] > 0):
        assert torch.equal(picture_of(given).rgb, wanted)


def test_no_picture_is_named_as_such():
    with pytest.raises(InputError, match=r"image is missing \(None\): pass a picture"):
        Edit(None, "dog")
