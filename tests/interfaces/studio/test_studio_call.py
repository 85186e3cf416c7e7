"""Arguments of a pipeline's call for one run of the studio, and their files."""

import json

import numpy as np
import pytest
from diffusers import ControlNetModel
from PIL import Image
from tiny import TINY, open_pipe

from dreamsampler import Edit, from_pipe
from dreamsampler.interfaces.studio.calls import options_of_call
from dreamsampler.interfaces.studio.run_store import RunStore
from dreamsampler.interfaces.studio.server import arguments_of_call
from dreamsampler.interfaces.studio.session import Sessions
from dreamsampler.interfaces.studio.specs import TABS
from dreamsampler.interfaces.studio.submission import Submissions
from dreamsampler.interfaces.studio.tab import Tab
from dreamsampler.interfaces.studio.uploads import Limits
from dreamsampler.interfaces.studio.worker import Worker

WORDS = {"prompt": "dog face", "num_inference_steps": 2, "size": 64}


@pytest.fixture(scope="module")
def controlled(picture):
    """The tiny model under a control network, and a control picture of its own."""
    import torch
    from diffusers import StableDiffusionControlNetPipeline

    pipe = open_pipe(TINY)
    net = ControlNetModel.from_unet(pipe.unet, conditioning_embedding_out_channels=(4, 8, 8, 16))
    rng = torch.Generator().manual_seed(0)
    for weight in net.parameters():
        weight.data += 0.1 * torch.randn(weight.shape, generator=rng)
    parts = {**pipe.components, "controlnet": net}
    made = StableDiffusionControlNetPipeline(**parts, requires_safety_checker=False)
    return from_pipe(made, image=picture)


@pytest.fixture
def submissions(controlled, tmp_path):
    return Submissions(Worker(controlled), RunStore(tmp_path / "runs"), Limits(10**6, 10**5))


@pytest.fixture
def edges(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 48, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "edges.png")
    return tmp_path / "edges.png"


def result(submissions, picture, **more):
    job = submissions.submit(Edit, {**WORDS, "image": picture, **more}, "ada")
    list(job.follow())
    with Image.open(job.result.results[0]) as image:
        return job.result, np.asarray(image)


def test_a_run_has_its_own_call(submissions, controlled, picture, edges, tmp_path):
    call = ["controlnet_conditioning_scale=2", "image=@edges.png"]
    run, got = result(submissions, picture, call=call, call_files=[edges])
    own = from_pipe(controlled.family.pipeline.pipe, image=edges, controlnet_conditioning_scale=2.0)
    expected = Edit(picture, "dog face", num_inference_steps=2, size=64)(own).images[0]
    assert np.array_equal(got, np.asarray(expected))
    recorded = run.recipe["model"]["call"]
    assert recorded["image"]["name"] == "edges.png"
    assert recorded["controlnet_conditioning_scale"] == 2.0
    assert str(tmp_path) not in json.dumps(run.recipe)
    assert run.values["call"] == call and run.values["call_files"][0].name == "edges.png"
    _, before = result(submissions, picture)  # the next one does not have it
    assert (before != got).any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("imagee=@edges.png", "no 'imagee', did you mean image?"),
        ("guess_mode=perhaps", "guess_mode is 'perhaps', but must be true or false"),
        ("image=@/etc/passwd", "the call names passwd, which was not uploaded with it"),
        ("image=@other.png", "the call names other.png, which was not uploaded with it"),
        ("num_inference_steps=3", "it is the task's num_inference_steps"),
        ("image", "call is 'image', but must be NAME=VALUE"),
    ],
)
def test_a_wrong_call_is_refused_before_the_queue(call, message, submissions, picture, edges):
    given = {**WORDS, "image": picture, "call": [call], "call_files": [edges]}
    with pytest.raises(ValueError) as caught:
        submissions.submit(Edit, given, "ada")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_model_without_a_call_has_no_field(model, controlled, picture, tmp_path):
    import gradio as gr

    submissions = Submissions(Worker(model), RunStore(tmp_path / "runs"), Limits(10**6, 10**5))
    with pytest.raises(ValueError, match="not asked through a pipeline's call: leave call out"):
        submissions.submit(Edit, {**WORDS, "image": picture, "call": ["clip_skip=1"]}, "ada")
    for each, there in ((model, False), (controlled, True)):
        sessions = Sessions(submissions, tmp_path, True, "", arguments=arguments_of_call(each))
        with gr.Blocks():
            tab = Tab(TABS[0], sessions)
        assert ("call" in tab.inputs) is there
    assert "controlnet_conditioning_scale" in tab.inputs["call"].placeholder
    names = [option.name for option in options_of_call(Edit)]
    assert names[-2:] == ["call", "call_files"]
    assert tab._shown("call", {"call": ["a=1", "b=2"]}, {}) == "a=1\nb=2"
    assert tab._shown("call", {}, {}) == ""
