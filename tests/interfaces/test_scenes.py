"""The commands make-scene and reconstruct, from folders to folders."""

import json

import numpy as np
import pytest
from PIL import Image
from tiny import TINY

from dreamsampler.generators.field import load_field
from dreamsampler.images.record import FILES
from dreamsampler.images.save import read_recipe
from dreamsampler.interfaces.model_options import ModelOptions

SMALL = ("--views", 4, "--held-out", 2, "--size", 16, "--operator", "blur(sigma=1)")
QUICK = ("--fit-steps", 6, "--resolution", 8, "--num-inference-steps", 2, "--update-steps", 1)
WORDS = ("--operator", "blur(sigma=1)", "--prompt", "a toy duck", "--model", TINY)


@pytest.fixture
def scene(cli, tmp_path):
    assert cli("make-scene", "duck", *SMALL, "--noise", 0.01, "-o", "scene").code == 0
    return tmp_path / "scene"


def test_a_scene_is_made_in_one_line(cli):
    result = cli("make-scene", "duck", *SMALL, "-o", "new/scene")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("new/scene/ (7 files): ") and result.out.count("\n") == 1
    assert result.out.endswith("; prompt a yellow toy duck\n")
    again = json.loads(cli("make-scene", "duck", *SMALL, "-o", "new/scene", "--json").out)
    assert again["task"] == "make-scene" and again["options"]["toy"] == "duck"
    assert len(again["outputs"]) == 7 and again["prompt"] == "a yellow toy duck"


def test_a_scene_is_reconstructed(cli, scene, tmp_path):
    words = (*WORDS, *QUICK, "--turntable", 2, "--mp4", "--record", "way", "--json")
    result = cli("reconstruct", scene, *words, "-o", "out/duck")
    assert (result.code, result.err) == (0, "")
    document = json.loads(result.out)
    folder = tmp_path / "out" / "duck"
    assert sorted(document["outputs"]) == sorted(f"out/duck/{p.name}" for p in folder.iterdir())
    assert {"view_001.png", "depth_001.png", "mesh.glb", "mesh.ply", "transforms.json"} <= {
        path.name for path in folder.iterdir()
    }
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["duck"], "nothing is left beside it"
    assert len(document["record"]) == 3 and (tmp_path / "way" / FILES[0]).is_file()
    assert document["evaluations"] == 2 * 4 and document["report"]["held_out_psnr"] > 5
    recipe = read_recipe(folder / "view_000.png")
    assert recipe["task"] == "reconstruct" and recipe["options"]["prompt"] == "a toy duck"
    assert len(recipe["input"]["files"]) == 6, "the pictures; transforms.json is the input itself"
    assert max(load_field(folder / "field.safetensors").size) == 8


def test_without_the_model_there_is_no_evaluation_and_one_line(cli, scene):
    result = cli("reconstruct", scene, *WORDS, *QUICK, "--beta", 0, "--turntable", 0, "-o", "out")
    assert (result.code, result.err, result.out.count("\n")) == (0, "", 1)
    assert result.out.startswith("out/ (8 files): 0 network evaluations")
    assert "held out psnr" in result.out and "residual" in result.out


def missing(folder):
    (folder / "view_001.png").unlink()


def other_size(folder):
    Image.new("RGB", (48, 48)).save(folder / "view_001.png")


def not_a_number(folder):
    Image.fromarray(np.full((16, 16), np.nan, np.float32)).save(folder / "view_001.tif")
    rewrite(folder, lambda frame: frame.update(file_path="view_001.tif"))


def rewrite(folder, change):
    frames = json.loads((folder / "transforms.json").read_text())
    change(frames["frames"][1])
    (folder / "transforms.json").write_text(json.dumps(frames))


def symmetry(folder):
    rewrite(folder, lambda f: [row.__setitem__(0, -row[0]) for row in f["transform_matrix"][:3]])


def scaled(folder):
    rewrite(folder, lambda f: f["transform_matrix"][0].__setitem__(0, 3.0))


def inside(folder):
    def move(frame):
        for row, at in zip(frame["transform_matrix"], (0.0, 0.0, 0.8), strict=False):
            row[3] = at - 0.3 * row[2]

    rewrite(folder, move)


def nothing(folder):
    pass


@pytest.mark.parametrize(
    ("spoil", "options", "match"),
    [
        (missing, (), "view_001.png is missing"),
        (other_size, (), "give views of one size"),
        (not_a_number, (), "from nan to nan"),
        (symmetry, (), "mirrors"),
        (scaled, (), "not orthonormal"),
        (inside, (), "face away|inside"),
        (nothing, ("--radius", 9), "stands inside the scene"),
        (nothing, ("--operator", "blurr(1)"), "did you mean blur"),
        (nothing, ("--operator", "blur(sigma=?)"), "open: give numbers"),
        (nothing, ("--beta", "-1"), "beta is -1"),
        (nothing, ("--turntable", 0, "--mp4"), "needs a turntable"),
        (nothing, ("--negative-prompt", "fog"), "does nothing at guidance_scale 1"),
        (nothing, ("-o", "scene"), "choose another output"),
        (nothing, ("-o", "."), "holds the scene that is read"),
        (nothing, ("-o", "full"), "holds notes.txt"),
        (nothing, ("-o", "full/notes.txt"), "is a file, but must be a folder"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    cli, scene, tmp_path, monkeypatch, spoil, options, match
):
    """Before the model is loaded where headers tell, and without a trace on the disk."""

    def load(self):
        raise AssertionError("the model was loaded for nothing")

    if spoil is not not_a_number:  # pixels are read after the model
        monkeypatch.setattr(ModelOptions, "load", load)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    spoil(scene)
    before = sorted(tmp_path.rglob("*"))
    result = cli("reconstruct", scene, *WORDS, *QUICK, "-o", "out", *options)
    assert (result.code, result.out) == (2, ""), result.err
    assert len(result.lines) == 1 and result.lines[0].startswith("dreamsampler: ")
    assert any(each in result.err for each in match.split("|")), result.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("typed", "match"),
    [
        ("make-scene horse -o s", "horse"),
        ("make-scene --size 4 -o s", "size is 4"),
        ("make-scene --operator blur(?) -o s", "open: give numbers"),
        ("make-scene --operator mask(gone.png) -o s", "no file gone.png"),
        ("make-scene", "-o PATH"),
        ("reconstruct nowhere -o s", "nowhere is no scene"),
        ("reconstruct", "INPUT"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(cli, tmp_path, typed, match):
    result = cli(*typed.split())
    assert (result.code, result.out, len(result.lines)) == (2, "", 1), result.err
    assert match in result.err and not list(tmp_path.iterdir())


def test_replay_finds_cameras_and_views_that_changed(cli, scene, tmp_path):
    words = (*WORDS, *QUICK, "--beta", 0, "--turntable", 0)
    assert cli("reconstruct", scene, *words, "-o", "out").code == 0
    first = tmp_path / "out" / "view_000.png"
    again = cli("replay", first)
    assert (again.code, again.out) == (0, f"{first}: the same, bit for bit\n")
    one, other, spare = (scene / name for name in ("view_001.png", "view_002.png", "spare.png"))
    for old, new in ((one, spare), (other, one), (spare, other)):
        old.rename(new)
    differs = json.loads(cli("replay", first, "--json").out)["differs"]
    assert differs == [f"{one} has changed", f"{other} has changed"]
    for old, new in ((one, spare), (other, one), (spare, other)):
        old.rename(new)
    rewrite(scene, lambda frame: frame["transform_matrix"][0].__setitem__(3, 0.1))
    result = json.loads(cli("replay", first, "--json").out)
    assert result["differs"] == [f"{scene / 'transforms.json'} has changed"]
    assert not result["same"]
    rewrite(scene, lambda frame: frame.update(mask_path="view_000.png"))
    result = json.loads(cli("replay", first, "--json").out)
    assert "input files: 7 then, 8 now" in result["differs"]


def test_replay_finds_what_an_operator_of_a_scene_read(cli, tmp_path):
    Image.new("L", (16, 16), 255).save(tmp_path / "m.png")
    few = ("--views", 2, "--held-out", 0, "--size", 16)
    assert cli("make-scene", *few, "--operator", "mask(m.png)", "-o", "s").code == 0
    assert json.loads(cli("replay", "s/view_000.png", "--json").out)["differs"] == []
    Image.new("L", (16, 16), 254).save(tmp_path / "m.png")
    differs = json.loads(cli("replay", "s/view_000.png", "--json").out)["differs"]
    assert len(differs) == 1 and differs[0].endswith("m.png has changed")
