"""A pipeline's class, its control networks and the arguments of its call, from every interface."""

import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from PIL import Image
from tiny import TINY

import dreamsampler as ds
from dreamsampler.images.save import read_recipe
from dreamsampler.interfaces.cli.main import main
from dreamsampler.interfaces.model_options import ModelOptions
from dreamsampler.models import load as loading

FEW = ("--num-inference-steps", 2, "--size", 32)
EDIT = ("--prompt", "a dog", "--seed", 3, "--model", TINY, *FEW)


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    """A control network of the tiny model, of random weights that act."""
    folder = tmp_path_factory.mktemp("nets") / "control"
    net = ControlNetModel.from_unet(
        UNet2DConditionModel.from_pretrained(TINY, subfolder="unet"),
        conditioning_embedding_out_channels=(4, 8, 8, 16),
    )
    rng = torch.Generator().manual_seed(0)
    for weight in net.parameters():
        weight.data += 0.1 * torch.randn(weight.shape, generator=rng)
    net.save_pretrained(folder)
    return folder


@pytest.fixture
def maps(tmp_path, picture):
    """Two control pictures in the current folder, one of another size."""
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (40, 48, 3), np.uint8)).save(tmp_path / "edges.png")
    Image.fromarray(rng.integers(0, 255, (20, 24), np.uint8)).save(tmp_path / "depth.png")


@pytest.fixture
def edited(cli, picture, control, maps):
    """Pixels of an edit under a control picture."""

    def run(out, *options):
        given = ("--controlnet", control, *options)
        result = cli("edit", picture, "-o", out, *EDIT, *given)
        assert result.code == 0, result.err
        with Image.open(out) as image:
            return np.asarray(image.convert("RGB"))

    return run


def test_an_edit_under_a_control_picture_is_replayed(cli, edited, tmp_path):
    scale = ("--call", "controlnet_conditioning_scale=2")
    edges = edited("out.png", "--call", "image=@edges.png", *scale)
    assert (edges != edited("depth-out.png", "--call", "image=@depth.png", *scale)).any()
    model = read_recipe("out.png")["model"]
    assert model["call"]["image"]["name"] == "edges.png"
    assert len(model["call"]["image"]["sha256"]) == 64
    assert model["call"]["controlnet_conditioning_scale"] == 2.0
    assert model["controlnet"][0]["name"].endswith("control")
    assert cli("replay", "out.png").out == "out.png: the same, bit for bit\n"
    (tmp_path / "maps").mkdir()
    shutil.move("edges.png", "maps/moved.png")
    missing = cli("replay", "out.png")
    assert missing.code == 2 and "made with image from edges.png, which is not here" in missing.err
    again = cli("replay", "out.png", "--call", "image=@maps/moved.png")
    assert again.code == 0 and "bit for bit; though call: image=edges.png" in again.out
    shutil.copy("depth.png", "edges.png")
    other = cli("replay", "out.png", "--json")
    assert other.code == 1
    (differs,) = json.loads(other.out)["differs"]
    digest = model["call"]["image"]["sha256"][:8]
    assert differs.startswith(f"call: image=edges.png ({digest}), contr")


def test_python_passes_the_same_call(edited, control, picture):
    typed = edited("out.png", "--call", "image=@edges.png")
    call = {"controlnet": control, "image": "edges.png"}
    pipe = ds.DreamSamplerEditPipeline.from_pretrained(TINY, device="cpu", **call)
    made = pipe(image=picture, prompt="a dog", num_inference_steps=1, size=32, return_dict=False)
    task = ds.Edit(picture, "a dog", num_inference_steps=2, size=32, seed=3)
    assert made[0][0].size == (48, 40)
    assert (np.asarray(task(pipe.prior).images[0].convert("RGB")) == typed).all()


def test_what_was_in_memory_is_named_by_replay(cli, control, picture, maps):
    with Image.open("edges.png") as edges:
        prior = ds.from_pretrained(TINY, device="cpu", controlnet=control, image=edges.copy())
    task = ds.Edit(picture, "a dog", num_inference_steps=1, size=32)
    task(prior).save("out.png")
    result = cli("replay", "out.png")
    assert result.code == 2 and len(result.lines) == 1
    assert "made with image in memory, which has no file: pass --call image=@FILE" in result.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--call", "imag=@edges.png"], "has no 'imag', did you mean image?"),
        (["--call", "image=@nowhere.png"], "nowhere.png"),
        (["--call", "image=@notes.txt"], "notes.txt"),
        (["--call", "clip_skip=two"], "clip_skip is 'two', but must be a whole number"),
        (["--call", "clip_skip"], "call is 'clip_skip', but must be NAME=VALUE"),
        (["--call", "clip_skip=1", "--call", "clip_skip=2"], "call has clip_skip twice"),
        (["--call", "generator=1"], "it is the task's seed"),
        (["--pipeline", "StableDiffusionControlPipeline"], "has no pipeline"),
    ],
)
def test_what_cannot_be_meant_is_one_line_before_loading(
    cli, control, picture, maps, options, message, monkeypatch, tmp_path
):
    def never(*_, **__):
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(loading, "load_pipeline", never)
    (tmp_path / "notes.txt").write_text("no picture")
    result = cli("edit", picture, "-o", "out.png", *EDIT, "--controlnet", control, *options)
    assert (result.code, len(result.lines)) == (2, 1), result.err
    assert message in result.err and not (tmp_path / "out.png").exists()


def test_rows_of_a_batch_have_their_own_call(cli, edited, control, picture, monkeypatch):
    seen = {n: edited(f"{n}.png-out.png", "--call", f"image=@{n}.png") for n in ("edges", "depth")}
    rows = [
        {"image": str(picture), "output": f"{n}.png", "call.image": f"@{n}.png"}
        for n in ("edges", "depth", "nowhere")
    ]
    rows[2]["output"] = "none.png"
    loads, load = [], ModelOptions.load
    monkeypatch.setattr(ModelOptions, "load", lambda o: loads.append(o) or load(o))
    with open("rows.jsonl", "w") as file:
        file.write("\n".join(map(json.dumps, rows)))
    options = ("--task", "edit", "--set", "prompt=a dog", "--set", "seed=3", "--workers", 0)
    sizes = ("--set", "num_inference_steps=2", "--set", "size=32")
    model = ("--model", TINY, "--controlnet", control)
    result = cli("batch", "rows.jsonl", "-o", "results", *options, *sizes, *model)
    assert result.code == 2 and "1 of 3 rows failed" in result.err
    for name, pixels in seen.items():
        with Image.open(f"results/{name}.png") as image:
            assert (np.asarray(image.convert("RGB")) == pixels).all()
        assert read_recipe(f"results/{name}.png")["model"]["call"]["image"]["name"] == f"{name}.png"
    assert len(loads) <= 2  # the third row's file is missing, which is found when it is loaded


def test_models_are_listed_and_described(cli, control):
    assert "sdxl" in cli("models").out
    result = cli("models", "--describe", TINY, "--controlnet", control)
    said = " ".join(result.out.split())
    assert "StableDiffusionControlNetPipeline (" in said
    assert "--call image=: a picture (@FILE), a tensor" in said
    document = json.loads(cli("models", "--describe", "iconic", "--json").out)
    assert document["pipeline"] == "StableDiffusionPipeline"
    assert {"cat", "gray", "face"} < set(document["words"])
    names = [each["name"] for each in document["call"]]
    assert "clip_skip" in names and not {"height", "prompt", "latents"} & set(names)
    assert main(["models", "--describe", "nonsense"]) == 2
