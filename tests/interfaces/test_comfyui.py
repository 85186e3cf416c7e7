"""The nodes as ComfyUI loads and calls them: by path, in inference mode, with its own modules."""

import dataclasses
import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import TINY

import dreamsampler.interfaces.comfyui as folder
from dreamsampler.generators.vector import read_svg
from dreamsampler.images.picture import open_picture
from dreamsampler.interfaces.comfyui.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from dreamsampler.interfaces.comfyui.widgets import read_widgets, widgets
from dreamsampler.interfaces.comfyui.wires import wires_of
from dreamsampler.interfaces.model_options import ModelOptions
from dreamsampler.tasks import Edit, Inpaint, Restore, Vectorize

TASKS = {
    "DreamSamplerEdit": Edit,
    "DreamSamplerInpaint": Inpaint,
    "DreamSamplerRestore": Restore,
    "DreamSamplerVectorize": Vectorize,
}
SHORT = {"num_inference_steps": 2, "size": 32}
QUICK = {
    "DreamSamplerEdit": {"prompt": "dog", **SHORT},
    "DreamSamplerInpaint": {"prompt": "dog", **SHORT},
    "DreamSamplerRestore": {"operator": "blur(1)", **SHORT},
    "DreamSamplerVectorize": {
        **SHORT,
        "paths": 2,
        "fit_steps": 2,
        "num_inference_steps": 1,
        "update_steps": 1,
    },
}


@pytest.fixture(scope="module")
def model():
    with torch.inference_mode():
        (model,) = NODE_CLASS_MAPPINGS["DreamSamplerLoader"]()(
            model=str(TINY), dtype="auto", device="cpu", revision="", local_files_only=True
        )
    return model


def pixels(rows=1, height=40, width=48):
    samples = np.random.default_rng(0).integers(0, 256, (rows, height, width, 3))
    return torch.from_numpy((samples / 255).astype(np.float32))


def hole(rows=1):
    mask = torch.zeros(rows, 40, 48)
    mask[:, 8:32, 8:32] = 1
    return mask


def untouched(node):
    """The values of a node's widgets before anyone has touched them."""
    inputs = NODE_CLASS_MAPPINGS[node].INPUT_TYPES()
    both = {**inputs["required"], **inputs["optional"]}
    return {n: w[1]["default"] for n, w in both.items() if "default" in w[-1]}


def call(node, model, image, **options):
    """As ComfyUI does: every widget sends something."""
    values = {**untouched(node), **QUICK[node], **options}
    cls = NODE_CLASS_MAPPINGS[node]
    with torch.inference_mode():
        return getattr(cls(), cls.FUNCTION)(model=model, image=image, **values)


def test_the_inputs_are_the_fields_of_the_task():
    for node, task in TASKS.items():
        inputs = NODE_CLASS_MAPPINGS[node].INPUT_TYPES()
        both = {**inputs["required"], **inputs["optional"]}
        defaults = {field.name: field.default for field in dataclasses.fields(task)}
        wires = {"model", "image", "mask", *wires_of(task)}
        assert both.keys() - wires == defaults.keys() - {"image", "mask_image"}
        assert all(both[name][1]["tooltip"] for name in both.keys() & defaults.keys() - {"image"})
        for name in task.LIMITS.keys() & both.keys():
            (low, high), settings = task.LIMITS[name], both[name][1]
            if "min" in settings:  # a number that may be a word is text
                assert settings["min"] == (-1 if defaults[name] is None else low)
                assert settings["max"] == high
                assert settings["min"] <= settings["default"] <= settings["max"]
            else:
                assert both[name][0] == "STRING" and name in ("noise", "strength")


def test_a_choice_offers_its_default():
    for node in NODE_CLASS_MAPPINGS.values():
        inputs = node.INPUT_TYPES()
        for kind, *settings in {**inputs["required"], **inputs.get("optional", {})}.values():
            if isinstance(kind, list):
                assert settings[0]["default"] in kind
                assert all(isinstance(choice, str) for choice in kind)


def test_widgets_that_nobody_touched_are_the_tasks_own_defaults():
    for node, task in TASKS.items():
        names = [field.name for field in dataclasses.fields(task)]
        needed = {name: "blur(1)" for name in ("prompt", "operator") if name in names}
        values = {**untouched(node), **needed}
        assert task(image="i", **read_widgets(task, values)) == task(image="i", **needed)


def test_the_loader_has_the_options_of_the_command_line():
    inputs = NODE_CLASS_MAPPINGS["DreamSamplerLoader"].INPUT_TYPES()
    named = {*inputs["required"], *inputs["optional"]}
    assert named == {each.name for each in dataclasses.fields(ModelOptions)}
    assert (
        ModelOptions(
            **read_widgets(
                ModelOptions, {n: w[1]["default"] for n, w in widgets(ModelOptions)[1].items()}
            )
        )
        == ModelOptions()
    )


def test_a_node_is_its_task_on_a_file(model, tmp_path):
    image = pixels()
    Image.fromarray((image[0].numpy() * 255).round().astype(np.uint8)).save(tmp_path / "in.png")
    for node in ("DreamSamplerEdit", "DreamSamplerRestore"):
        made, recipe = call(node, model, image, seed=5)
        run = TASKS[node](tmp_path / "in.png", **QUICK[node], seed=5).start(model).run()
        assert torch.equal(made[0], run.pictures()[0].permute(1, 2, 0))
        assert json.loads(recipe)["options"]["seed"] == 5


def test_inpainting_keeps_what_is_black_to_the_last_digit(model):
    for rows in (1, 2):
        image = torch.rand(rows, 40, 48, 3, generator=torch.Generator().manual_seed(0))
        made, recipe = call("DreamSamplerInpaint", model, image, mask=hole())
        keep = hole()[0] == 0
        assert made.shape == image.shape
        assert torch.equal(made[:, keep], image[:, keep])
        assert not torch.equal(made, image)
        assert len(json.loads(recipe)) == 2 if rows == 2 else "task" in json.loads(recipe)


def test_several_masks_of_one_picture_are_holes_of_their_own(model):
    two = torch.zeros(2, 40, 48)
    two[0, 4:20, 4:20], two[1, 20:36, 24:44] = 1, 1
    _, recipe = call("DreamSamplerInpaint", model, pixels(), mask=two, prompt="dog\n\n cat ")
    assert json.loads(recipe)["options"]["prompt"] == ["dog", "cat"]
    with pytest.raises(ValueError, match="2 masks came for one image"):
        call("DreamSamplerEdit", model, pixels(), mask=two)
    with pytest.raises(ValueError, match="2 masks came for 3 images"):
        call("DreamSamplerEdit", model, pixels(3), mask=two)


def test_a_mask_of_another_size_is_scaled_and_the_black_of_an_opaque_picture_is_none(model):
    free, _ = call("DreamSamplerEdit", model, pixels())
    black, _ = call("DreamSamplerEdit", model, pixels(), mask=torch.zeros(1, 64, 64))
    assert torch.equal(black, free)
    with pytest.raises(ValueError, match="nothing is to be painted"):
        call("DreamSamplerInpaint", model, pixels(), mask=torch.zeros(1, 64, 64))
    half = torch.nn.functional.avg_pool2d(hole(), 2)
    image = torch.rand(1, 40, 48, 3, generator=torch.Generator().manual_seed(0))
    for mask in (half, half[:, None], half[0]):
        made, _ = call("DreamSamplerInpaint", model, image, mask=mask)
        outside = torch.ones(40, 48, dtype=torch.bool)
        outside[7:33, 7:33] = False
        assert torch.equal(made[:, outside], image[:, outside])
        assert not torch.equal(made, image)
    with pytest.warns(UserWarning, match="everything is painted"):
        everything = call("DreamSamplerInpaint", model, image, mask=torch.ones(1, 64, 64))[1]
        turned = {"mask": torch.zeros(1, 64, 64), "mask_mode": "black"}
        turned = call("DreamSamplerInpaint", model, image, **turned)[1]
    assert json.loads(everything)["report"]["painted"] == 1
    assert json.loads(turned)["report"]["painted"] == 1


def test_a_wrapped_prompt_of_one_mask_is_one_prompt(model):
    recipe = call("DreamSamplerInpaint", model, pixels(), mask=hole(), prompt="a dog,\nbest")[1]
    assert json.loads(recipe)["options"]["prompt"] == ["a dog, best"]


def test_transparency_comes_back(model):
    alpha = torch.linspace(0, 1, 48).expand(1, 40, 48)[..., None]
    image = torch.cat([pixels(), alpha], -1)
    for node, options in (("DreamSamplerEdit", {"num_images": 2}), ("DreamSamplerInpaint", {})):
        made, _ = call(node, model, image, mask=hole(), **options)
        assert made.shape[-1] == 4
        assert torch.equal(made[..., 3:], alpha.expand(len(made), -1, -1, -1))
        assert torch.equal(made[:, :8], image[:, :8].expand(len(made), -1, -1, -1))


def test_vectorizing_gives_text_that_is_svg(model, tmp_path, monkeypatch):
    (svg,), image, _ = call("DreamSamplerVectorize", model, pixels())
    assert image.shape == (1, 40, 48, 3)
    monkeypatch.chdir(tmp_path)
    save = NODE_CLASS_MAPPINGS["DreamSamplerSaveSVG"]()
    names = [save(svg, "../cat")["ui"]["text"][0] for _ in range(2)]
    assert names == ["___cat_00001_.svg", "___cat_00002_.svg"]
    assert 2 <= read_svg(tmp_path / "output" / names[0]).paths <= 3  # and the ground


def test_a_prompt_without_a_picture_is_drawn(model):
    assert "image" in NODE_CLASS_MAPPINGS["DreamSamplerVectorize"].INPUT_TYPES()["optional"]
    idle = {
        name: untouched("DreamSamplerVectorize")[name] for name in ("fit_steps", "update_steps")
    }
    (svg,), image, _ = call("DreamSamplerVectorize", model, None, prompt="dog", size=32, **idle)
    assert svg.startswith("<") and image.shape == (1, 32, 32, 3)
    with pytest.raises(ValueError, match="neither a picture nor a prompt"):
        call("DreamSamplerVectorize", model, None)


def test_variations_and_batches_come_in_one_image(model):
    made, recipe = call("DreamSamplerEdit", model, pixels(2), num_images=2)
    assert made.shape == (4, 40, 48, 3)
    assert [each["seeds"] for each in json.loads(recipe)] == [[0, 1], [0, 1]]


def test_what_cannot_be_used_is_refused_in_one_line(model):
    for options, words in (
        ({"prompt": ""}, "the prompt is empty"),
        ({"mask": torch.eye(64)[None]}, "mask_image is 64x64 pixels but the picture is 48x40"),
        ({"mask": torch.zeros(3)}, "must be a MASK"),
        ({"image": torch.zeros(3, 40, 48)}, "must be an IMAGE"),
        ({"gamma": 0.5}, "method default has no gamma"),
    ):
        image = options.pop("image", pixels())
        with pytest.raises(ValueError, match=words) as caught:
            call("DreamSamplerEdit", model, image, **options)
        assert "\n" not in str(caught.value)


def test_text_of_widgets_is_read_as_the_option_needs_it():
    assert read_widgets(Restore, {"noise": "0.02"}) == {"noise": 0.02}
    assert read_widgets(Inpaint, {"expand": "0, 8 16 0"}) == {"expand": (0, 8, 16, 0)}
    assert read_widgets(Inpaint, {"prompt": "[a]\n\n b "}) == {"prompt": ("[a]", "b")}
    for task, name, text in ((Restore, "noise", "much"), (Inpaint, "expand", "1 2 three 4")):
        with pytest.raises(ValueError, match=f"{name} is .*{text.split()[-2:][0]}"):
            read_widgets(task, {name: text})


class Canceled(Exception):
    pass


@pytest.fixture
def comfy(monkeypatch, tmp_path):
    """The three modules of ComfyUI that nodes talk to, as they answer there."""
    seen = types.SimpleNamespace(steps=[], previews=0, calls=0, cancels=lambda: False)

    class ProgressBar:
        def __init__(self, total):
            seen.total = total

        def update_absolute(self, value, total=None, preview=None):
            seen.steps.append(value)
            seen.previews += preview is not None and min(preview[1].size) > 1

    def throw():
        seen.calls += 1
        if seen.cancels():
            raise Canceled

    def module(name, **content):
        made = types.ModuleType(name)
        vars(made).update(content)
        monkeypatch.setitem(sys.modules, name, made)

    module("comfy")
    module("comfy.utils", ProgressBar=ProgressBar)
    module(
        "comfy.model_management",
        throw_exception_if_processing_interrupted=throw,
        get_torch_device=lambda: torch.device("cpu"),
    )
    module("folder_paths", get_output_directory=lambda: str(tmp_path / "theirs"))
    return seen


def test_the_bar_runs_over_the_whole_batch(model, comfy):
    call("DreamSamplerEdit", model, pixels(2, 64, 64))
    assert (comfy.total, comfy.steps, comfy.previews) == (4, [1, 2, 3, 4], 4)


def test_canceling_leaves_at_once(model, comfy):
    """The button works after each step, and in a fit before the first one."""
    comfy.cancels = lambda: len(comfy.steps) == 2
    with pytest.raises(Canceled):
        call("DreamSamplerEdit", model, pixels(), num_inference_steps=4)
    assert comfy.steps == [1, 2]
    comfy.steps.clear()
    comfy.calls, comfy.cancels = 0, lambda: comfy.calls == 5
    with pytest.raises(Canceled):
        call("DreamSamplerVectorize", model, pixels(), fit_steps=9)
    assert comfy.steps == []


def test_it_loads_and_saves_where_comfyui_says(comfy, tmp_path):
    loader = NODE_CLASS_MAPPINGS["DreamSamplerLoader"]()
    assert loader(model=str(TINY))[0].device.type == "cpu"
    NODE_CLASS_MAPPINGS["DreamSamplerSaveSVG"]()("<svg/>", "a")
    assert (tmp_path / "theirs" / "a_00001_.svg").read_text() == "<svg/>"


def test_a_link_in_custom_nodes_is_found(tmp_path, monkeypatch):
    """The way ComfyUI imports a folder of custom_nodes."""
    link = tmp_path / "custom_nodes" / "dreamsampler"
    link.parent.mkdir()
    link.symlink_to(Path(folder.__file__).parent, target_is_directory=True)
    name = str(link).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, link / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    assert set(module.NODE_CLASS_MAPPINGS) == set(NODE_DISPLAY_NAME_MAPPINGS)
    assert module.NODE_DISPLAY_NAME_MAPPINGS["DreamSamplerEdit"] == "Edit (DreamSampler)"
    for node in module.NODE_CLASS_MAPPINGS.values():
        assert isinstance(node.INPUT_TYPES()["required"], dict)
        assert hasattr(node, node.FUNCTION) and isinstance(node.RETURN_TYPES, tuple)


def test_an_image_that_was_read_from_a_file_is_taken_as_its_bytes(model, tmp_path):
    """ComfyUI hands floats on; the task sees the bits of the file they came from."""
    Image.new("RGB", (48, 40), (1, 2, 3)).save(tmp_path / "in.png")
    assert open_picture(tmp_path / "in.png").depth == 8
    _, recipe = call("DreamSamplerRestore", model, pixels(), noise="0.01")
    assert json.loads(recipe)["report"]["noise"] == pytest.approx(0.01)


@pytest.mark.parametrize("mask", [torch.zeros(1, 64, 64), hole()[:, None]], ids=["none", "4-D"])
def test_loadimages_empty_mask_is_none(model, mask):
    """64 x 64 zeros come with every picture without alpha; other masks are masks."""
    given = call("DreamSamplerEdit", model, pixels(), mask=mask)[0]
    wanted = {} if mask.shape[-1] == 64 else {"mask": hole()}
    assert torch.equal(given, call("DreamSamplerEdit", model, pixels(), **wanted)[0])


def test_a_mask_of_another_size_is_scaled_and_two_lines_are_one_prompt(model):
    painted, recipe = call(
        "DreamSamplerInpaint",
        model,
        pixels(),
        prompt="a dog,\nbest quality",
        mask=hole()[:, ::2, ::2],
    )
    kept = hole()[0] == 0
    kept[7:33, 7:33] = False  # the edge is soft
    assert torch.equal(painted[0][kept], pixels()[0][kept])
    assert json.loads(recipe)["options"]["prompt"] == ["a dog, best quality"]


def test_an_image_with_alpha_keeps_it(model):
    alpha = torch.ones(1, 40, 48, 1)
    alpha[:, :20] = 0
    (image, _) = call("DreamSamplerEdit", model, torch.cat([pixels(), alpha], -1))
    assert image.shape == (1, 40, 48, 4)
    assert torch.equal(image[..., 3:], alpha)
