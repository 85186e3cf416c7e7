"""The pipelines keep diffusers' habits, and are the tasks underneath."""

import dataclasses
import inspect

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import TINY, open_pipe

import dreamsampler
from dreamsampler import (
    DreamSamplerEditPipeline,
    DreamSamplerInpaintPipeline,
    DreamSamplerRestorePipeline,
    Edit,
    Inpaint,
    Restore,
)
from dreamsampler.models.errors import ModelError

SHORT = {"num_inference_steps": 2, "size": 32}
ONE = {"num_inference_steps": 1, "size": 32}


@pytest.fixture(scope="module")
def pipe():
    return DreamSamplerEditPipeline.from_pretrained(TINY, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def cat():
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8))


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def edit(pipe, cat, **options):
    return pipe(prompt="dog", image=cat, **{**SHORT, **options})


def same(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b))


def test_it_is_the_task(pipe, cat):
    made = edit(pipe, cat, generator=rng(), num_images_per_prompt=2)
    task = Edit(cat, "dog", **SHORT, seed=made.seeds[0], num_images=2)
    run = task.start(pipe.prior).run()
    assert made.seeds == run.seeds
    for image, picture in zip(made.images, run.pictures(), strict=True):
        assert same(image, (picture * 255).round().byte().permute(1, 2, 0))


LEFT_OUT = {
    DreamSamplerEditPipeline: (Edit, {"seed", "num_images"}),
    # crop follows from padding_mask_crop; a pipeline's result has the size of its picture
    DreamSamplerInpaintPipeline: (Inpaint, {"seed", "num_images", "crop", "expand", "mask_mode"}),
    DreamSamplerRestorePipeline: (Restore, {"seed", "num_images"}),
}
"""Options that a pipeline has no argument for; generator and num_images_per_prompt set two."""


def test_every_option_of_a_task_is_an_argument_or_left_out_on_purpose():
    for kind, (task, left_out) in LEFT_OUT.items():
        options = {field.name: field.default for field in dataclasses.fields(task)}
        arguments = inspect.signature(kind.__call__).parameters
        assert options.keys() - arguments.keys() == left_out, kind
        for name in options.keys() & arguments.keys():
            default, own = options[name], arguments[name].default
            missing = (inspect.Parameter.empty, dataclasses.MISSING, ())
            assert own == default or (own in missing and default in missing), (kind, name)


def test_every_argument_reaches_the_task(pipe, cat, monkeypatch):
    """Each option takes a value that is not its default, by its name."""
    seen = []

    class Enough(Exception):
        pass

    def stop(task, *_, **__):
        seen.append(task)
        raise Enough

    given = {
        "prompt": "a",
        "negative_prompt": "b",
        "source_prompt": "c",
        "num_inference_steps": 3,
        "guidance_scale": 4.0,
        "guidance": "cfg",
        "source_guidance_scale": 2.0,
        "strength": 0.5,
        "gamma": 0.1,
        "candidates": 3,
        "size": 64,
        "regularize": "symmetry",
        "noise": 0.01,
        "operator": "blur(1)",
        "adaptive_negation": True,
        "feather": 2.0,
        "padding_mask_crop": 8,
        "remove": True,
        "method": "a",
    }
    for kind, (task_type, left_out) in LEFT_OUT.items():
        monkeypatch.setattr(task_type, "__call__", stop)
        monkeypatch.setattr(task_type, "check", lambda _: None)
        monkeypatch.setattr(task_type, "check_files", lambda _: cat.size)
        monkeypatch.setattr(task_type, "draws", True)
        mask = Image.new("L", cat.size, 255)
        names = {f.name for f in dataclasses.fields(task_type)} - left_out - {"image", "mask_image"}
        options = {name: given[name] for name in names}
        masked = {"mask_image": mask} if task_type is not Restore else {}
        with pytest.raises(Enough):
            kind.from_pipe(pipe)(image=cat, **masked, **options, num_images_per_prompt=2)
        task = seen.pop()
        assert {name: getattr(task, name) for name in names} == {
            **options,
            **({"prompt": ("a",)} if task_type is Inpaint else {}),
        }
        assert task.num_images == 2
        assert task_type is Restore or task.mask_image
        assert task_type is not Inpaint or task.crop


def test_a_generator_moves_on_and_a_new_one_repeats(pipe, cat):
    g = rng()
    first, second, again = (edit(pipe, cat, generator=each).images[0] for each in (g, g, rng()))
    assert same(first, again)
    assert not same(first, second)


def test_a_list_of_generators_gives_each_image_its_own(pipe, cat):
    two = edit(pipe, cat, generator=[rng(3), rng(4)], num_images_per_prompt=2)
    alone = edit(pipe, cat, generator=[rng(4)])
    assert two.seeds[1:] == alone.seeds
    assert same(two.images[1], alone.images[0])
    with pytest.raises(ValueError, match="1 generators came for 2 images"):
        edit(pipe, cat, generator=[rng()], num_images_per_prompt=2)


def test_arrays_and_tensors_hold_what_the_pictures_hold(pipe, cat):
    array, tensor, (shown, _) = (
        edit(pipe, cat, output_type=kind, generator=rng(), num_images_per_prompt=2).images
        for kind in ("np", "pt", "pil")
    )
    assert (array.shape, tensor.shape) == ((2, 40, 48, 3), (2, 3, 40, 48))
    assert same(array, tensor.permute(0, 2, 3, 1))
    assert same(np.rint(array[0] * 255).astype(np.uint8), shown)


def test_latents_are_the_models(pipe, cat):
    made = edit(pipe, cat, output_type="latent", generator=rng())
    assert made.images.shape[1] == pipe.prior.latent_channels


def test_a_plain_tuple_and_an_output_that_is_one(pipe, cat):
    (images,) = edit(pipe, cat, return_dict=False, generator=rng())
    made = edit(pipe, cat, generator=rng())
    assert same(images[0], made[0][0])
    assert made.to_tuple()[0] is made.images


def test_lists_of_prompts_and_pictures_go_together(pipe, cat):
    other = cat.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    made = pipe(prompt=["dog", "cat"], image=[cat, other], **ONE, generator=rng())
    assert len(made.images) == 2
    batch = np.stack([np.asarray(cat), np.asarray(other)])
    both = pipe(prompt="dog", image=batch, **ONE, output_type="np", generator=rng())
    assert both.images.shape == (2, 40, 48, 3)
    with pytest.raises(ValueError, match="prompt 2, image 3"):
        pipe(prompt=["dog", "cat"], image=[cat] * 3)
    with pytest.raises(ValueError, match="2 sizes make no single np batch"):
        pipe(prompt="dog", image=[cat, cat.resize((64, 64))], output_type="np")


def test_the_callback_sees_every_step(pipe, cat):
    seen = []

    def watch(pipe, step, timestep, tensors):
        seen.append((step, timestep, sorted(tensors)))
        return tensors

    names = ["latents", "noisy_latents", "denoised"]
    tensors = {"callback_on_step_end_tensor_inputs": names}
    edit(pipe, [cat, cat], callback_on_step_end=watch, generator=rng(), **tensors)
    assert [step for step, _, _ in seen] == [0, 1, 2, 3]
    assert pipe.num_timesteps == 4
    assert seen[0][1] > seen[1][1] >= 0
    assert seen[0][2] == sorted(names)
    with pytest.raises(ValueError, match="holds prompt_embeds, but must be of latents"):
        edit(pipe, cat, callback_on_step_end_tensor_inputs=["prompt_embeds"])


def test_it_stops_where_the_callback_says_so(pipe, cat):
    def stop(pipe, step, timestep, tensors):
        pipe._interrupt = step == 0
        return {}

    made = edit(pipe, cat, callback_on_step_end=stop, generator=rng())
    assert made.interrupted
    assert pipe.interrupt
    whole = edit(pipe, cat, generator=rng())
    assert not whole.interrupted
    assert not same(made.images[0], whole.images[0])
    assert made.images[0].size == whole.images[0].size


def test_a_callback_that_would_change_the_latents_is_refused(pipe, cat):
    with pytest.raises(ValueError, match="the callback changed latents"):
        edit(pipe, cat, callback_on_step_end=lambda p, i, t, x: {"latents": 2 * x["latents"]})
    with pytest.raises(ValueError, match="returned 'noise'"):
        edit(pipe, cat, callback_on_step_end=lambda p, i, t, x: {"noise": 0})


def test_it_moves(cat):
    pipe = DreamSamplerEditPipeline.from_pretrained(TINY, device="cpu", torch_dtype=torch.float32)
    before = edit(pipe, cat, generator=rng(), output_type="pt").images
    assert pipe.to("cpu", torch.bfloat16) is pipe
    assert (pipe.dtype, pipe.device.type) == (torch.bfloat16, "cpu")
    after = edit(pipe.to(dtype=torch.bfloat16), cat, generator=rng(), output_type="pt").images
    assert after.isfinite().all()
    assert (after - before).abs().mean() < 0.1
    with pytest.raises(ModelError, match="float16"):
        pipe.to(torch.float16)
    with pytest.raises(ValueError, match="are one option"):
        DreamSamplerEditPipeline.from_pretrained(TINY, dtype="float32", torch_dtype="float32")


def test_it_shares_the_networks_of_another_pipeline(cat):
    theirs = open_pipe(TINY)
    ours = DreamSamplerEditPipeline.from_pipe(theirs)
    assert ours.prior.network is theirs.unet
    inpaint = DreamSamplerInpaintPipeline.from_pipe(ours)
    assert inpaint.prior is ours.prior
    assert edit(ours, cat, generator=rng()).images[0].size == cat.size


def test_inpainting_keeps_what_is_black(pipe, cat):
    hole = np.zeros((40, 48), np.float32)
    hole[8:32, 8:32] = 1
    inpaint = DreamSamplerInpaintPipeline.from_pipe(pipe)
    made = inpaint("dog", cat, hole, **SHORT, generator=rng(), output_type="np")
    known = np.asarray(cat) / np.float32(255)
    assert np.array_equal(made.images[0][hole == 0], known[hole == 0])
    assert made.reports[0]["painted"] == pytest.approx(0.3)


def test_restoring_says_what_it_measured(pipe, cat):
    restore = DreamSamplerRestorePipeline.from_pipe(pipe)
    made = restore(cat, "downsample(2)", **SHORT, num_images_per_prompt=2)
    assert [image.size for image in made.images] == [(96, 80)] * 2
    assert {"residual", "noise"} <= set(made.reports[0])


def test_transparency_stays(pipe, cat):
    clear = cat.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(cat.size))
    made = edit(pipe, clear, generator=rng()).images[0]
    assert made.mode == "RGBA"
    assert same(made.getchannel("A"), clear.getchannel("A"))


def test_a_method_that_draws_nothing_makes_one_picture(pipe, cat):
    a, b = (edit(pipe, cat, method="dreamsampler", generator=rng(i)).images[0] for i in (0, 1))
    assert same(a, b)


def test_no_strength_is_the_source(pipe, cat):
    assert same(edit(pipe, cat, strength=0.0).images[0], cat)
    with pytest.raises(ValueError, match="no step was taken"):
        edit(pipe, cat, strength=0.0, output_type="latent")


def test_what_cannot_be_used_is_refused_in_one_line(pipe, cat):
    for options, words in (
        ({"prompt": " "}, "the prompt is empty"),
        ({"image": 3}, "image is of type int"),
        ({"output_type": "jax"}, "output_type is 'jax'"),
        ({"method": "best"}, "there is no method 'best'"),
        ({"mask_image": Image.new("L", (20, 20))}, "mask_image is 20x20"),
    ):
        with pytest.raises(ValueError, match=words) as caught:
            pipe(**{"prompt": "dog", "image": cat, **options})
        assert "\n" not in str(caught.value)


def test_they_are_top_level_names():
    assert dreamsampler.DreamSamplerEditPipeline is DreamSamplerEditPipeline


def test_a_regularizer_is_asked_for_in_words(pipe, cat):
    free, even = (
        edit(pipe, cat, regularize=r, generator=rng()).images[0] for r in (None, "symmetry")
    )
    assert not same(free, even)
    with pytest.raises(ValueError, match="did you mean symmetry"):
        edit(pipe, cat, regularize="symetry")
