"""Arguments of a pipeline's call for one run of the studio, and their files."""

import json

import numpy as np
import pytest
from diffusers import ControlNetModel
from PIL import Image
from tiny import TINY, open_pipe

from dreamsampler import Edit, from_pipe
from dreamsampler.interfaces.studio.run_store import RunStore
from dreamsampler.interfaces.studio.submission import Submissions
from dreamsampler.interfaces.studio.uploads import Limits, Uploads
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
    store = RunStore(tmp_path / "runs")
    uploads = Uploads(tmp_path / "files", store, Limits(10**6, 10**5))
    return Submissions(Worker(controlled), store, uploads)


@pytest.fixture
def edges(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 48, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "edges.png")
    return tmp_path / "edges.png"


def uploaded(submissions, *paths):
    return [submissions.uploads.add("ada", [(path.name, path)]).id for path in paths]


def result(submissions, picture, **more):
    (image,) = uploaded(submissions, picture)
    run = submissions.submit(Edit, {**WORDS, "image": image, **more}, "ada").wait(60)
    with Image.open(run.results[0]) as found:
        return run, np.asarray(found)


def test_a_run_has_its_own_call(submissions, controlled, picture, edges, tmp_path):
    call = ["controlnet_conditioning_scale=2", "image=@edges.png"]
    run, got = result(submissions, picture, call=call, call_files=uploaded(submissions, edges))
    own = from_pipe(controlled.family.pipeline.pipe, image=edges, controlnet_conditioning_scale=2.0)
    expected = Edit(picture, "dog face", num_inference_steps=2, size=64)(own).images[0]
    assert np.array_equal(got, np.asarray(expected))
    recorded = run.recipe["model"]["call"]
    assert recorded["image"]["name"] == "edges.png"
    assert recorded["controlnet_conditioning_scale"] == 2.0
    assert str(tmp_path) not in json.dumps(run.recipe)
    assert run.values["call"] == call and run.values["call_files"] == [
        f"{run.name}~inputs/call/edges.png"
    ]
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
    image, file = uploaded(submissions, picture, edges)
    given = {**WORDS, "image": image, "call": [call], "call_files": [file]}
    with pytest.raises(ValueError) as caught:
        submissions.submit(Edit, given, "ada")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_only_a_model_with_a_call_has_fields_for_it(studio, controlled, picture):
    visitor = studio()()
    image = visitor.upload(picture)
    status, detail = visitor.refused("edit", **WORDS, image=image, call=["clip_skip=1"])
    assert (status, detail["field"]) == (422, "call")
    assert "not asked through a pipeline's call: leave call out" in detail["message"]
    for each, there in ((visitor, False), (studio(controlled)(), True)):
        info = each.get("/api/info").json()
        names = [field["name"] for field in info["tasks"][0]["fields"]]
        assert ({"call", "call_files"} <= set(names)) is there
        assert ("controlnet_conditioning_scale" in info["call_arguments"]) is there
