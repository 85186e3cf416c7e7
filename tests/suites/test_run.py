"""Suites run for real, with a model of random weights."""

import json
import shutil
from dataclasses import replace

import pytest
from PIL import Image
from tiny import TINY

from benchmarks import results
from benchmarks.__main__ import main
from benchmarks.suites import radiance
from benchmarks.suites.cost import Cost
from benchmarks.suites.inpainting import Inpainting
from dreamsampler import from_pretrained
from dreamsampler.interfaces.model_options import ModelOptions
from dreamsampler.tasks import Reconstruct
from dreamsampler.tasks.make_scene import MakeScene

TRY = ("--model", TINY, "--limit", 2, "--methods", "DreamSampler", "--methods", "SDEdit")


@pytest.fixture(scope="module")
def prior(small):
    return from_pretrained(small, device="cpu")


class Said:
    """What a command printed."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err, self.lines = code, out, err, err.splitlines()


@pytest.fixture
def bench(capsys, tmp_path, monkeypatch, prior):
    """Run a suite in an empty folder; the model is loaded once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ModelOptions, "load", lambda self: prior)

    def run(*arguments):
        capsys.readouterr()
        code = main([str(each) for each in arguments])
        return Said(code, *capsys.readouterr())

    return run


def test_it_measures_tells_and_goes_on_where_it_ended(bench, tmp_path):
    say = ("editing", "-o", "out", *TRY, "--published-only")
    said = bench(*say)
    assert said.code == 0, said.err
    assert "| DreamSampler | " in said.out and "| SDEdit | " in said.out
    assert "2 batches to measure" in said.err
    record = json.loads(next((tmp_path / "out/records/dreamsampler").iterdir()).read_text())
    assert record["evaluations"] == 48 and 0 <= record["measures"]["likeness"] <= 1
    for row, own in (("dreamsampler", "put back"), ("sdedit", "decoded")):
        path = next((tmp_path / "out/records" / row).iterdir())
        found = json.loads(path.read_text())["measures"]
        assert found["background dB"] == found[f"background dB, {own}"]
        assert found["background dB, decoded"] <= found["background dB, put back"]
        assert (tmp_path / "out/pictures" / row / f"{path.stem}.other.png").is_file()
    with Image.open(tmp_path / "out" / "sheet.png") as sheet:
        assert sheet.width > sheet.height > 200
    again = bench(*say)
    assert "0 batches to measure" in again.err
    assert again.out == said.out


def test_another_run_is_compared_and_its_records_can_be_brought(bench, tmp_path, monkeypatch):
    say = ("editing", *TRY, "--published-only", "-o")
    first = bench(*say, "there")
    assert first.code == 0 and "## Against" not in first.out
    path = tmp_path / "there" / "editing.json"
    theirs = json.loads(path.read_text())
    assert [row["key"] for row in theirs["rows"]] == ["dreamsampler", "sdedit"]
    shutil.copytree(tmp_path / "there" / "records", tmp_path / "here" / "records")
    said = bench(*say, "here", "--against", path)
    assert said.code == 0 and "0 batches to measure" in said.err
    assert "figures within the stated intervals; all are equal." in said.out
    assert said.out.startswith((tmp_path / "here" / "editing.md").read_text())
    assert (tmp_path / "here" / "editing.json").read_bytes() == path.read_bytes()
    theirs["rows"][1]["measures"]["background dB"] = [90.0, 91.0]
    monkeypatch.setattr(results, "COMMITTED", tmp_path / "committed")
    (tmp_path / "committed").mkdir()
    (tmp_path / "committed" / "editing.json").write_text(json.dumps(theirs))
    said = bench(*say, "here", "--against", "committed")
    assert "## Against benchmarks/results/editing.json" in said.out
    (line,) = [x for x in said.out.splitlines() if x.startswith("| SDEdit | background dB |")]
    assert "| 90.5 ± 0.5 |" in line and line.endswith("| **no** |")
    assert "largest excess" in (tmp_path / "here" / "editing.md").read_text().splitlines()[-1]


@pytest.mark.parametrize(
    ("key", "line"),
    [("protocol", "two protocols cannot be compared"), ("model", "two models cannot be compared")],
)
def test_what_cannot_be_compared_is_refused_before_it_is_measured(bench, tmp_path, key, line):
    figures = {"schema": 1, "suite": "cost", "protocol": Cost(None).protocol.digest, "rows": []}
    figures["model"] = {"name": "m", "revision": "r", "weights": "w"}
    figures[key] = "0" * 64 if key == "protocol" else figures["model"]
    (tmp_path / "cost.json").write_text(json.dumps(figures))
    said = bench("cost", "-o", "out", "--model", TINY, "--against", "cost.json")
    assert said.code == 2 and line in said.lines[-1] and "to measure" not in said.err


def test_holes_are_painted_by_methods_of_restoration(bench, tmp_path, monkeypatch):
    rows = [row for row in Inpainting.all_rows(None, curves=True) if "by" in row.settings]
    few = [replace(row, settings={**row.settings, "steps": 3}) for row in rows]
    monkeypatch.setattr(Inpainting, "all_rows", lambda self, curves: few)
    said = bench("inpainting", "-o", "out", "--model", TINY, "--limit", 1)
    assert said.code == 0, said.err
    found = json.loads((tmp_path / "out" / "inpainting.json").read_text())
    used = {row["method"]: row["evaluations"] for row in found["rows"]}
    assert used == {"DPS": [3], "PSLD": [3], "TReg": [6], "FlowDPS": [6]}
    assert all(row["measures"]["outside"] == [1.0] for row in found["rows"]), "bit for bit"


def test_icons_drawn_with_paths(bench, tmp_path):
    say = ("vectorization", "-o", "out", "--model", TINY, "--limit", 1)
    said = bench(*say, "--methods", "restored, then traced", "--methods", "Wiener, traced")
    assert said.code == 0, said.err
    assert "| restored, then traced | " in said.out and "Wiener" in said.out
    (svg,) = (tmp_path / "out/pictures/restored-traced").glob("*.svg")
    assert svg.read_text().count("<path") >= 1
    assert (tmp_path / "out" / "psnr.png").is_file()


def test_fields_from_views(bench, tmp_path, monkeypatch):
    """SDS has our evaluations and optimizer steps; its levels come at random, and once each."""
    for name, value in {"STEPS": 4, "LEVELS": 2, "VIEWS": 3}.items():
        monkeypatch.setattr(radiance, name, value)
    requested, levels_of = [], radiance.random_levels

    def watched(*given):
        requested.append(levels_of(*given))
        return requested[-1]

    monkeypatch.setattr(radiance, "random_levels", watched)
    say = ("radiance", "-o", "out", "--model", TINY, "--limit", 1)
    said = bench(*say, "--methods", "DreamSampler", "--methods", radiance.ROWS[3].method)
    assert said.code == 0, said.err
    for row in ("dreamsampler", "sds"):
        record = json.loads((tmp_path / "out/records" / row / "blur-blocks.json").read_text())
        assert record["evaluations"] == 6, "two levels, every view"
        assert 0 < record["measures"]["PSNR"] < 60
    assert [len(levels) for levels in requested] == [2]
    assert "| blocks, blur | " in said.out


def test_a_folder_of_ones_own(bench, tmp_path):
    data = tmp_path / "pie"
    (data / "annotation_images").mkdir(parents=True)
    Image.effect_noise((64, 48), 60).convert("RGB").save(data / "annotation_images" / "a.png")
    entry = {"image_path": "a.png", "original_prompt": "a cat", "editing_prompt": "a dog"}
    (data / "mapping_file.json").write_text(json.dumps({"a": entry}))
    said = bench("editing", "-o", "out", *TRY[:-2], "--published-only", "--data", data)
    assert said.code == 0, said.err
    assert "top-1" not in said.out and "background dB" in said.out
    assert "pass --clip" in said.out


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--limit", 0), "limit is 0"),
        (("--methods", "sdedit"), "there is no method 'sdedit'"),
        (("--data", "nowhere"), "not in PIE-Bench's layout"),
        (("--clip", "nowhere"), "pass the folder of a CLIP model"),
        (("--lpips",), "needs the package lpips"),
        (("--against", "nowhere.json"), "there is no file nowhere.json to compare with"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(bench, options, line):
    said = bench("editing", "-o", "out", "--model", TINY, *options)
    assert said.code == 2 and line in said.lines[-1] and "Traceback" not in said.err


def test_masked_views_are_restored_where_they_stand(tmp_path, prior):
    """Each view alone; then the scene needs no masks, and its cameras fit the larger pictures."""
    scene = MakeScene("duck", masked=0.5, noise=0.01, views=2, held_out=1, size=32)
    scene.start().save(tmp_path)
    before = (tmp_path / "view_000.png").read_bytes()
    radiance.restore_views(tmp_path, scene, prior, "a duck")
    assert (tmp_path / "view_000.png").read_bytes() != before
    task = Reconstruct(tmp_path, fit_steps=2, beta=0.0, turntable=0)
    views = task.start(prior).views
    assert bool(views.known.all()) and len(views.cameras) == 2


def test_a_regularizer_of_ones_own_is_measured_beside_the_edit_without(bench, tmp_path):
    own = tmp_path / "gray.py"
    own.write_text(
        "def regularizer(x, step):\n    return x.mean(1, keepdim=True).expand_as(x)\n"
        "def figure(x):\n    return x.std(1).mean((1, 2))\n"
    )
    say = ("regularizers", "--own", own, "--methods", "gray", "-o", "out", "--limit", 1)
    said = bench(*say, "--model", TINY)
    assert said.code == 0, said.err
    assert "| `gray` | " in said.out
    (record,) = (tmp_path / "out/records/gray").iterdir()
    found = json.loads(record.read_text())["measures"]
    assert found["own"] != found["own without"] and "background without" in found
    own.write_text("figure = 1")
    assert "has no `regularizer`" in bench(*say, "--model", TINY).lines[-1]
