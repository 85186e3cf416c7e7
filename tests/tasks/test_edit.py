"""The task Edit, end to end on a model of random weights."""

from itertools import islice

import numpy as np
import pytest
import torch
from conformance import prior_of
from PIL import Image
from tiny import TINY

from dreamsampler.images.picture import open_picture
from dreamsampler.images.save import read_recipe
from dreamsampler.maths import RectifiedFlow, generators
from dreamsampler.methods.edit.ledits import ledits
from dreamsampler.methods.registry import methods_of
from dreamsampler.models import GaussianMixture, ModelError, word_tokens
from dreamsampler.models.load import from_pretrained
from dreamsampler.samplers import finish, flow_shifted
from dreamsampler.tasks import Edit

METHODS = [name for name, each in methods_of("edit").items() if not each.reference]


@pytest.fixture
def cat(tmp_path):
    """72 x 56 pixels, all different."""
    y, x = np.mgrid[:56, :72]
    rgb = np.stack([x * 3, y * 4, (x * y) % 256], -1).astype(np.uint8)
    Image.fromarray(rgb).save(tmp_path / "cat.png")
    return tmp_path / "cat.png"


def quick(image, **options):
    """An edit of three steps in few pixels, with a source prompt where the method needs one."""
    method = methods_of("edit").get(options.get("method", "default"))
    if method is not None and method.source_prompt == "needed":
        options = {"source_prompt": "cat", **options}
    if method is not None and "inner_steps" in method.settings:  # it searches at each level
        options = {"num_inference_steps": 2, **options}
    few = {"num_inference_steps": 3, "size": 40}
    return Edit(**{"image": image, "prompt": "dog", **few, **options})


def bytes_of(picture):
    return (picture * 255).round().byte()


def pixels(path):
    return torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).copy()).permute(2, 0, 1)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_and_keeps_the_size(method, prior, cat):
    run = quick(cat, method=method).start(prior)
    moments = list(run)
    assert len(moments) == run.total
    (picture,) = run.pictures()
    assert picture.shape == (3, 56, 72)
    assert 0 <= picture.min() <= picture.max() <= 1
    assert run.evaluations > 0
    assert set(run.seconds) == {"encode", "loop", "decode"}


@pytest.mark.parametrize("options", [{}, {"seed": 5}, {"guidance_scale": 7.3}])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_editing_to_the_source_prompt_returns_the_source(options, dtype, cat):
    prior = from_pretrained(TINY, device="cpu", dtype=dtype)
    run = quick(cat, prompt="cat", source_prompt="cat", **options).start(prior).run()
    assert torch.equal(bytes_of(run.pictures()[0]), pixels(cat))


def test_it_does_so_in_a_pipeline_whose_prompts_are_read_anew(cat):
    prior = from_pretrained(TINY, device="cpu", dtype="bfloat16")
    prior._owned = False  # as from_pipe makes it
    run = quick(cat, prompt="cat", source_prompt="cat").start(prior).run()
    assert torch.equal(bytes_of(run.pictures()[0]), pixels(cat))


def test_the_source_prompt_in_other_spaces_is_the_source_prompt(prior, cat):
    run = quick(cat, prompt="a  cat ", source_prompt="a cat").start(prior).run()
    assert torch.equal(bytes_of(run.pictures()[0]), pixels(cat))


def test_a_path_may_be_text_and_the_model_has_a_size_of_its_own(prior, cat):
    assert quick(str(cat), size=None).start(prior).run().pictures()[0].shape == (3, 56, 72)


def test_the_paper_preset_refuses_a_model_without_a_table_at_once(cat):
    means = torch.stack([torch.full((3, 8, 8), v) for v in (-0.5, 0.5)])
    with pytest.raises(ValueError, match="table of alphas_cumprod"):
        quick(cat, prompt="1", method="dreamsampler").start(GaussianMixtureOfAnySize(means))


def test_another_prompt_changes_something(prior, cat):
    run = quick(cat, source_prompt="cat").start(prior).run()
    assert not torch.equal(bytes_of(run.pictures()[0]), pixels(cat))


def test_no_strength_is_the_source_without_any_evaluation(prior, cat):
    run = quick(cat, strength=0.0).start(prior).run()
    assert torch.equal(bytes_of(run.pictures()[0]), pixels(cat))
    assert run.evaluations == 0


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(prior, cat):
    a, b, c = (quick(cat, seed=s).start(prior).run().pictures()[0] for s in (3, 3, 4))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_a_picture_does_not_depend_on_how_many_are_made_with_it(prior, cat):
    both = quick(cat, seed=3, num_images=2).start(prior).run().pictures()
    second = quick(cat, seed=4).start(prior).run().pictures()[0]
    assert len(both) == 2
    torch.testing.assert_close(both[1], second, rtol=0, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_pixels_outside_the_mask_come_back_bit_for_bit(method, prior, cat, tmp_path):
    mask = np.zeros((56, 72), np.uint8)
    mask[20:40, 30:60] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    run = quick(cat, method=method, mask_image=tmp_path / "mask.png").start(prior).run()
    changed = (bytes_of(run.pictures()[0]) != pixels(cat)).any(0).numpy()
    assert not changed[mask == 0].any()
    assert changed[mask == 255].any()


def test_a_flow_model_without_a_table_edits_as_well(cat):
    """The protocol fits other families: an exact mixture on a rectified flow, in pixels."""
    means = torch.stack([torch.full((3, 8, 8), v) for v in (-0.5, 0.5)])
    run = quick(cat, prompt="1", source_prompt="0", size=72).start(GaussianMixtureOfAnySize(means))
    assert run.run().pictures()[0].shape == (3, 56, 72)


class GaussianMixtureOfAnySize:
    """The mixture's per-pixel answer, for pictures of any size."""

    def __init__(self, means):
        self.inner = GaussianMixture(means[:, :, 0, 0], 0.2, RectifiedFlow(3.0))

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def predict(self, z, level, conditions):
        zs = [z] * len(conditions) if isinstance(z, torch.Tensor) else z
        return [self._one(one, level, c) for one, c in zip(zs, conditions, strict=True)]

    def _one(self, z, level, condition):
        b, c, h, w = z.shape
        flat = z.permute(0, 2, 3, 1).reshape(-1, c)
        seen = self.inner.predict(flat, level, [condition])[0]
        back = lambda x: x.view(b, h, w, c).permute(0, 3, 1, 2)
        return type(seen)(back(seen.z0), back(seen.eps))


def test_an_unfinished_run_gives_no_picture(prior, cat):
    for method in ("default", "dreamsampler"):
        run = quick(cat, method=method).start(prior)
        for some in (run.total // 2, run.total - run.total // 2 - 1):
            list(islice(run, some))
            with pytest.raises(ValueError, match="not finished"):
                run.pictures()


def test_a_run_counts_its_own_work_only(prior, cat):
    first = quick(cat).start(prior)
    next(iter(first))
    early = first.seconds["loop"]
    second = quick(cat).start(prior).run()
    first.run()
    assert first.evaluations == second.evaluations
    assert first.seconds["loop"] > early
    spent = first.seconds["loop"]
    assert first.run().seconds["loop"] >= spent  # once more, after its end


def test_the_paper_preset_counts_its_evaluations(prior, cat):
    run = quick(cat, method="dreamsampler").start(prior).run()
    assert (run.total, run.evaluations) == (6, 9)


def test_transparent_pictures_keep_their_alpha(prior, tmp_path):
    rgba = np.random.default_rng(0).integers(0, 256, (48, 48, 4), dtype=np.uint8)
    rgba[:24, :, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "in.png")
    run = quick(tmp_path / "in.png").start(prior).run()
    (path,) = run.save(tmp_path / "out.png")
    out = np.asarray(Image.open(path))
    assert out.shape == (48, 48, 4)
    assert (out[..., 3] == rgba[..., 3]).all()
    assert (out[:24] == rgba[:24]).all()  # what nobody can see is not touched


def test_several_images_get_numbers(prior, cat, tmp_path):
    run = quick(cat, num_images=2).start(prior).run()
    paths = run.save(tmp_path / "out.png")
    assert [p.name for p in paths] == ["out-0.png", "out-1.png"]
    recipe = read_recipe(paths[1])
    assert (recipe["task"], recipe["seed"], recipe["options"]["prompt"]) == ("edit", 1, "dog")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prompt": "  "}, "prompt is empty"),
        ({"prompt": None}, "prompt is None, but must be text"),
        ({"num_inference_steps": 0}, "num_inference_steps is 0"),
        ({"num_inference_steps": 2.5}, "must be a whole number from 1 to 1000"),
        ({"strength": "much"}, "strength is 'much', but must be a number"),
        ({"strength": 1.5}, "strength is 1.5"),
        ({"guidance_scale": float("nan")}, "guidance_scale is nan"),
        ({"num_images": 0}, "num_images is 0"),
        ({"method": "best"}, "choose one of default"),
        ({"method": "dreamsampler", "strength": 0.5}, "method dreamsampler has no strength"),
        (
            {"method": "dreamsampler", "guidance_scale": 5.0},
            "method dreamsampler has no guidance_scale",
        ),
        ({"method": "dreamsampler", "source_prompt": "cat"}, "dreamsampler has no source_prompt"),
        (
            {"method": "dreamsampler", "negative_prompt": "cat"},
            "dreamsampler has no negative_prompt",
        ),
        ({"method": "dreamsampler", "seed": 1}, "draws no noise"),
        ({"method": "dreamsampler", "num_images": 2}, "draws no noise"),
        (
            {"method": "ledits", "source_prompt": "cat"},
            "ledits has no source_prompt",
        ),
        ({"method": "ledits", "negative_prompt": "cat"}, "ledits has no negative_prompt"),
        ({"method": "ledits", "gamma": 0.2}, "method ledits has no gamma"),
        ({"gamma": 0.2}, "method default has no gamma"),
        ({"regularize": "simetry"}, "there is no regularizer 'simetry': did you mean symmetry"),
        ({"regularize": ""}, "regularize is empty"),
        ({"source_guidance_scale": 1.0}, "method default has no source_guidance_scale"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(options, words, cat):
    with pytest.raises(ValueError, match=words) as caught:
        quick(cat, **options).check()
    assert "\n" not in str(caught.value)


def mixture():
    means = torch.stack([torch.full((3, 8, 8), v) for v in (-0.5, 0.5)])
    return GaussianMixtureOfAnySize(means)


def bent(cat, words, **options):
    """An edit in pixels, where nothing but the regularizer decides what is kept."""
    given = {"method": "anchored", "prompt": "1", "source_prompt": "0", "size": 72, **options}
    task = quick(cat, regularize=words, **given)
    return task.start(mixture()).run().pictures()[0]


def test_a_regularizer_in_words_decides_what_the_result_is(cat):
    free = bent(cat, None)
    assert (free - free.flip(-1)).abs().max() > 0.1
    even = bent(cat, "symmetry")
    torch.testing.assert_close(even, even.flip(-1), rtol=0, atol=1e-5)
    tile = bent(cat, "tileable")
    seam = lambda x: (x[..., 0] - x[..., -1]).abs().mean()
    assert seam(tile) < 0.5 * seam(free)


def test_a_regularizer_acts_in_every_method(prior, cat):
    for method in METHODS:
        plain, bent = (
            quick(cat, method=method, regularize=words, num_inference_steps=1, size=32)
            .start(prior)
            .run()
            .pictures()[0]
            for words in (None, "total_variation(2)")
        )
        assert not torch.equal(plain, bent)


def test_ledits_sees_where_its_words_are_and_says_which_models_it_needs(prior, cat):
    task = quick(cat, method="ledits", num_inference_steps=4)
    run = task.start(prior)
    whole = finish(iter(run)).z0
    z_src = prior.encode(run.fit.down(open_picture(cat).flat()[None]))
    words, null = prior.condition("dog"), prior.condition(None)
    levels = flow_shifted(prior.schedule, 4, start=task.settings["strength"])

    def direct(**options):
        how = levels, generators([0]), 7.5, task.settings["threshold"]
        return finish(ledits(prior, z_src, words, null, *how, **options)).z0

    torch.testing.assert_close(whole, direct(words=word_tokens(prior, ["dog"])))
    assert not torch.equal(whole, direct())
    flow = prior_of("sd3")
    with pytest.raises(ModelError, match="UNet2DConditionModel") as caught:
        task.start(flow)
    assert "\n" not in str(caught.value)


def test_what_a_mask_keeps_stays_whatever_the_regularizer_wants(cat, tmp_path):
    mask = np.zeros((56, 72), np.uint8)
    mask[:, 36:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    made = bent(cat, "symmetry", mask_image=tmp_path / "mask.png")
    assert torch.equal(bytes_of(made)[..., :36], pixels(cat)[..., :36])


def test_the_picture_of_a_palette_is_an_input(prior, cat, tmp_path):
    Image.fromarray(np.full((20, 20, 3), 200, np.uint8)).save(tmp_path / "grey.png")
    task = quick(cat, regularize=f"palette({tmp_path}/grey.png, weight=1000)")
    assert task.inputs() == [cat, tmp_path / "grey.png"]
    task.check_files()
    (path,) = task.start(prior).run().save(tmp_path / "out.png")
    assert read_recipe(path)["input"]["files"][0]["name"] == "grey.png"
    with pytest.raises(ValueError, match=r"there is no file none\.png"):
        quick(cat, regularize="palette(none.png)").check_files()
