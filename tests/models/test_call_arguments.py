"""Arguments of a pipeline's call: read from text by its annotations, and from files."""

import hashlib
import inspect
import json

import diffusers
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pipelines import TINY, build
from safetensors.torch import save_file

from dreamsampler.models.driven.arguments import arguments_of, read_call, typed_call
from dreamsampler.models.pipe import from_pipe

CONTROL, XL = diffusers.StableDiffusionControlNetPipeline, diffusers.StableDiffusionXLPipeline


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.arange(64 * 48 * 3, dtype=np.uint8).reshape(64, 48, 3)).save("edges.png")
    (tmp_path / "notes.txt").write_text("no picture")
    two = {"prompt_embeds": torch.ones(1, 2, 3), "pooled_prompt_embeds": torch.zeros(1, 4)}
    save_file(two, "words.safetensors")
    save_file({"any": torch.full((2,), 7.0)}, "one.safetensors")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("clip_skip=2", 2),
        ("clip_skip=null", None),
        ("guess_mode=true", True),
        ("controlnet_conditioning_scale=1", 1.0),
        ("controlnet_conditioning_scale=[0.5, 1]", [0.5, 1.0]),
        ("negative_prompt=2", "2"),
        ('negative_prompt="a, b"', "a, b"),
        ("negative_prompt=a = b", "a = b"),
        ('cross_attention_kwargs={"scale": 0.5}', {"scale": 0.5}),
    ],
)
def test_text_is_typed_by_the_annotation(text, value):
    name, _, words = text.partition("=")
    found = typed_call(CONTROL, {name: words})[name]
    assert found == value and type(found) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_comes_through(number):
    name = "controlnet_conditioning_scale"
    assert typed_call(CONTROL, {name: json.dumps(number)}) == {name: number}


def test_a_size_is_a_tuple_of_its_length():
    assert typed_call(XL, {"original_size": "[512, 768]"})["original_size"] == (512, 768)


@pytest.mark.parametrize(
    ("pipeline", "text", "message"),
    [
        (CONTROL, "clip_skip=two", "clip_skip is 'two', but must be a whole number"),
        (CONTROL, "clip_skip=1.5", "clip_skip is '1.5', but must be a whole number"),
        (CONTROL, "clip_skip=true", "clip_skip is 'true', but must be a whole number"),
        (CONTROL, "guess_mode=1", "guess_mode is '1', but must be true or false"),
        (CONTROL, "clip_skip=@edges.png", "clip_skip is '@edges.png', but must be a whole number"),
        (CONTROL, "image=edges.png", "must be a picture (@FILE), a tensor (@FILE.safetensors)"),
        (CONTROL, "image=[1]", "image is '[1]', but must be a picture"),
        (CONTROL, "prompt_embeds=@edges.png", "but must be a tensor (@FILE.safetensors)"),
        (CONTROL, "imagee=@edges.png", "no 'imagee', did you mean image?"),
        (CONTROL, "height=abc", "height is not to be set"),
        (CONTROL, "eta=1", "eta is not to be set in StableDiffusionControlNetPipeline's call"),
        (CONTROL, "prompt=a", "the prompt is the task's"),
        (CONTROL, "control_guidance_end=0.5", "depends on the number of the step"),
        (XL, "original_size=[512]", "original_size is '[512]', but must be a JSON list"),
    ],
)
def test_what_cannot_be_meant_is_one_line(pipeline, text, message):
    name, _, words = text.partition("=")
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        typed_call(pipeline, {name: words})
    assert message in str(caught.value)


def test_files_are_read_and_are_in_the_recipe_with_their_hashes(tmp_path):
    texts = {"image": '["@edges.png", "@edges.png"]', "prompt_embeds": "@words.safetensors"}
    call = typed_call(CONTROL, {**texts, "negative_prompt_embeds": "@one.safetensors"})
    values, recipe = read_call(CONTROL, call)
    with Image.open("edges.png") as edges:
        assert all((np.asarray(each) == np.asarray(edges)).all() for each in values["image"])
    assert values["prompt_embeds"].shape == (1, 2, 3)
    assert values["negative_prompt_embeds"].tolist() == [7, 7]
    digest = hashlib.sha256((tmp_path / "edges.png").read_bytes()).hexdigest()
    assert recipe["image"] == [{"name": "edges.png", "sha256": digest}] * 2
    assert recipe["prompt_embeds"]["name"] == "words.safetensors"


def test_what_is_in_memory_has_a_hash_and_no_name():
    _, one = read_call(CONTROL, {"image": Image.new("RGB", (16, 16), "red"), "clip_skip": 1})
    _, other = read_call(CONTROL, {"image": torch.zeros(1, 3, 16, 16, dtype=torch.bfloat16)})
    assert one["image"]["name"] is None and other["image"]["name"] is None
    assert one["image"]["sha256"] != other["image"]["sha256"]
    assert one["clip_skip"] == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"image": "nowhere.png"}, "nowhere.png"),
        ({"image": "notes.txt"}, "notes.txt"),
        ({"image": "model.ckpt"}, "model.ckpt is a pickle checkpoint"),
        ({"prompt_embeds": "nowhere.safetensors"}, "there is no file nowhere.safetensors"),
        ({"negative_prompt_embeds": "words.safetensors"}, "holds 2 tensors, none called negative"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(call, message):
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        read_call(CONTROL, call)
    assert message in str(caught.value)


def test_a_path_stands_for_its_picture():
    pipe = build(TINY["StableDiffusionControlNetPipeline"])
    with Image.open("edges.png") as edges:
        priors = [from_pipe(pipe, image=each) for each in ("edges.png", edges.copy(), "edges.png")]
    z = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    seen = [p.predict(z, p.schedule(0.5), [p.condition("a")])[0].z0 for p in priors]
    assert (seen[0] == seen[1]).all()
    assert priors[0].added["call"]["image"]["name"] == "edges.png"
    assert "call" not in from_pipe(build(TINY["StableDiffusionPipeline"])).added


def test_every_pipeline_lists_what_it_may_be_passed():
    """With words for its kind and a sentence, without what a task sets."""
    kinds = {getattr(diffusers, name.partition(" ")[0]) for name in TINY}
    listed = [(kind, each) for kind in kinds for each in arguments_of(kind)]
    assert len(listed) > 1000
    for kind, each in listed:
        assert each.name in inspect.signature(kind.__call__).parameters
        assert each.name not in ("prompt", "height", "generator", "strength", "eta")
        assert "\n" not in each.about and len(each.about) < 500, (kind, each)
    assert sum(not each.about for _, each in listed) < 20
    assert {e.name for _, e in listed if e.takes == "a value"} == {"do_patching"}
