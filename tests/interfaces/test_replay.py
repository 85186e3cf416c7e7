"""What was made can be made again: replay, history, schema, doctor, sweeps, no metadata."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file
from tiny import TINY

from dreamsampler.images.save import read_recipe
from dreamsampler.interfaces.cli import doctor
from dreamsampler.interfaces.cli.schema import schema_of
from dreamsampler.interfaces.cli.sweep import axes_of
from dreamsampler.models.load import from_pretrained
from dreamsampler.tasks import TASKS, Edit
from dreamsampler.tasks.from_values import task_of

SIZE = ("--size", 32)
FEW = ("--num-inference-steps", 2, *SIZE)
OLD = Path(__file__).parents[1] / "fixtures" / "recipes-0.1.0.json"
MODEL = ("--model", TINY)
DRAW = ("--paths", 4, "--noise", 0.01, "--loss", 0, "--num-inference-steps", 1, *SIZE)
DRAW += ("--fit-steps", 4, "--update-steps", 1)


def edit(cli, picture, out="out.png", *more):
    result = cli(
        "edit", picture, "--prompt", "dog face", "--seed", 3, *FEW, *MODEL, "-o", out, *more
    )
    assert result.code == 0, result.err
    return result


def half_mask():
    mask = Image.new("L", (48, 40), 0)
    mask.paste(255, (0, 0, 24, 40))
    mask.save("mask.png")


def rewritten(path, change, spoil=0):
    """The same picture with another recipe, and some rows of other pixels."""
    recipe = change(read_recipe(path))
    if Path(path).suffix == ".svg":
        before, begin, rest = Path(path).read_text().partition('<metadata id="dreamsampler">')
        Path(path).write_text(
            before + begin + json.dumps(recipe) + rest[rest.index("</metadata>") :]
        )
        return None
    info = PngInfo()
    info.add_itxt("dreamsampler", json.dumps(recipe))
    with Image.open(path) as image:
        samples = np.asarray(image).copy()
    samples[:spoil] ^= 1
    Image.fromarray(samples).save(path, pnginfo=info)
    return samples


def changed(**parts):
    """A function that changes some entries of a recipe; entries of those that are mappings."""

    def change(recipe):
        for name, value in parts.items():
            recipe[name] = recipe[name] | value if isinstance(value, dict) else value
        return recipe

    return change


# --- replay ---------------------------------------------------------------------------------------


def test_every_kind_of_result_comes_out_the_same(cli, picture):
    half_mask()
    edit(cli, picture, "out.png", "--num-images", 2)
    cli("edit", picture, "--prompt", "fox", *FEW, *MODEL, "-o", "fox.jpg")
    painting = ("--prompt", "a", "--mask-image", "mask.png")
    cli("inpaint", picture, *painting, *FEW, *MODEL, "-o", "i.webp")
    blur = ("--operator", "blur(2)", "--noise", 0.1)
    cli("degrade", picture, *blur, "-o", "d.png")
    cli("restore", "d.png", *blur, "--num-images", 2, *FEW, *MODEL, "-o", "r.png")
    cli("vectorize", picture, *DRAW, *MODEL, "-o", "v.svg")
    cli("make-scene", "--views", 2, "--held-out", 0, "--size", 16, "-o", "scene")
    names = ["out-1.png", "i.webp", "d.png", "r-mean.png", "r-spread.png", "v.svg"]
    for name in (*names, "scene/view_001.png"):
        result = cli("replay", name)
        assert (result.code, result.err) == (0, ""), name
        assert result.out == f"{name}: the same, bit for bit\n"
    assert cli("replay", "fox.jpg").out == "fox.jpg: the same\n"


def test_recipes_of_version_0_1_0_are_replayed(cli, picture):
    """The same as what today's words for it make; only the version differs."""
    half_mask()
    sharp, toy = ("--operator", "none", "--noise", 0.1), ("--prompt", "a toy duck")
    views = ("--views", 3, "--held-out", 1, "--size", 16, "--operator", "blur(1)")
    cli("make-scene", "duck", *views, "-o", "scene")
    few = ("--fit-steps", 2, "--update-steps", 1, "--resolution", 8, "--num-inference-steps", 1)
    words, maps = ("--source-prompt", "cat face"), "symmetry | total_variation(0.1)"
    edited, first = ("edit", picture, "--prompt", "dog face"), ("--method", "anchored")
    painted = ("inpaint", picture, "--prompt", "sunglasses", "--mask-image", "mask.png")
    restored = ("restore", picture, *sharp, "--prompt", "cat face", "--num-images", 2)
    today = {
        "edit": (
            *edited,
            *words,
            "--seed",
            3,
            "--regularize",
            maps,
            *FEW,
            *first,
            "-o",
            "edit.png",
        ),
        "edit of preset paper": (*edited, "--method", "dreamsampler", *FEW, "-o", "paper.png"),
        "inpaint": (*painted, *FEW, *first, "-o", "inpaint.png"),
        "restore": (*restored, *FEW, "-o", "restore.png"),
        "vectorize": ("vectorize", picture, *DRAW, "-o", "vectorize.svg"),
        "reconstruct": (
            "reconstruct",
            "scene",
            *toy,
            *views[-2:],
            *few,
            "--turntable",
            0,
            "-o",
            "car",
        ),
    }
    places = {"restore": "restore-mean.png", "reconstruct": "car/view_000.png"}
    recipes = json.loads(OLD.read_text())
    assert recipes.keys() == today.keys()
    for name, command in today.items():
        assert cli(*command, *MODEL).code == 0, name
        path = places.get(name, command[-1])
        rewritten(path, lambda _, name=name: recipes[name])
        result = cli("replay", path, *MODEL)
        assert result.code == 0, result
        assert result.out.startswith(f"{path}: the same, bit for bit; though "), name
        assert "dreamsampler: 0.1.0 then, " in result.out


def test_what_differs_is_measured_and_named(cli, picture):
    edit(cli, picture)
    older = changed(versions={"torch": "1.0"}, model={"revision": "other"})
    samples = rewritten("out.png", older, spoil=8)
    result = cli("replay", "out.png", "--diff", "-o", "again.png")
    assert result.code == 1
    assert "not the same: PSNR" in result.out
    assert "20 % of the samples differ by at most 1 of 255" in result.out
    assert "torch: 1.0 then" in result.out
    assert "model revision: other then" in result.out
    assert Image.open("out-diff.png").width > 3 * 192
    comparison = json.loads(cli("replay", "out.png", "--json").out)
    assert (comparison["same"], comparison["changed"]) == (False, 0.2)
    assert np.abs(np.asarray(Image.open("again.png")).astype(int) - samples).max() == 1


def test_the_input_may_have_moved_or_changed(cli, picture):
    edit(cli, picture)
    moved = picture.with_name("moved.png")
    picture.rename(moved)
    result = cli("replay", "out.png")
    assert result.code == 2
    assert "there is no file" in result.err
    assert cli("replay", "out.png", "--input", moved).code == 0
    shutil.copy(moved, "cat.png")  # beside the result, under its own name
    assert cli("replay", "out.png").code == 0
    with Image.open("cat.png") as image:
        Image.fromarray(255 - np.asarray(image)).save("cat.png")
    result = cli("replay", "out.png")
    assert result.code == 1
    assert "cat.png has changed" in result.out


def test_a_picture_in_memory_has_to_be_named(cli, picture):
    task = Edit(Image.open(picture), "dog face", num_inference_steps=2, seed=3)
    task(from_pretrained(TINY, device="cpu")).save("memory.png")
    missing = cli("replay", "memory.png")
    assert missing.code == 2 and "pass --input PICTURE" in missing.err
    result = cli("replay", "memory.png", "--input", picture)
    assert (result.code, result.out) == (0, "memory.png: the same, bit for bit\n")


def test_a_result_of_another_device_is_the_same_up_to_rounding(cli, picture):
    edit(cli, picture)
    rewritten("out.png", changed(model={"device": "cuda:7"}), spoil=1)
    result = cli("replay", "out.png")
    assert result.code == 0
    assert "the same up to rounding: PSNR" in result.out
    assert "model device: cuda:7 then, cpu now" in result.out


def test_a_lora_and_how_the_model_was_loaded_are_found_again(cli, picture):
    place = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    rng = torch.Generator().manual_seed(0)
    down, up = (torch.randn(shape, generator=rng) for shape in ((2, 32), (32, 2)))
    names = {f"{place}.lora_A.weight": down, f"{place}.lora_B.weight": up}
    Path("styles").mkdir()
    file = "styles/style.safetensors"
    save_file(names, file)
    edit(cli, picture, "out.png", "--lora", f"{file}=0.5", "--tiling", 64)
    result = cli("replay", "out.png")
    assert (result.code, len(result.lines)) == (2, 1)
    assert "the LoRA style.safetensors, which is not here: pass --lora" in result.err
    result = cli("replay", "out.png", "--lora", file)
    assert (result.code, result.out) == (0, "out.png: the same, bit for bit\n")
    result = cli("replay", "out.png", "--lora", f"{file}=1.5", "--tiling", 96)
    assert result.code == 1
    assert ") at 0.5 then, style.safetensors (" in result.out
    assert "tiling: 64 then, 96 now" in result.out
    Path(file).rename("style.safetensors")  # beside the result
    assert cli("replay", "out.png").code == 0
    Path("rows.jsonl").write_text(json.dumps(read_recipe("out.png")))
    result = cli("batch", "rows.jsonl", "-o", "done", "--workers", 0, *MODEL)
    assert "pass --lora to the batch" in result.out


def test_a_recipe_that_cannot_be_run_is_one_line(cli, picture):
    edit(cli, picture)
    whole = read_recipe("out.png")
    for change, match in (
        (changed(task="paint"), "there is no task"),
        (changed(options=3), "without options"),
        (changed(options={"seed": "x"}), "whole number"),
        (changed(options={"image": "\0"}), "cannot be read"),
        (changed(options={"new": 1}), "no option 'new'"),
        (changed(model={"name": "nope"}), "no model 'nope'"),
        (changed(model=[], input=3, versions=None, index="x"), ""),
    ):
        rewritten("out.png", lambda _, change=change: change(json.loads(json.dumps(whole))))
        result = cli("replay", "out.png", *(("--model", TINY) if not match else ()))
        assert result.code == (2 if match else 0)
        assert len(result.lines) == (1 if match else 0)
        assert match in result.err


def test_what_carries_no_recipe_is_refused(cli, picture):
    Path("x.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    Path("deep.svg").write_text('<metadata id="dreamsampler">' + "[" * 10**5 + "</metadata>")
    for name in (picture, "x.svg", "deep.svg"):
        result = cli("replay", name)
        assert result.code == 2
        assert "carries no recipe" in result.err


# --- without a recipe -----------------------------------------------------------------------------


def test_no_metadata_means_none_of_any_kind(cli, picture):
    Image.new("L", (48, 40), 255).save("mask.png")
    edit(cli, picture, "e.png", "--no-metadata")
    edit(cli, picture, "e.jpg", "--no-metadata")
    more = ("--no-metadata", "--prompt", "dog face")
    cli("inpaint", picture, "--mask-image", "mask.png", *more, *FEW, *MODEL, "-o", "i.tif")
    cli(
        "restore",
        picture,
        "--operator",
        "none",
        "--noise",
        0.1,
        *more,
        *FEW,
        *MODEL,
        "-o",
        "r.webp",
    )
    cli("vectorize", picture, *more, *DRAW, *MODEL, "-o", "v.svg")
    result = cli("degrade", picture, "--operator", "none", "-o", "d.png", "--no-metadata", "--json")
    assert json.loads(result.out)["task"] == "degrade"
    for name in ("e.png", "e.jpg", "i.tif", "r.webp", "v.svg", "d.png"):
        data = Path(name).read_bytes()
        for word in (b"dreamsampler", b"dog face", b"cat", b"torch"):
            assert word not in data, (name, word)
    edit(cli, picture, "with.png")
    assert (np.asarray(Image.open("with.png")) == np.asarray(Image.open("e.png"))).all()


# --- history --------------------------------------------------------------------------------------


def test_history_lists_what_was_made_and_nothing_else(cli, picture):
    edit(cli, picture, "made/dog.png")
    cli("vectorize", picture, *DRAW, *MODEL, "-o", "made/deep/v.svg")
    Path("made/damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nx")
    shutil.copy(picture, "made/stranger.png")
    result = cli("history", "made")
    assert result.code == 0
    assert [line.split()[2] for line in result.out.splitlines()] == ["edit", "vectorize"]
    assert "dog face" in result.out
    assert cli("history").out.count("\n") == 2
    assert "dog.png" in cli("history", "--search", "DOG face").out
    assert cli("history", "--search", "giraffe").out == ""
    assert "v.svg" in cli("history", "--limit", 1).out
    (line,) = cli("history", "--limit", 1, "--json").out.splitlines()
    assert json.loads(line)["options"]["paths"] == 4
    assert cli("history", "none").code == 2
    assert cli("history", "--limit", 0).code == 2


# --- schema ---------------------------------------------------------------------------------------


def test_a_schema_says_what_the_dataclass_says(cli):
    for name, task in TASKS.items():
        schema = json.loads(cli("schema", name).out)
        assert schema == schema_of(name)
        assert set(schema["properties"]) == {field.name for field in dataclasses.fields(task)}
        assert all(entry["description"] for entry in schema["properties"].values())


def test_a_schema_takes_what_the_task_takes():
    jsonschema = pytest.importorskip("jsonschema")
    good = {"image": "cat.png", "prompt": "dog", "seed": 3, "guidance_scale": None}
    jsonschema.validate(good, schema_of("edit"))
    assert task_of("edit", good).seed == 3
    for wrong in ({"seed": -1}, {"seed": "x"}, {"method": "no"}, {"promt": 1}, {"prompt": None}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**good, **wrong}, schema_of("edit"))
        with pytest.raises(ValueError):
            task_of("edit", {**good, **wrong}).check()
    painted = {"image": "a", "prompt": ["x", "y"], "mask_image": "b", "expand": [1, 2, 3, 4]}
    jsonschema.validate(painted, schema_of("inpaint"))


# --- doctor ---------------------------------------------------------------------------------------


def test_the_doctor_says_what_is_here(cli, tmp_path, monkeypatch):
    blobs = tmp_path / "hub" / "models--org--name" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "x").write_bytes(bytes(1000))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    result = cli("doctor")
    assert result.code == 0
    for word in ("torch", "cpu", "iconic, org/name", "free disk", "torchvision"):
        assert word in result.out
    assert json.loads(cli("doctor", "--json").out)["facts"]["dreamsampler"].startswith("0.")


def test_a_torchvision_of_another_torch_is_found_out(cli, tmp_path, monkeypatch):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    version = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda n: "0.1" if n == "torchvision" else version(n))
    result = cli("doctor")
    assert result.code == 0
    assert "torchvision::nms does not exist" in result.out
    assert "pip uninstall torchvision" in result.out


# --- sweeps ---------------------------------------------------------------------------------------


def test_a_sweep_is_a_sheet_and_its_pictures(cli, picture):
    edit(cli, picture, "one.png")
    grid = ("--sweep", "guidance_scale=2,5", "--sweep", "seed=2..4")
    result = edit(cli, picture, "grid.png", *grid)
    assert result.out.startswith("grid.png: 6 runs, ")
    names = {f"grid-guidance_scale={g}-seed={s}.png" for g in ("2", "5") for s in (2, 3, 4)}
    assert {path.name for path in Path().glob("grid-*")} == names
    same = [np.asarray(Image.open(n)) for n in ("one.png", "grid-guidance_scale=5-seed=3.png")]
    assert (same[0] == same[1]).all()
    assert read_recipe("grid-guidance_scale=2-seed=4.png")["options"]["seed"] == 4
    width, height = Image.open("grid.png").size
    assert width > 3 * 192 + 100  # the words of the rows
    assert height > 2 * 192


def test_a_swept_drawing_has_a_sheet_too(cli, picture):
    result = cli(
        "vectorize", picture, *DRAW, *MODEL, "--sweep", "paths=2,4", "-o", "v.svg", "--json"
    )
    assert json.loads(result.out)["axes"] == {"paths": [2, 4]}
    assert Image.open("v.png").width > 2 * 192


def test_a_sweep_that_cannot_be_run_is_one_line(cli, picture):
    for entry, match in (
        ("seed", "NAME=VALUES"),
        ("sed=1", "did you mean seed?"),
        ("seed=x", "whole number"),
        ("seed=3..1", "no range"),
        ("seed=0..999", "no range"),
        ("seed=[", "no JSON list"),
        ("image=a.png", "cannot be swept"),
        ("seed=-1", "seed is -1"),
        ("seed=1,1", "one file name"),
    ):
        result = cli("edit", picture, "--prompt", "x", *MODEL, "-o", "o.png", "--sweep", entry)
        assert (result.code, result.out, len(result.lines)) == (2, "", 1), entry
        assert match in result.err


def test_values_with_commas_are_a_json_list():
    assert axes_of(Edit, ['prompt=["a, b", "c"]']) == [("prompt", ["a, b", "c"])]
    with pytest.raises(ValueError, match="400 runs"):
        axes_of(Edit, ["seed=0..19", f"size={','.join(map(str, range(32, 52)))}"])
