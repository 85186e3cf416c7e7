"""The task Inpaint, end to end on a model of random weights."""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from dreamsampler.files import InputError
from dreamsampler.images.crop import Window
from dreamsampler.images.save import read_recipe
from dreamsampler.images.seam import healed, jump, seam_width
from dreamsampler.methods.registry import methods_of
from dreamsampler.tasks import Inpaint
from dreamsampler.tasks.inpaint.hole import filled

HIGH, WIDE = 56, 72


def colors(high=HIGH, wide=WIDE):
    y, x = np.mgrid[:high, :wide]
    return np.stack([x * 3 % 256, y * 4 % 256, (x * y) % 256], -1).astype(np.uint8)


@pytest.fixture
def face(tmp_path):
    Image.fromarray(colors()).save(tmp_path / "face.png")
    return tmp_path / "face.png"


def box(top=16, bottom=40, left=20, right=56):
    mask = np.zeros((HIGH, WIDE), np.uint8)
    mask[top:bottom, left:right] = 255
    return mask


@pytest.fixture
def mask(tmp_path):
    return stored(tmp_path, "mask.png", box())


def stored(folder, name, pixels):
    Image.fromarray(pixels).save(folder / name)
    return folder / name


def quick(image, **options):
    """Few steps, and small in the model, which knows pictures of 256 pixels best."""
    few = {"prompt": "dog", "num_inference_steps": 3, "size": 72}
    return Inpaint(**{"image": image, **few, **options})


def bytes_of(picture):
    return (picture * 255).round().byte().permute(1, 2, 0).numpy()


def painted(task, prior):
    return task.start(prior).run().pictures()


@pytest.mark.parametrize("method", methods_of("inpaint"))
def test_every_method_paints_the_hole_and_nothing_else(method, prior, face, mask):
    run = quick(face, mask_image=mask, method=method).start(prior)
    assert len(list(run)) == run.total
    (picture,) = run.pictures()
    changed = (bytes_of(picture) != colors()).any(-1)
    assert not changed[box() == 0].any()
    assert changed[box() == 255].mean() > 0.9
    assert 0 <= picture.min() <= picture.max() <= 1
    assert set(run.seconds) == {"encode", "loop", "decode"}
    assert run.report["painted"] == pytest.approx((box() > 0).mean())


def test_evaluations_are_counted(prior, face, mask):
    run = lambda **options: quick(face, mask_image=mask, **options).start(prior).run().evaluations
    assert run() == 6
    assert run(guidance_scale=1.0) == 3
    assert run(num_images=2) == 12
    assert (
        run(method="dreamsampler", num_inference_steps=6) == 6 + 6 + 2
    )  # up, down, text at 0 and 3


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(16, 40), st.integers(16, 40), st.integers(0, 2**32 - 1),
    st.booleans(), st.sampled_from([None, 0.0, 2.5, 9.0]),
)  # fmt: skip
def test_black_comes_back_bit_for_bit_whatever_the_mask(prior, high, wide, seed, crop, feather):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (high, wide, 3), dtype=np.uint8)
    mask = rng.integers(0, 256, (high, wide), dtype=np.uint8) * (rng.random((high, wide)) < 0.3)
    with TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name)
        hole = stored(folder, "mask.png", mask.astype(np.uint8))
        image = stored(folder, "in.png", picture)
        task = quick(image, mask_image=hole, crop=crop, feather=feather, num_inference_steps=1)
        run = task.start(prior).run()
        (path,) = run.save(folder / "out.png")
        out = np.asarray(Image.open(path))
    assert (out[mask == 0] == picture[mask == 0]).all()


def test_grey_paints_in_part(prior, face, tmp_path):
    """Between the source and what white gives; the darker, the nearer to the source."""
    distances = []
    for level in (64, 128, 255):
        grey = stored(tmp_path, "grey.png", box() // 255 * np.uint8(level))
        out = bytes_of(painted(quick(face, mask_image=grey), prior)[0]).astype(float)
        distances.append(np.abs(out - colors())[box() > 0].mean())
    assert 0 < distances[0] < distances[1] < distances[2]


def test_a_mask_is_turned_round_by_its_mode(prior, face, mask, tmp_path):
    white = painted(quick(face, mask_image=mask), prior)[0]
    turned = stored(tmp_path, "turned.png", 255 - box())
    assert torch.equal(painted(quick(face, mask_image=turned, mask_mode="black"), prior)[0], white)
    rgba = np.dstack([colors(), 255 - box()])
    clear = stored(tmp_path, "clear.png", rgba)
    assert torch.equal(painted(quick(face, mask_image=clear, mask_mode="alpha"), prior)[0], white)


def test_a_hole_cut_into_the_picture_is_closed(prior, tmp_path):
    image = stored(tmp_path, "cut.png", np.dstack([colors(), 255 - box()]))
    run = quick(image, mask_mode="alpha").start(prior).run()
    (path,) = run.save(tmp_path / "out.png")
    out = Image.open(path)
    assert out.mode == "RGB"
    assert (np.asarray(out)[box() == 0] == colors()[box() == 0]).all()


def test_what_the_hole_hid_does_not_matter(prior, face, mask, tmp_path):
    """Not even to the painting: the encoder sees the hole closed by the colors around it."""
    other = colors()
    other[box() > 0] = 7
    task = quick(stored(tmp_path, "other.png", other), mask_image=mask)
    assert torch.equal(painted(task, prior)[0], painted(quick(face, mask_image=mask), prior)[0])


def test_the_alpha_of_a_picture_is_kept(prior, mask, tmp_path):
    alpha = np.full((HIGH, WIDE), 200, np.uint8)
    image = stored(tmp_path, "in.png", np.dstack([colors(), alpha]))
    run = quick(image, mask_image=mask).start(prior).run()
    out = np.asarray(Image.open(run.save(tmp_path / "out.png")[0]))
    assert (out[..., 3] == 200).all()
    assert (out[..., :3] == colors())[box() == 0].all()


def test_a_hole_that_nobody_will_see_warns(prior, mask, tmp_path):
    image = stored(tmp_path, "in.png", np.dstack([colors(), 255 - box()]))
    with pytest.warns(UserWarning, match="most of the hole is transparent"):
        quick(image, mask_image=mask).start(prior)


def test_several_masks_each_with_its_prompt_in_one_pass(prior, face, tmp_path):
    left = stored(tmp_path, "left.png", box(right=40))
    right = stored(tmp_path, "right.png", box(left=32))
    run = quick(face, mask_image=(left, right), prompt=("dog", "cat")).start(prior).run()
    assert run.evaluations == 9  # null, dog and cat
    total = torch.stack(run.masks).sum(0)
    assert total.max() <= 1
    assert torch.equal(total > 0, torch.from_numpy(box() > 0)[None])
    out = bytes_of(run.pictures()[0])
    assert (out[box() == 0] == colors()[box() == 0]).all()
    same = quick(face, mask_image=(left, right), prompt="dog").start(prior).run()
    both = quick(face, mask_image=stored(tmp_path, "m.png", box()), prompt="dog").start(prior).run()
    assert same.evaluations == both.evaluations == 6
    assert torch.equal(same.pictures()[0], both.pictures()[0])
    assert not np.array_equal(out, bytes_of(both.pictures()[0]))


def test_new_canvas_is_painted_and_the_picture_in_it_untouched(prior, face, tmp_path):
    task = quick(face, expand=(8, 0, 24, 16))
    run = task.start(prior).run()
    out = np.asarray(Image.open(run.save(tmp_path / "out.png")[0]))
    assert out.shape[:2] == task.check_files() == (HIGH + 16, WIDE + 32)
    assert (out[:HIGH, 8 : 8 + WIDE] == colors()).all()
    assert out[HIGH:].std() > 0


def test_new_canvas_and_a_mask_have_a_prompt_each(prior, face, mask, tmp_path):
    task = quick(face, mask_image=mask, expand=(0, 0, 16, 0), prompt=("dog", "cat"))
    out = np.asarray(Image.open(task.start(prior).run().save(tmp_path / "out.png")[0]))
    assert out.shape[:2] == (HIGH, WIDE + 16)
    assert (out[:, :WIDE][box() == 0] == colors()[box() == 0]).all()


def test_a_crop_is_the_same_work_on_a_part_and_is_put_back_exactly(prior, tmp_path):
    """As if the window had been cut out by hand, painted, and pasted."""
    large = colors(280, 300)
    mask = np.zeros((280, 300), np.uint8)
    mask[90:110, 100:130] = 255
    image, hole = stored(tmp_path, "large.png", large), stored(tmp_path, "hole.png", mask)
    run = quick(image, mask_image=hole, crop=True).start(prior).run()
    window = run.window
    assert (window.height, window.width) == (prior.native_size, prior.native_size)
    whole = bytes_of(run.pictures()[0])
    part = stored(tmp_path, "part.png", np.ascontiguousarray(_cut(window, large)))
    small = stored(tmp_path, "small.png", np.ascontiguousarray(_cut(window, mask)))
    alone = bytes_of(painted(quick(part, mask_image=small), prior)[0])
    assert (_cut(window, whole) == alone).all()
    assert (whole[mask == 0] == large[mask == 0]).all()
    assert (whole[mask > 0] != large[mask > 0]).any(-1).mean() > 0.9


def _cut(window, pixels):
    rows = slice(window.top, window.top + window.height)
    return pixels[rows, window.left : window.left + window.width]


@given(st.integers(1, 60), st.integers(1, 60), st.data(), st.integers(0, 80), st.integers(0, 80))
def test_a_window_holds_the_hole_and_lies_in_the_picture(high, wide, data, margin, least):
    mask = torch.zeros(1, high, wide)
    y, x = data.draw(st.integers(0, high - 1)), data.draw(st.integers(0, wide - 1))
    mask[:, y : y + 9, x : x + 5] = 1
    window = Window.around(mask, margin, least)
    assert window.cut(mask).sum() == mask.sum()
    assert 0 <= window.top <= window.top + window.height <= high
    assert 0 <= window.left <= window.left + window.width <= wide
    assert window.height >= min(least, high)
    again = window.paste(mask, window.cut(mask) * 2)
    assert torch.equal(again, mask * 2)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(prior, face, mask):
    a, b, c = (painted(quick(face, mask_image=mask, seed=s), prior)[0] for s in (3, 3, 4))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize("method", methods_of("inpaint"))
def test_a_picture_does_not_depend_on_how_many_are_made_with_it(method, prior, face, mask):
    options = {"mask_image": mask, "method": method}
    both = painted(quick(face, seed=3, num_images=2, **options), prior)
    second = painted(quick(face, seed=4, **options), prior)[0]
    torch.testing.assert_close(both[1], second, rtol=0, atol=1e-3)


def test_the_recipe_names_the_masks(prior, face, mask, tmp_path):
    run = quick(face, mask_image=mask, num_images=2).start(prior).run()
    paths = run.save(tmp_path / "out.png")
    assert [path.name for path in paths] == ["out-0.png", "out-1.png"]
    recipe = read_recipe(paths[1])
    assert recipe["task"] == "inpaint"
    assert recipe["options"]["prompt"] == ["dog"]
    assert [each["name"] for each in recipe["input"]["files"]] == ["mask.png"]
    assert recipe["report"]["edge"] > 0


def test_an_unfinished_run_gives_no_picture(prior, face, mask):
    run = quick(face, mask_image=mask).start(prior)
    next(iter(run))
    with pytest.raises(ValueError, match="not finished"):
        run.pictures()


def test_previews_have_the_models_size(prior, face, mask):
    run = quick(face, mask_image=mask).start(prior)
    assert run.preview(next(iter(run))).shape[-2:] == run.fit.padded


def test_a_seam_leaves_no_step_where_the_painting_is_only_off_in_color():
    source = torch.rand(3, 1, 1).expand(3, 24, 30) * 0.5
    mask = torch.zeros(1, 24, 30)
    mask[:, 6:18, 8:24] = 1
    off = torch.where(mask > 0, source + 0.2, source)
    assert jump(off, mask) == pytest.approx(0.2, abs=1e-6)
    met = healed(source, source + 0.2, mask, 3)
    assert jump(torch.where(mask > 0, met, source), mask) < 1e-3
    assert torch.equal(met[:, 11, 15], (source + 0.2)[:, 11, 15])  # deep inside nothing changes
    assert torch.equal(healed(source, source + 0.2, mask, 0), source + 0.2)


@settings(deadline=None, max_examples=30)
@given(st.integers(3, 14), st.integers(3, 14), st.integers(0, 2**31), st.floats(0, 6))
def test_a_seam_changes_the_hole_only_and_stays_a_picture(high, wide, seed, width):
    rng = torch.Generator().manual_seed(seed)
    source, other = torch.rand(2, 3, high, wide, generator=rng)
    mask = (torch.rand(1, high, wide, generator=rng) > 0.5).float()
    met = healed(source, other, mask, width)
    assert torch.equal(met[:, mask[0] == 0], other[:, mask[0] == 0])
    assert met.min() >= 0
    assert met.max() <= 1
    # noise has hardly a step that is small: without a mismatch nothing changes elsewhere
    flat = (other > 0.5).float()
    assert torch.equal(healed(flat, flat, mask, width), flat)


def test_small_steps_across_the_edge_of_a_hole_go_and_outlines_stay():
    source, mask = torch.full((3, 24, 30), 0.5), torch.zeros(1, 24, 30)
    mask[..., 15:] = 1
    for step, left in ((0.06, 0.0), (0.3, 0.3)):
        painted = source + step * mask
        met = healed(source, painted, mask, 4)
        assert jump(torch.where(mask > 0, met, source), mask) == pytest.approx(left, abs=1e-4)
        assert torch.equal(met[..., 20:], painted[..., 20:])


def test_a_seam_is_a_membrane():
    """Harmonic in the band: on a straight edge the mismatch goes on unchanged, then fades."""
    y = torch.linspace(0, 6.28, 64).view(1, 64, 1)
    source = (0.5 + 0.2 * y.cos()).expand(3, 64, 40)
    mask = torch.zeros(1, 64, 40)
    mask[..., 20:] = 1
    met = healed(source, torch.full_like(source, 0.5), mask, 4)
    assert (met[:, :, 20] - source[:, :, 19]).abs().max() < 0.01
    assert (met[:, :, 25:] - 0.5).abs().max() < 1e-6
    middle = (met[:, :, 22] - 0.5).norm() / (source[:, :, 22] - 0.5).norm()
    assert middle == pytest.approx(0.5, abs=0.05)


def test_the_seam_grows_with_the_picture():
    assert seam_width((512, 512)) == 16
    assert seam_width((128, 128)) == 4


def test_filling_takes_the_colors_around_and_nothing_from_inside():
    x = torch.rand(3, 20, 20)
    x[:, 5:15, 5:15] = 0.9
    mask = torch.zeros(1, 20, 20)
    mask[:, 5:15, 5:15] = 1
    around = 0.25 * torch.ones(3, 1, 1)
    assert torch.allclose(filled(torch.where(mask > 0, x, around), mask), around.expand_as(x))
    closed = filled(x, mask)
    assert torch.equal(closed[:, mask[0] == 0], x[:, mask[0] == 0])
    assert torch.equal(filled(x, 0.5 * mask), x)  # grey keeps the picture
    assert torch.equal(filled(x, torch.ones_like(mask)), x)  # there is nothing to take from


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mask_image": ()}, "nothing is to be painted"),
        ({"prompt": ""}, "a prompt is empty"),
        ({"prompt": ()}, "a prompt is missing"),
        ({"prompt": ("a", " ")}, "a prompt is empty"),
        ({"prompt": ("a", "b")}, "2 prompts came for 1 mask: pass one prompt for each"),
        ({"prompt": ("a", "b", "c"), "expand": (1, 0, 0, 0)}, "for 1 mask and the new canvas"),
        ({"method": "best"}, "choose one of default, "),
        ({"mask_mode": "grey"}, "choose one of white, black, alpha"),
        ({"feather": -1.0}, "feather is -1.0"),
        ({"feather": float("nan")}, "feather is nan"),
        ({"padding_mask_crop": 8}, "pass crop as well"),
        ({"crop": True, "padding_mask_crop": -8}, "padding_mask_crop is -8"),
        ({"expand": (0, 0, 0, 0)}, "not all of them 0"),
        ({"expand": (0, -4, 0, 0)}, "expand is 0 -4 0 0"),
        ({"expand": (8, 8)}, "four whole numbers"),
        ({"expand": 8}, "four whole numbers"),
        ({"num_inference_steps": 0}, "num_inference_steps is 0"),
        ({"guidance_scale": float("inf")}, "guidance_scale is inf"),
        ({"method": "dreamsampler", "guidance_scale": 5.0}, "has no guidance_scale"),
        (
            {"method": "dreamsampler", "negative_prompt": "cat"},
            "dreamsampler has no negative_prompt",
        ),
        ({"guidance_scale": 1, "negative_prompt": "cat"}, "does nothing at guidance_scale 1"),
        ({"num_images": 0}, "num_images is 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(options, words, face, mask):
    with pytest.raises(ValueError, match=words) as caught:
        quick(face, **{"mask_image": mask, **options}).check()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(20, 20), (HIGH + 1, WIDE), (WIDE, HIGH)])
def test_a_mask_of_another_size_is_refused(size, face, tmp_path, prior):
    mask = stored(tmp_path, "mask.png", np.full(size, 255, np.uint8))
    for refuse in (Inpaint.check_files, lambda task: task.start(prior)):
        with pytest.raises(InputError, match=r"mask .* but the picture is 72x56"):
            refuse(quick(face, mask_image=mask))


def test_missing_and_opaque_files_are_refused(face, mask, tmp_path, prior):
    with pytest.raises(InputError, match="there is no file"):
        quick(face, mask_image=tmp_path / "none.png").check_files()
    for task in (quick(face, mask_mode="alpha"), quick(face, mask_image=mask, mask_mode="alpha")):
        with pytest.raises(InputError, match="has no transparency"):
            task.check_files()
        with pytest.raises(InputError, match="has no transparency"):
            task.start(prior)


def test_more_canvas_than_can_be_painted_is_refused(face):
    with pytest.raises(InputError, match="expand less"):
        quick(face, expand=(0, 0, 2 * 10**6, 0)).check_files()


@pytest.mark.parametrize(
    ("value", "mode", "words"),
    [
        (0, "white", r"nothing is painted; white is painted, black stays"),
        (255, "white", r"everything is painted; white is painted"),
        (255, "black", r"nothing is painted; black is painted, white stays"),
        (0, "black", r"everything is painted; black is painted"),
    ],
)
def test_a_mask_of_one_color_warns_and_names_the_polarity(
    value, mode, words, face, tmp_path, prior
):
    mask = stored(tmp_path, "mask.png", np.full((HIGH, WIDE), value, np.uint8))
    with pytest.warns(UserWarning, match=words):
        run = quick(face, mask_image=mask, mask_mode=mode).start(prior)
    out = bytes_of(run.run().pictures()[0])
    assert (out == colors()).all() == words.startswith("nothing")


def test_one_value_and_a_sequence_of_one_are_the_same_task(face, mask):
    one = quick(face, mask_image=str(mask), prompt="dog")
    assert one == quick(face, mask_image=[mask], prompt=["dog"])
    assert one.prompt == ("dog",)
    assert one.inputs() == [face, mask]


def test_what_lies_under_the_hole_leaves_no_trace(prior):
    """Two pictures that differ there alone give one result, also where the model sees less."""
    whole = np.repeat(np.repeat(colors(), 3, 0), 3, 1)
    hole = np.repeat(np.repeat(box(), 3, 0), 3, 1)
    results = []
    for under in (0, 255):
        picture = np.where(hole[..., None] > 0, np.uint8(under), whole)
        task = quick(Image.fromarray(picture), mask_image=Image.fromarray(hole), size=64)
        results.append(np.asarray(task(prior).images[0]))
    assert np.array_equal(*results)
