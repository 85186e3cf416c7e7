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

import numpy as np
import pytest
from PIL import Image
from tiny import TINY

from dreamsampler.images.save import read_recipe
from dreamsampler.interfaces.batch import pool
from dreamsampler.interfaces.batch.ask import Batch
from dreamsampler.interfaces.batch.job import Bad, Job, jobs_of
from dreamsampler.interfaces.batch.ledger import HIDDEN, Ledger, Record
from dreamsampler.interfaces.batch.manifest import rows_of

MODEL = ("--model", TINY)
SHORT = {"num_inference_steps": 2, "size": 32}


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


@pytest.fixture
def here(cli, picture, tmp_path):
    """The command line in a folder with a manifest's pictures in `in`."""
    Image.new("L", (48, 40), 255).save(tmp_path / "in" / "cat-mask.png")
    return cli


def batch(cli, manifest, *more, workers=0):
    return cli("batch", manifest, "-o", "out", "--workers", workers, *MODEL, *more)


# --- rows -----------------------------------------------------------------------------------------


def test_rows_of_any_task_give_the_pictures_of_single_runs(here, tmp_path):
    degraded = {"task": "degrade", "image": "cat.png", "operator": "blur(2)"}
    painted = {"mask_image": "cat-mask.png", "prompt": "cat", "image": "cat.png", "num_images": 2}
    rows = [row(seed=3), degraded, {"task": "inpaint", **painted, **SHORT}]
    said = batch(here, write(tmp_path / "in" / "rows.jsonl", rows))
    assert (said.code, said.err) == (0, "")
    assert "3 rows: 3 done, 0 failed" in said.out
    few = ("--num-inference-steps", 2, "--size", 32)
    here("edit", "in/cat.png", "--prompt", "dog face", "--seed", 3, *few, *MODEL, "-o", "1.png")
    here("degrade", "in/cat.png", "--operator", "blur(2)", "-o", "2.png")
    words = ("--prompt", "cat", "--mask-image", "in/cat-mask.png", "--num-images", 2)
    here("inpaint", "in/cat.png", *words, *few, *MODEL, "-o", "3.png")
    pairs = {
        "1.png": "00001-cat.png",
        "2.png": "00002-cat.png",
        "3-0.png": "00003-cat-0.png",
        "3-1.png": "00003-cat-1.png",
    }
    for one, many in pairs.items():
        assert (pixels(one) == pixels(f"out/{many}")).all(), many
    assert read_recipe("out/00001-cat.png")["options"]["image"] == str(tmp_path / "in/cat.png")
    assert Image.open("out/contact-sheet.png").size[0] > 3 * 192
    assert not Path("out", HIDDEN).exists()


def test_a_written_recipe_is_a_row_as_it_is(here, tmp_path):
    few = ("--num-inference-steps", 2, "--size", 32)
    here("edit", "in/cat.png", "--prompt", "fox", "--seed", 5, *few, *MODEL, "-o", "one.png")
    write(tmp_path / "rows.jsonl", [{**read_recipe("one.png"), "output": "again/fox.png"}])
    assert batch(here, "rows.jsonl", "--model", "iconic").code == 0  # the recipe names its own
    assert (pixels("one.png") == pixels("out/again/fox.png")).all()


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


OLD = "0123456789abcdef0123456789abcdef01234567"


def test_a_row_of_another_commit_is_refused_with_the_way_out_and_that_works(hub, here, tmp_path):
    few = ("--num-inference-steps", 2, "--size", 32, "-o", "one.png")
    here("edit", "in/cat.png", "--prompt", "fox", "--model", f"sd14@{OLD}", *few)
    recipe = read_recipe("one.png")
    assert (recipe["model"]["name"], recipe["model"]["revision"]) == ("sd14", OLD)
    write(tmp_path / "rows.jsonl", [recipe])
    command = ("batch", "rows.jsonl", "--workers", 0, "-o", "out", "--resume")
    for ours in ("iconic", "sd14"):
        said = here(*command, "--model", ours)
        assert said.code == 2
        assert f"pass --model sd14@{OLD}, or write that name into the row's model" in said.out
    assert here(*command, "--model", f"sd14@{OLD}").code == 0  # the one way
    recipe["model"]["name"] = f"sd14@{OLD}"
    write(tmp_path / "rows.jsonl", [{**recipe, "output": "other.png"}])
    assert here(*command, "--model", "iconic").code == 0  # and the other
    assert (pixels("out/other.png") == pixels("one.png")).all()


def test_csv_and_parquet_say_the_same_as_json(here, tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow
    import pyarrow.parquet

    columns = ["task", "image", "prompt", "seed", "num_inference_steps", "size", "mask_image"]
    first = ["edit", "cat.png", "a, b", 3, 2, 32, ""]
    second = ["inpaint", "cat.png", '["a", "b"]', 0, 2, 32, '["cat-mask.png", "cat-mask.png"]']
    with open(tmp_path / "in" / "rows.csv", "w", newline="") as file:
        csv.writer(file).writerows([columns, first, second])
    table = {c: [str(a), str(b)] for c, a, b in zip(columns, first, second, strict=True)}
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "in" / "rows.parquet")
    ask = Batch("x", "out")
    found = [
        list(jobs_of(rows_of(Path("in", f"rows.{kind}")), ask, Path("in")))
        for kind in ("csv", "parquet")
    ]
    assert found[0] == found[1]
    assert found[0][0].options["prompt"] == "a, b"
    assert found[0][1].options["mask_image"] == ["in/cat-mask.png", "in/cat-mask.png"]


def test_a_folder_is_a_batch_with_masks_by_their_stems(here, tmp_path):
    rows = list(rows_of(tmp_path / "in"))
    assert rows == [
        {"image": str(tmp_path / "in/cat.png"), "mask_image": str(tmp_path / "in/cat-mask.png")}
    ]
    (tmp_path / "masks").mkdir()
    Image.new("L", (48, 40), 255).save(tmp_path / "masks" / "cat.jpg")
    rows = list(rows_of(tmp_path / "in", tmp_path / "masks"))
    assert [Path(each.get("mask_image", "none")).name for each in rows] == ["none", "cat.jpg"]
    more = ("--set", "num_inference_steps=2", "--set", "size=32")
    said = batch(here, "in", "--task", "edit", "--set", "prompt=dog face", *more)
    assert said.code == 0
    assert ledger()[0]["input"].endswith("in/cat.png")


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
    ('{"task": "edit", "image": "cat.png", "prompt": "x", "output": "o.xyz"}', "was wanted"),
    ('{"task": "edit", "image": "cat.png", "prompt": "x", "output": "ledger.jsonl"}', "itself"),
    ('{"task": "edit", "image": "cat.png", "prompt": "x", "model": "nope"}', "no model"),
]
"""A line, and what the ledger says about it."""


def test_bad_rows_are_named_and_the_others_are_done(here, tmp_path):
    degraded = {"task": "degrade", "image": "cat.png", "operator": "none"}
    write(tmp_path / "in" / "rows.jsonl", [degraded])
    with open(tmp_path / "in" / "rows.jsonl", "a") as file:
        file.writelines(line + "\n" for line, _ in BAD)
    said = batch(here, "in/rows.jsonl")
    assert said.code == 2
    assert said.lines == [
        f"dreamsampler: {len(BAD)} of {len(BAD) + 1} rows failed: see out/ledger.jsonl, put them "
        "right and run again with --resume"
    ]
    found = {each["row"]: each for each in ledger()}
    assert len(ledger()) == len(found) == len(BAD) + 1
    assert found[1]["status"] == "done"
    for number, (_, match) in enumerate(BAD, 2):
        assert found[number]["status"] == "failed"
        assert match in found[number]["error"]
    assert f"row 2: {found[2]['error']}" in said.out
    assert f"and {len(BAD) - 10} more" in said.out


def test_two_rows_never_write_one_file_nor_their_own_input(here, tmp_path):
    twice = {"task": "degrade", "image": "cat.png", "operator": "none", "output": "same.png"}
    own = {**twice, "image": "cat.png", "output": "cat.png"}
    write(tmp_path / "in" / "rows.jsonl", [twice, twice, own])
    said = here("batch", "in/rows.jsonl", "-o", "in", "--workers", 0)
    assert said.code == 2
    errors = {each["row"]: each["error"] for each in ledger("in") if each["error"]}
    assert "as row 1 does" in errors[2]
    assert "its own input" in errors[3]
    assert pixels("in/cat.png").shape == (40, 48, 3)


@pytest.mark.parametrize(
    ("manifest", "more", "match"),
    [
        ("none.jsonl", (), "there is no file"),
        ("rows.txt", (), "no manifest"),
        ("empty.jsonl", (), "has no rows"),
        ("in/rows.jsonl", ("--set", "x"), "NAME=VALUE"),
        ("in/rows.jsonl", ("--workers", -1), "workers is -1"),
        ("in/rows.jsonl", ("--min-workers", 2), "about Ray"),
        ("in/rows.jsonl", ("--masks", "in"), "paired with a folder"),
        ("in/rows.jsonl", ("-o", "in/cat.png"), "a file"),
        ("in/rows.jsonl", ("--model", "nope"), "no model 'nope'"),
    ],
)
def test_what_cannot_work_is_one_line(here, tmp_path, manifest, more, match):
    write(tmp_path / "in" / "rows.jsonl", [row()])
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "rows.txt").write_text("x")
    said = batch(here, manifest, *more)
    assert (said.code, said.out) == (2, "")
    assert len(said.lines) == 1
    assert match in said.err


# --- exactly once ---------------------------------------------------------------------------------


def test_a_folder_that_holds_a_batch_is_not_begun_anew(here, tmp_path):
    write(tmp_path / "in" / "rows.jsonl", [row()])
    assert batch(here, "in/rows.jsonl").code == 0
    before = ledger()
    assert "--resume" in batch(here, "in/rows.jsonl").err
    said = batch(here, "in/rows.jsonl", "--resume", "--json")
    assert (said.code, json.loads(said.out)["begun_now"]) == (0, 0)
    assert ledger() == before
    Path("out/00001-cat.png").unlink()  # removed, and so made again
    assert json.loads(batch(here, "in/rows.jsonl", "--resume", "--json").out)["begun_now"] == 1
    assert Path("out/00001-cat.png").exists()


def test_failed_rows_are_tried_again_and_changed_rows_are_done_again(here, tmp_path):
    rows = [row(image="late.png"), row()]
    write(tmp_path / "in" / "rows.jsonl", rows)
    assert batch(here, "in/rows.jsonl").code == 2
    shutil.copy("in/cat.png", "in/late.png")
    write(tmp_path / "in" / "rows.jsonl", [rows[0], row(seed=9)])
    said = batch(here, "in/rows.jsonl", "--resume", "--json")
    assert said.code == 0, said  # should it ever fail again, this says why
    told = json.loads(said.out)
    assert (told["done"], told["failed"], told["begun_now"]) == (2, 0, 2)
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


def test_a_killed_batch_goes_on(here, tmp_path):
    """SIGKILL while rows are under way; run again, every row is there once."""
    rows = [
        {"task": "degrade", "image": "cat.png", "operator": "none", "seed": i} for i in range(40)
    ]
    write(tmp_path / "in" / "rows.jsonl", rows)
    command = [sys.executable, "-m", "dreamsampler", "batch", "in/rows.jsonl", "-o", "out"]
    running = subprocess.Popen([*command, "--workers", "1"], stderr=subprocess.DEVNULL)
    seen, until = 0, time.time() + 60
    while seen < 3 and time.time() < until:
        time.sleep(0.01)
        path = Path("out/ledger.jsonl")
        seen = path.read_bytes().count(b"\n") if path.exists() else 0
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert 3 <= seen < 40
    said = here("batch", "in/rows.jsonl", "-o", "out", "--workers", 0, "--resume", "--json")
    told = json.loads(said.out)
    assert (told["done"], told["begun_now"] < 40) == (40, True)
    assert sorted(each["row"] for each in ledger()) == list(range(1, 41))
    kept = {path.name for path in Path("out").iterdir()} - {"ledger.jsonl", "ledger.parquet"}
    assert kept - {"contact-sheet.png"} == {f"{i:05d}-cat.png" for i in range(1, 41)}


def test_a_row_that_kills_its_worker_is_given_up_and_the_others_are_done(tmp_path):
    queue = pool.Queue(iter([job(1), job(2)]), retries=2)
    first = queue.take(2)
    assert [each.number for each in first] == [1, 2]
    assert queue.back(first, "was killed by signal 9") == []
    assert [each.number for each in queue.take(2)] == [1]
    assert queue.back([job(1)], "was killed") == []
    assert [each.number for each in queue.take(2)] == [2]
    (given_up,) = queue.back(queue.take(2), "was killed by signal 9")
    assert (given_up.row, given_up.status, given_up.attempts) == (1, "failed", 3)
    assert "killed by signal 9 3 times" in given_up.error
    assert not queue


def test_a_dead_worker_is_replaced(here, tmp_path, monkeypatch):
    """The first worker is killed with a row in its hands."""
    degraded = {"task": "degrade", "image": "cat.png", "operator": "none"}
    write(tmp_path / "in" / "rows.jsonl", [degraded, {**degraded, "seed": 1}])
    give, killed = pool._Hand.give, []

    def give_and_kill(hand, jobs):
        give(hand, jobs)
        if not killed:
            killed.append(hand._process.pid)
            os.kill(hand._process.pid, signal.SIGKILL)

    monkeypatch.setattr(pool._Hand, "give", give_and_kill)
    assert batch(here, "in/rows.jsonl", workers=1).code == 0
    assert {each["row"]: each["attempts"] for each in ledger()} == {1: 2, 2: 1}


# --- together -------------------------------------------------------------------------------------


def job(number, **options):
    return Job(number, "edit", options, None, None, f"{number}.png")


def test_rows_of_a_kind_go_through_the_network_together(here, tmp_path):
    write(tmp_path / "in" / "rows.jsonl", [row("dog face", seed=1), row("fox"), row("cat")])
    assert batch(here, "in/rows.jsonl", "--rows-at-once", 2).code == 0
    assert [each["together"] for each in ledger()] == [2, 2, 1]
    alone = ("-o", "alone", "--rows-at-once", 1)
    here("batch", "in/rows.jsonl", "--workers", 0, *MODEL, *alone)
    for name in ("00001-cat.png", "00002-cat.png", "00003-cat.png"):
        assert np.abs(pixels(f"out/{name}").astype(int) - pixels(f"alone/{name}")).max() <= 1
    evaluations = [each["evaluations"] for each in ledger()]
    assert evaluations == [each["evaluations"] for each in ledger("alone")]


def test_only_rows_of_a_kind_are_taken_together():
    rows = [job(1, size=32), job(2, size=64), job(3, size=32), job(4, size=32)]
    queue = pool.Queue(iter(rows), retries=0)
    taken = []
    while queue:
        taken.append([each.number for each in queue.take(2)])
    assert taken == [[1, 3], [2], [4]]


# --- object stores --------------------------------------------------------------------------------


def test_inputs_and_results_may_be_in_an_object_store(here, tmp_path):
    import fsspec

    system = fsspec.filesystem("memory")
    system.pipe_file("/bucket/cat.png", (tmp_path / "in" / "cat.png").read_bytes())
    asked = row(image="memory://bucket/cat.png")
    system.pipe_file("/bucket/rows.jsonl", (json.dumps(asked) + "\n").encode())
    command = ("batch", "memory://bucket/rows.jsonl", "-o", "memory://bucket/out", "--workers", 0)
    said = here(*command, *MODEL, "--json")
    assert (said.code, json.loads(said.out)["done"]) == (0, 1)
    (tmp_path / "got.png").write_bytes(system.cat_file("/bucket/out/00001-cat.png"))
    assert read_recipe("got.png")["options"]["image"] == "memory://bucket/cat.png"
    few = ("--num-inference-steps", 2, "--size", 32)
    here("edit", "in/cat.png", "--prompt", "dog face", *few, *MODEL, "-o", "one.png")
    assert (pixels("one.png") == pixels("got.png")).all()
    again = here(*command, *MODEL, "--json", "--resume")
    assert json.loads(again.out)["begun_now"] == 0
    assert "--resume" in here(*command, *MODEL).err
    assert len(system.cat_file("/bucket/out/ledger.jsonl").splitlines()) == 1
    system.rm("/bucket", recursive=True)


def test_every_part_of_a_line_is_in_the_table(here, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    write(
        tmp_path / "in" / "rows.jsonl",
        [{"task": "degrade", "image": "cat.png", "operator": "none"}],
    )
    batch(here, "in/rows.jsonl")
    (found,) = parquet.read_table("out/ledger.parquet").to_pylist()
    assert set(found) == {f.name for f in dataclasses.fields(Record)} - {"staged"}
    assert (found["row"], found["status"]) == (1, "done")


def test_a_manifest_is_read_as_it_is_needed(tmp_path):
    write(tmp_path / "rows.jsonl", [row()] * 3)
    rows = jobs_of(rows_of(tmp_path / "rows.jsonl"), Batch("x", "out"), tmp_path)
    assert isinstance(next(rows), Job | Bad)
    with open(tmp_path / "rows.jsonl", "a") as file:
        file.write("x" * (1 << 20) + "x\n" + json.dumps(row()) + "\n")
    kinds = [type(each).__name__ for each in rows_of(tmp_path / "rows.jsonl")]
    assert kinds == ["dict", "dict", "dict", "InputError", "dict"]
