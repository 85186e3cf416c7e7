"""A batch: every row once, whatever happens in between."""

import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from echo_worker import EchoWorker
from PIL import Image
from tiny import TINY

from dreamsampler import Degrade, Edit, Inpaint, from_pretrained
from dreamsampler.images.save import read_recipe
from dreamsampler.interfaces.batch import pool
from dreamsampler.interfaces.batch.ledger import HIDDEN, Ledger, Record
from dreamsampler.interfaces.batch.manifest import manifest_rows
from dreamsampler.interfaces.batch.options import Batch
from dreamsampler.interfaces.batch.rows import Row, read_rows
from dreamsampler.interfaces.batch.run import run_batch
from dreamsampler.interfaces.errors import guarded
from dreamsampler.interfaces.model_options import ModelOptions

SHORT = {"num_inference_steps": 2, "size": 32}
DEGRADE = {"task": "degrade", "image": "cat.png", "operator": "none"}


def row(prompt="dog face", **more):
    return {"task": "edit", "image": "cat.png", "prompt": prompt, **SHORT, **more}


def write(path, rows):
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return path


def ledger(folder="out"):
    return [json.loads(line) for line in (Path(folder) / "ledger.jsonl").read_text().splitlines()]


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image).copy()


class Finished(NamedTuple):
    """A batch that has ended."""

    code: int
    out: str
    err: str

    @property
    def summary(self):
        return json.loads(self.out)


@pytest.fixture
def folder(picture, tmp_path, monkeypatch):
    """The current folder, with pictures in `in`."""
    monkeypatch.chdir(tmp_path)
    mask = Image.new("L", (48, 40))
    mask.paste(255, (8, 8, 40, 32))
    mask.save(tmp_path / "in" / "cat-mask.png")
    return tmp_path


@pytest.fixture
def batch(folder, capsys):
    """Run a batch of rows, or of a manifest, in this process."""

    def run(manifest, output="out", model=TINY, **options):
        if isinstance(manifest, list):
            manifest = write(Path("in", "rows.jsonl"), manifest)
        asked = Batch(str(manifest), output, **{"workers": 0, **options})
        capsys.readouterr()
        code = guarded(lambda: run_batch(asked, ModelOptions(str(model))))
        return Finished(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def model():
    return from_pretrained(TINY, device="cpu")


# --- rows -----------------------------------------------------------------------------------------


def test_rows_of_any_task_give_the_pictures_of_single_runs(batch, model):
    painted = {"prompt": "cat", "num_images": 2, **SHORT}
    inpaint = {"task": "inpaint", "image": "cat.png", "mask_image": "cat-mask.png", **painted}
    done = batch([row(seed=3), {**DEGRADE, "operator": "blur(2)"}, inpaint])
    assert (done.code, done.err) == (0, "")
    assert "3 rows: 3 done, 0 failed" in done.out
    Edit("in/cat.png", "dog face", seed=3, **SHORT)(model).save("1.png")
    Degrade("in/cat.png", "blur(2)")().save("2.png")
    Inpaint("in/cat.png", mask_image="in/cat-mask.png", **painted)(model).save("3.png")
    pairs = {
        "1.png": "00001-cat.png",
        "2.png": "00002-cat.png",
        "3-0.png": "00003-cat-0.png",
        "3-1.png": "00003-cat-1.png",
    }
    for one, many in pairs.items():
        assert (pixels(one) == pixels(f"out/{many}")).all(), many
    assert read_recipe("out/00001-cat.png")["options"]["image"] == str(Path("in/cat.png"))
    assert ledger()[1]["report"] == read_recipe("out/00002-cat.png")["report"]
    assert Image.open("out/contact-sheet.png").size[0] > 3 * 192
    assert not Path("out", HIDDEN).exists()


def test_a_task_of_files_in_a_folder_is_a_row(batch):
    """Also one without a picture."""
    made = batch([{"task": "make-scene", "views": 3, "held_out": 1, "size": 32}])
    assert made.code == 0, made
    assert ledger()[0]["outputs"][0].startswith("00001-/")


def test_the_command(cli, folder):
    """Options of the command line, and rows from a folder."""
    values = ("--set", "prompt=dog face", "--set", "num_inference_steps=2", "--set", "size=32")
    common = ("--workers", 0, "--model", TINY, "--json")
    done = cli("batch", "in", "-o", "out", "--task", "edit", *values, *common)
    assert (done.code, json.loads(done.out)["done"]) == (0, 1)
    assert ledger()[0]["input"].endswith("in/cat.png")


def test_a_written_recipe_is_a_row_as_it_is(batch, model):
    Edit("in/cat.png", "fox", seed=5, **SHORT)(model).save("one.png")
    write(Path("rows.jsonl"), [{**read_recipe("one.png"), "output": "again/fox.png"}])
    assert batch("rows.jsonl", model="iconic").code == 0  # the recipe has its own model
    assert (pixels("one.png") == pixels("out/again/fox.png")).all()


def test_rows_for_the_first_version_are_read(folder):
    """Flat, as recipes, and what --set gives, under the names of version 0.1.0."""
    old = [
        row(preset="paper", size=None),
        {"task": "edit", "options": {"image": "a.png", "prompt": "x", "preset": "flowedit"}},
        {"task": "restore", "image": "a.png", "operator": "blur(1)", "samples": 2},
        {"task": "vectorize", "image": "a.png", "steps": 5, "inner_steps": 3},
        {"task": "reconstruct", "scene": "views", "prompt": "x", "operator": "blur(1)"},
        row(method="default"),
    ]
    asked = Batch("x", "out", set=("preset=ledits",))
    rows = list(read_rows(old[:2] + old[5:], asked, Path("in")))
    assert [each.options["method"] for each in rows] == ["dreamsampler", "flowedit", "default"]
    restored, drawn, scene = read_rows(old[2:5], Batch("x", "out"), Path("in"))
    assert (restored.options["num_images"], restored.group) != (1, rows[0].group)
    assert (drawn.options["fit_steps"], drawn.options["update_steps"]) == (5, 3)
    assert scene.options["image"].endswith("views")


OLD = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A cache with an alias in two versions; the older one is not what the alias is pinned to."""
    from huggingface_hub import constants

    from dreamsampler.models.alias import PINS

    name = "CompVis/stable-diffusion-v1-4"
    home = tmp_path / "hub" / f"models--{name.replace('/', '--')}" / "snapshots"
    for commit in (PINS[name], OLD):
        shutil.copytree(TINY, home / commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_a_row_of_another_commit_is_refused_with_the_way_out_and_that_works(hub, batch):
    Edit("in/cat.png", "fox", **SHORT)(from_pretrained(f"sd14@{OLD}")).save("one.png")
    recipe = read_recipe("one.png")
    assert (recipe["model"]["name"], recipe["model"]["revision"]) == ("sd14", OLD)
    write(Path("rows.jsonl"), [recipe])
    for ours in ("iconic", "sd14"):
        done = batch("rows.jsonl", model=ours, resume=True)
        assert done.code == 2
        assert f"pass --model sd14@{OLD}, or write that name into the row's model" in done.out
    assert batch("rows.jsonl", model=f"sd14@{OLD}", resume=True).code == 0  # the one way
    recipe["model"]["name"] = f"sd14@{OLD}"
    write(Path("rows.jsonl"), [{**recipe, "output": "other.png"}])
    assert batch("rows.jsonl", model="iconic", resume=True).code == 0  # and the other
    assert (pixels("out/other.png") == pixels("one.png")).all()


def test_csv_and_parquet_say_the_same_as_json(folder):
    pytest.importorskip("pyarrow")
    import pyarrow
    import pyarrow.parquet

    columns = ["task", "image", "prompt", "seed", "num_inference_steps", "size", "mask_image"]
    first = ["edit", "cat.png", "a, b", 3, 2, 32, ""]
    second = ["inpaint", "cat.png", '["a", "b"]', 0, 2, 32, '["cat-mask.png", "cat-mask.png"]']
    with open("in/rows.csv", "w", newline="") as file:
        csv.writer(file).writerows([columns, first, second])
    table = {c: [str(a), str(b)] for c, a, b in zip(columns, first, second, strict=True)}
    pyarrow.parquet.write_table(pyarrow.table(table), "in/rows.parquet")
    found = [
        list(read_rows(manifest_rows(Path("in", f"rows.{kind}")), Batch("x", "out"), Path("in")))
        for kind in ("csv", "parquet")
    ]
    assert found[0] == found[1]
    assert found[0][0].options["prompt"] == "a, b"
    assert found[0][1].options["mask_image"] == ["in/cat-mask.png", "in/cat-mask.png"]


def test_masks_of_a_folder_are_found_by_their_stems(folder):
    rows = list(manifest_rows(folder / "in"))
    assert rows == [
        {"image": str(folder / "in/cat.png"), "mask_image": str(folder / "in/cat-mask.png")}
    ]
    (folder / "masks").mkdir()
    Image.new("L", (48, 40), 255).save(folder / "masks" / "cat.jpg")
    rows = list(manifest_rows(folder / "in", folder / "masks"))
    assert [Path(each.get("mask_image", "none")).name for each in rows] == ["none", "cat.jpg"]


BAD = [
    ("no json", "no JSON"),
    ("[1]", "no JSON object"),
    ('{"image": "cat.png"}', "names no task"),
    ('{"task": "paint"}', "did you mean inpaint?"),
    ('{"task": "edit", "image": "cat.png"}', "needs prompt"),
    ('{"task": "edit", "image": "cat.png", "promt": "x"}', "did you mean prompt?"),
    ('{"task": "edit", "image": "cat.png", "prompt": "x", "seed": "x"}', "whole number"),
    ('{"task": "edit", "image": "cat.png", "prompt": "x", "seed": -1}', "seed is -1"),
    ('{"task": "edit", "image": "none.png", "prompt": "x"}', "there is no file"),
    ('{"task": "edit", "image": "http://h/x.png", "prompt": "x"}', "download"),
    ('{"task": "edit", "image": "cat.png", "prompt": "x", "output": "../o.png"}', "below the"),
    ('{"task": "edit", "image": "cat.png", "prompt": "x", "output": "o.xyz"}', "must have .png"),
    ('{"task": "edit", "image": "cat.png", "prompt": "x", "output": "ledger.jsonl"}', "itself"),
    ('{"task": "edit", "image": "cat.png", "prompt": "x", "model": "nope"}', "no model"),
]
"""A line of a manifest, and its error in the ledger."""


def test_bad_rows_are_named_and_the_others_are_done(batch):
    write(Path("in/rows.jsonl"), [DEGRADE])
    with open("in/rows.jsonl", "a") as file:
        file.writelines(line + "\n" for line, _ in BAD)
    done = batch("in/rows.jsonl")
    assert done.code == 2
    assert done.err.splitlines() == [
        f"dreamsampler: {len(BAD)} of {len(BAD) + 1} rows failed: see out/ledger.jsonl, put them "
        "right and run again with --resume"
    ]
    found = {each["row"]: each for each in ledger()}
    assert len(ledger()) == len(found) == len(BAD) + 1
    assert found[1]["status"] == "done"
    for number, (_, match) in enumerate(BAD, 2):
        assert found[number]["status"] == "failed"
        assert match in found[number]["error"]
    assert f"row 2: {found[2]['error']}" in done.out
    assert f"and {len(BAD) - 10} more" in done.out


def test_two_rows_never_write_one_file_nor_their_own_input(batch):
    twice = {**DEGRADE, "output": "same.png"}
    done = batch([twice, twice, {**twice, "output": "cat.png"}], output="in")
    assert done.code == 2
    errors = {each["row"]: each["error"] for each in ledger("in") if each["error"]}
    assert "as row 1 does" in errors[2]
    assert "its own input" in errors[3]
    assert pixels("in/cat.png").shape == (40, 48, 3)


def test_what_cannot_work_is_one_line(batch):
    write(Path("in/rows.jsonl"), [row()])
    Path("empty.jsonl").write_text("\n")
    Path("rows.txt").write_text("x")
    for manifest, options, match in (
        ("none.jsonl", {}, "there is no file"),
        ("rows.txt", {}, "no manifest"),
        ("empty.jsonl", {}, "has no rows"),
        ("in/rows.jsonl", {"set": ("x",)}, "NAME=VALUE"),
        ("in/rows.jsonl", {"workers": -1}, "workers is -1"),
        ("in/rows.jsonl", {"min_workers": 2}, "about Ray"),
        ("in/rows.jsonl", {"masks": "in"}, "paired with a folder"),
        ("in/rows.jsonl", {"output": "in/cat.png"}, "a file"),
        ("in/rows.jsonl", {"model": "nope"}, "no model 'nope'"),
    ):
        done = batch(manifest, **options)
        assert (done.code, done.out) == (2, "")
        assert len(done.err.splitlines()) == 1
        assert match in done.err


# --- exactly once ---------------------------------------------------------------------------------


def test_a_folder_that_holds_a_batch_is_not_begun_anew(batch):
    assert batch([DEGRADE]).code == 0
    before = ledger()
    assert "--resume" in batch("in/rows.jsonl").err
    done = batch("in/rows.jsonl", resume=True, json=True)
    assert (done.code, done.summary["begun_now"]) == (0, 0)
    assert ledger() == before
    Path("out/00001-cat.png").unlink()  # removed, and so made again
    assert batch("in/rows.jsonl", resume=True, json=True).summary["begun_now"] == 1
    assert Path("out/00001-cat.png").exists()


def test_failed_rows_are_tried_again_and_changed_rows_are_done_again(batch):
    late = {**DEGRADE, "image": "late.png"}
    assert batch([late, DEGRADE]).code == 2
    shutil.copy("in/cat.png", "in/late.png")
    done = batch([late, {**DEGRADE, "seed": 9}], resume=True, json=True)
    assert done.code == 0, done  # should it ever fail again, this says why
    assert [done.summary[name] for name in ("done", "failed", "begun_now")] == [2, 0, 2]
    assert read_recipe("out/00002-cat.png")["options"]["seed"] == 9


def staged(folder, number, data=b"whole"):
    """A result as a worker leaves it."""
    place = folder / HIDDEN / f"{number}-x"
    place.mkdir(parents=True)
    (place / f"{number}.png").write_bytes(data)
    return Record(number, f"key{number}", "done", outputs=[f"{number}.png"], staged=place.name)


def test_killed_between_the_line_and_the_name_the_row_is_done(tmp_path, monkeypatch):
    """The line is what counts: the next one to come renames."""
    book = Ledger(tmp_path / "out", resume=False)
    record = staged(book.folder, 1)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        book.commit(record)
    monkeypatch.undo()
    book._ledger.close()
    book._lock.close()
    assert not (tmp_path / "out" / "1.png").exists()
    book = Ledger(tmp_path / "out", resume=True)
    assert book.has(1, "key1")
    assert (tmp_path / "out" / "1.png").read_bytes() == b"whole"
    assert [each.row for each in book.records()] == [1]
    book.close()


def test_killed_before_or_within_the_line_the_row_is_not_done(tmp_path):
    book = Ledger(tmp_path / "out", resume=False)
    staged(book.folder, 1)  # before its line
    record = staged(book.folder, 2)
    book._ledger.write(record.line[:40])  # within it
    book._ledger.close()
    book._lock.close()
    book = Ledger(tmp_path / "out", resume=True)
    assert not book.done
    assert (tmp_path / "out" / "ledger.jsonl").read_bytes() == b""
    assert [path.name for path in (tmp_path / "out" / HIDDEN).iterdir()] == ["lock"]
    book.close()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["ledger.jsonl"]


def test_a_full_disk_leaves_the_ledger_as_it_was(tmp_path):
    book = Ledger(tmp_path / "out", resume=False)
    book.commit(staged(book.folder, 1))
    before = (tmp_path / "out" / "ledger.jsonl").read_bytes()

    class Full:
        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, data):
            self.file.write(data[:10])
            raise OSError(28, "No space left on device")

    book._ledger = Full(book._ledger)
    with pytest.raises(OSError, match="the disk is full"):
        book.commit(staged(book.folder, 2))
    assert (tmp_path / "out" / "ledger.jsonl").read_bytes() == before
    assert not (tmp_path / "out" / "2.png").exists()
    book.close()


def test_a_folder_is_one_batchs_at_a_time(tmp_path):
    book = Ledger(tmp_path / "out", resume=False)
    with pytest.raises(OSError, match="another batch is writing"):
        Ledger(tmp_path / "out", resume=True)
    book.close()
    Ledger(tmp_path / "out", resume=True).close()


def test_a_lock_on_a_file_that_is_gone_is_none(tmp_path, monkeypatch):
    """The batch before ends, and takes its hidden folder away, as the next one waits for it."""
    import fcntl

    flock, gone = fcntl.flock, []

    def flock_late(file, how):
        if how & fcntl.LOCK_EX and not gone:
            gone.append(shutil.rmtree(tmp_path / "out" / HIDDEN))
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", flock_late)
    book = Ledger(tmp_path / "out", resume=False)
    assert gone
    with pytest.raises(OSError, match="another batch is writing"):
        Ledger(tmp_path / "out", resume=True)
    book.close()


def test_a_killed_batch_goes_on(batch):
    """SIGKILL while rows are under way; run again, every row is there once."""
    write(Path("in/rows.jsonl"), [{**DEGRADE, "seed": i} for i in range(24)])
    code = (
        "from dreamsampler.interfaces.batch.run import Batch, ModelOptions, run_batch\n"
        "run_batch(Batch('in/rows.jsonl', 'out'), ModelOptions())\n"
    )
    running = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    seen, until = 0, time.time() + 60
    while seen < 3 and time.time() < until:
        time.sleep(0.01)
        path = Path("out/ledger.jsonl")
        seen = path.read_bytes().count(b"\n") if path.exists() else 0
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert 3 <= seen < 24
    done = batch("in/rows.jsonl", resume=True, json=True).summary
    assert (done["done"], done["begun_now"] < 24) == (24, True)
    assert sorted(each["row"] for each in ledger()) == list(range(1, 25))
    kept = {path.name for path in Path("out").iterdir()} - {"ledger.jsonl", "ledger.parquet"}
    assert kept - {"contact-sheet.png"} == {f"{i:05d}-cat.png" for i in range(1, 25)}


def plain(number, **options):
    return Row(number, "edit", options, None, None, f"{number}.png")


def test_a_row_that_kills_its_worker_is_given_up_and_the_others_are_done():
    queue = pool.Queue(iter([plain(1), plain(2)]), retries=2)
    first = queue.take(2)
    assert [each.number for each in first] == [1, 2]
    assert queue.put_back(first, "was killed by signal 9") == []
    assert [each.number for each in queue.take(2)] == [1]
    assert queue.put_back([plain(1)], "was killed") == []
    assert [each.number for each in queue.take(2)] == [2]
    (given_up,) = queue.put_back(queue.take(2), "was killed by signal 9")
    assert (given_up.row, given_up.status, given_up.attempts) == (1, "failed", 3)
    assert "killed by signal 9 3 times" in given_up.error
    assert not queue


def test_a_dead_worker_is_replaced(monkeypatch):
    """The first worker is killed as it gets a row."""
    send, killed = pool.WorkerProcess.send, []

    def send_and_kill(process, rows):
        if not killed:
            killed.append(process.process.pid)
            os.kill(killed[0], signal.SIGKILL)
            process.process.join()
        send(process, rows)

    monkeypatch.setattr(pool.WorkerProcess, "send", send_and_kill)
    found = pool.in_processes(iter([plain(1), plain(2)]), Batch("x", "out"), EchoWorker())
    assert {each.row: each.attempts for records in found for each in records} == {1: 2, 2: 1}
    assert killed


def test_a_model_that_cannot_be_loaded_ends_the_batch_from_another_process():
    found = pool.in_processes(iter([plain(1)]), Batch("x", "out"), EchoWorker(has_model=False))
    with pytest.raises(ValueError, match="no model 'nope'"):
        list(found)


# --- together -------------------------------------------------------------------------------------


def test_rows_of_a_group_go_through_the_network_together(batch):
    rows = [row("dog face", seed=1), row("fox"), row("cat")]
    assert batch(rows, rows_at_once=2).code == 0
    assert [each["together"] for each in ledger()] == [2, 2, 1]
    batch(rows, "alone", rows_at_once=1)
    for name in ("00001-cat.png", "00002-cat.png", "00003-cat.png"):
        assert np.abs(pixels(f"out/{name}").astype(int) - pixels(f"alone/{name}")).max() <= 1
    evaluations = [each["evaluations"] for each in ledger()]
    assert evaluations == [each["evaluations"] for each in ledger("alone")]


def test_warnings_belong_to_their_row(batch):
    """A JPEG of a masked picture is warned of, where two rows go through the network together."""
    rows = [row(mask_image="cat-mask.png", output="1.jpg"), row(mask_image="cat-mask.png")]
    done = batch(rows, rows_at_once=2)
    assert (done.code, done.err) == (0, "")
    first, second = ledger()
    assert any("JPEG" in text for text in first["warnings"])
    assert second["warnings"] == []


def test_only_rows_of_a_group_are_taken_together():
    rows = [plain(1, size=32), plain(2, size=64), plain(3, size=32), plain(4, size=32)]
    queue = pool.Queue(iter(rows), retries=0)
    taken = []
    while queue:
        taken.append([each.number for each in queue.take(2)])
    assert taken == [[1, 3], [2], [4]]


# --- object stores --------------------------------------------------------------------------------


def test_inputs_and_results_may_be_in_an_object_store(batch, model):
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    system.pipe_file("/bucket/cat.png", Path("in/cat.png").read_bytes())
    rows = json.dumps(row(image="memory://bucket/cat.png")) + "\n"
    system.pipe_file("/bucket/rows.jsonl", rows.encode())
    places = ("memory://bucket/rows.jsonl", "memory://bucket/out")
    done = batch(*places, json=True)
    assert (done.code, done.summary["done"]) == (0, 1)
    Path("got.png").write_bytes(system.cat_file("/bucket/out/00001-cat.png"))
    assert read_recipe("got.png")["options"]["image"] == "memory://bucket/cat.png"
    Edit("in/cat.png", "dog face", **SHORT)(model).save("one.png")
    assert (pixels("one.png") == pixels("got.png")).all()
    assert batch(*places, json=True, resume=True).summary["begun_now"] == 0
    assert "--resume" in batch(*places).err
    assert len(system.cat_file("/bucket/out/ledger.jsonl").splitlines()) == 1
    own = json.dumps({**DEGRADE, "image": "memory://bucket/cat.png", "output": "cat.png"})
    system.pipe_file("/bucket/rows.jsonl", own.encode())
    assert "its own input" in batch(places[0], "memory://bucket").out
    system.rm("/bucket", recursive=True)


def test_every_part_of_a_line_is_in_the_table(batch):
    parquet = pytest.importorskip("pyarrow.parquet")
    batch([DEGRADE])
    (found,) = parquet.read_table("out/ledger.parquet").to_pylist()
    assert set(found) == {f.name for f in dataclasses.fields(Record)} - {"staged"}
    assert (found["row"], found["status"]) == (1, "done")


def test_a_manifest_is_read_as_it_is_needed(tmp_path):
    path = write(tmp_path / "rows.jsonl", [row()] * 3)
    rows = read_rows(manifest_rows(path), Batch("x", "out"), tmp_path)
    assert isinstance(next(rows), Row | Record)
    with open(path, "a") as file:
        file.write("x" * (1 << 20) + "x\n" + json.dumps(row()) + "\n")
    kinds = [type(each).__name__ for each in manifest_rows(path)]
    assert kinds == ["dict", "dict", "dict", "InputError", "dict"]
