"""The same batch on Ray: the same pictures, each once, also when an actor is lost."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import TINY

from dreamsampler.interfaces.batch.ledger import Ledger
from dreamsampler.interfaces.cli.main import main

ray = pytest.importorskip("ray", reason="Ray is not installed: make test-batch installs it")


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """Six rows, one of them bad, with relative names; in the folder itself."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8))
    picture.save(tmp_path / "in" / "cat.png")
    row = {"task": "edit", "image": "cat.png", "prompt": "dog face", "size": 32}
    found = [{**row, "num_inference_steps": 2, "seed": i} for i in range(5)]
    found.append({**row, "image": "none.png"})
    text = "".join(json.dumps(each) + "\n" for each in found)
    (tmp_path / "in" / "rows.jsonl").write_text(text)
    return tmp_path


def ledger(folder):
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


def run(out, *more):
    return main(["batch", "in/rows.jsonl", "-o", out, "--model", str(TINY), *more])


def test_ray_makes_the_pictures_of_local_runs_and_names_the_bad_row(rows, capsys):
    assert run("out", "--ray", "local", "--workers", "1") == 2
    said = capsys.readouterr()
    assert "6 rows: 5 done, 1 failed" in said.out
    assert "there is no file" in said.out
    assert [line for line in said.err.splitlines() if "Traceback" in line] == []
    run("alone", "--workers", "0")
    for path in sorted(Path("alone").glob("0*.png")):
        one, other = (np.asarray(Image.open(p)) for p in (path, Path("out", path.name)))
        assert (one == other).all()
    done = [each["row"] for each in ledger(Path("out")) if each["status"] == "done"]
    assert sorted(done) == [1, 2, 3, 4, 5]
    assert ledger(Path("out"))[0]["outputs"]


def kill_after_the_first_row(monkeypatch, mark):
    """A process of Ray's that has these letters in its command is killed; the list holds it."""
    commit, killed = Ledger.commit, []

    def commit_and_kill(self, record):
        commit(self, record)
        if not killed:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                name = path.read_bytes() if path.exists() else b""
                if mark in name and _ours(int(path.parent.name)):
                    killed.append(int(path.parent.name))
                    os.kill(killed[0], signal.SIGKILL)
                    break

    monkeypatch.setattr(Ledger, "commit", commit_and_kill)
    return killed


def test_a_lost_actor_is_replaced(rows, monkeypatch, capfd):
    killed = kill_after_the_first_row(monkeypatch, b"MapBatches")
    assert run("out", "--ray", "local", "--workers", "1") == 2
    assert killed
    done = [each["row"] for each in ledger(Path("out")) if each["status"] == "done"]
    assert sorted(done) == [1, 2, 3, 4, 5]
    said = capfd.readouterr()
    assert "raylet" not in said.out  # Ray tells of its actors there
    assert len(said.err.splitlines()) == 1


def test_a_lost_service_of_ray_ends_the_batch_in_one_line(rows, monkeypatch, capfd):
    killed = kill_after_the_first_row(monkeypatch, b"raylet/raylet")
    assert run("out", "--ray", "local", "--workers", "1") == 2
    assert killed
    said = capfd.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert "Ray has ended" in line or "Ray gave up" in line
    assert "--resume" in line
    monkeypatch.undo()
    os.chdir(rows)
    assert run("out", "--resume", "--workers", "0") == 2
    done = [each["row"] for each in ledger(Path("out")) if each["status"] == "done"]
    assert sorted(done) == [1, 2, 3, 4, 5]


def _ours(pid):
    """Whether a process descends from this one."""
    while pid > 1:
        if pid == os.getpid():
            return True
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pid = int(stat[1])
    return False
