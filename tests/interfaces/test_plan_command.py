"""`dreamsampler plan`: what it says is what a run then takes."""

import json

import pytest
from PIL import Image
from tiny import TINY

from dreamsampler import from_pretrained
from dreamsampler.interfaces.errors import guarded
from dreamsampler.tasks import Inpaint, Restore
from dreamsampler.tasks.plan import make_plan
from dreamsampler.tasks.plan_inputs import placeholder_task

MODEL = ("--model", TINY, "--json")


def planned(cli, *arguments):
    result = cli("plan", *arguments, *MODEL)
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_every_task_has_a_plan(cli):
    for name in ("edit", "inpaint", "restore", "vectorize", "reconstruct"):
        views = ("--views", 3) if name == "reconstruct" else ()
        plan = planned(cli, name, "--num-inference-steps", 2, "--size", 64, *views)
        assert plan["steps"] >= 2 and plan["evaluations"] >= plan["steps"]
        assert plan["peak"] > plan["weights"] > 0
        assert plan["fits"] is True  # a megabyte, beside what is free here


def test_its_evaluations_are_those_of_a_run(cli, tmp_path, picture):
    with Image.open(picture) as image:
        mask = Image.new("L", image.size)
    mask.paste(255, (0, 0, 20, 20))
    mask.save(tmp_path / "mask.png")
    prior = from_pretrained(TINY, device="cpu")
    runs = {
        "inpaint": Inpaint(
            picture, "a dog", mask_image=tmp_path / "mask.png", num_inference_steps=3, size=64
        ),
        "restore": Restore(picture, "blur(2)", 0.1, "a dog", num_inference_steps=3, size=64),
    }
    for name, task in runs.items():
        run = task.start(prior).run()
        plan = planned(cli, name, "--num-inference-steps", 3, "--size", 64)
        assert (plan["evaluations"], plan["steps"]) == (run.evaluations, run.total), name
        assert max(plan["size"]) == max(run.fit.padded) == 64


def test_a_device_that_is_not_here(cli):
    tight = cli("plan", "edit", "--model", TINY, "--memory", 0.036)
    assert tight.code == 0
    assert "does not fit: the device has 36.9 MiB" in tight.out
    assert tight.out.splitlines()[-1].startswith("pass tiling 512 and offload")
    assert "float16" in tight.out  # as on CUDA
    assert "float32" in cli("plan", "edit", "--model", TINY, "--device", "cpu").out


def test_what_helps_is_an_option_and_helps(cli):
    edit = ("edit", "--num-inference-steps", 1, "--size", 128)
    whole = planned(cli, *edit)
    tiled = planned(cli, *edit, "--offload", "sequential", "--tiling", 64)
    assert tiled["peak"] < whole["peak"]
    gradients = ("restore", "--method", "dps", "--num-inference-steps", 1, "--size", 64)
    less = planned(cli, *gradients, "--gradient-checkpointing")
    assert less["gradients"] and less["peak"] < planned(cli, *gradients)["peak"]


def test_a_distilled_model_is_asked_at_its_few_levels(cli):
    steps = ("edit", "--num-inference-steps", 16)
    assert planned(cli, *steps)["steps"] == 16
    assert planned(cli, *steps, "--distilled", "turbo")["steps"] <= 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bake"], "no task 'bake': choose one of edit, inpaint"),
        (["edit", "--operator", "blur(2)"], "edit has no operator"),
        (["edit", "--views", 3], "edit has no views"),
        (["reconstruct", "--method", "paper"], "reconstruct has no method"),
        (["edit", "--memory", 0], "memory is 0, but must be GiB above 0"),
        (["edit", "--method", "best"], "there is no method 'best'"),
        (["edit", "--model", "sd-15"], "did you mean sd15"),
        (["edit", "--device", "cuda:9"], "device is"),
        (["edit", "--size", 4], "size is 4"),
    ],
)
def test_what_cannot_be_meant_is_one_line(arguments, message, cli):
    result = cli("plan", *arguments)
    assert result.code == 2
    assert message in result.err
    assert len(result.lines) == 1 and not result.out


@pytest.mark.parametrize("error", [MemoryError(), MemoryError("it ran out of memory: take less")])
def test_lack_of_memory_says_what_to_do(error, capsys):
    def work():
        raise error

    assert guarded(work) == 2
    result = capsys.readouterr().err
    assert result.count("\n") == 1
    assert ("take less" if error.args else "dreamsampler plan") in result


def test_a_placeholder_knows_its_tasks():
    with pytest.raises(ValueError, match="no task 'bake'"), placeholder_task("bake", {}):
        pass
    with placeholder_task("edit", {"num_inference_steps": 2}) as task:
        assert make_plan(task, str(TINY)).steps == 2
