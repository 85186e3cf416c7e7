"""SIGKILL at random moments, of the batch or of one of its workers, and run again.

A moment is drawn in rows, not in seconds: so many more lines in the ledger, then a part of a second
more, for a third of the kills so short that it is the moment in which a row is made final. One kill
in ten comes while processes start.

With `--folder F --seconds S` it ends after S seconds, and the same command goes on later.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.batches import TINY, faults_of, half_files, make_rows
from benchmarks.report import header, line


@dataclass(frozen=True)
class Options:
    """What is killed, and how often.

    Args:
        kills: how many.
        rows: of a batch.
        workers: processes of a batch.
        apart: rows between two kills, at most.
        ray: on Ray.
        plain: rows without a model.
        seconds: after these, it ends.
        seed: of the moments.
        folder: keep everything here, and go on from it.
    """

    kills: int = 50
    rows: int = 100
    workers: int = 2
    apart: int = 20
    ray: bool = False
    plain: bool = False
    seconds: float = 1e9
    seed: int = 0
    folder: Path | None = None


def main(options: Options = Options()) -> None:
    """Kill, run again, and count what is lost, doubled or half."""
    with tempfile.TemporaryDirectory(prefix="kills-") as kept:
        _table(_killed(options.folder or Path(kept), options), options)


def _killed(home: Path, options: Options) -> dict[str, Any]:
    manifest = make_rows(home / "in", options.rows, plain=options.plain)
    counts: dict[str, Any] = {"kills": 0, "of workers": 0, "with rows done": [], "batches": 0}
    counts |= {
        "ended by itself": 0,
        "Ray did not start": 0,
        "torn": 0,
        "seen half": 0,
        "seconds": 0,
    }
    state = home / "counts.json"
    if state.exists():
        counts |= json.loads(state.read_text())
    rng, began = random.Random(options.seed + counts["kills"]), time.time() - counts["seconds"]
    until = time.time() + options.seconds
    while (counts["kills"] < options.kills or not counts["batches"]) and time.time() < until:
        out = home / f"out{counts['batches']}"
        while not (over := _finished(manifest, out, options, rng, counts)) and time.time() < until:
            pass
        counts["batches"] += over
        counts["seconds"] = round(time.time() - began)
        state.write_text(json.dumps(counts))
    done = sorted(counts["with rows done"])
    counts["with rows done"] = f"{done[0]} to {done[-1]}, none in {done.count(0)}" if done else ""
    return counts | _faults(home, counts["batches"], options.rows)


def _faults(home: Path, batches: int, rows: int) -> dict[str, int]:
    """What is wrong with the batches that came to their end."""
    total = {"lost": 0, "doubled": 0, "half": 0, "foreign": 0, "other pixels": 0}
    for out in (home / f"out{i}" for i in range(batches)):
        for name, number in faults_of(out, rows).items():
            total[name] += number
        total["other pixels"] += _different(home / "out0", out)
    return total


def _started(manifest: Path, out: Path, options: Options) -> subprocess.Popen[bytes]:
    """The batch in a session of its own, so that its processes are not mistaken for others."""
    backend = ["--ray", "local"] if options.ray else []
    command = [sys.executable, "-m", "dreamsampler", "batch", str(manifest), "-o", str(out)]
    more = ["--model", str(TINY), "--resume", "--workers", str(options.workers), *backend]
    return subprocess.Popen(
        [*command, *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _finished(
    manifest: Path, out: Path, options: Options, rng: random.Random, counts: dict[str, Any]
) -> bool:
    """Run until the end or a kill of the batch; whether it came to its end."""
    running = _started(manifest, out, options)
    while counts["kills"] < options.kills and _waited(running, out, options, rng):
        counts["kills"] += 1
        done = _count(out)
        counts["with rows done"].append(done)
        victims = _children(running.pid, options.ray)
        if victims and rng.random() < 0.4:  # a worker: the batch goes on by itself
            counts["of workers"] += 1
            _kill(rng.choice(victims))
            print(f"kill {counts['kills']}: a worker, {done} rows", file=sys.stderr, flush=True)
            continue
        _kill_all(running, options.ray)
        _inspect(out, counts)
        print(f"kill {counts['kills']}: {done} rows", file=sys.stderr, flush=True)
        return False
    assert running.stderr is not None
    said = running.stderr.read().decode()  # until the end
    if running.wait() == 2 and "--resume" in said and said.count("\n") == 1:
        counts["ended by itself"] += 1  # one of Ray's services was killed; it says so
        print(said, file=sys.stderr, end="")
        return False
    if "Ray does not start" in said:  # a machine with too much else to do
        counts["Ray did not start"] += 1
        return False
    if running.returncode:
        sys.exit(f"the batch failed: {said[-800:]}")
    return True


def _waited(
    running: subprocess.Popen[bytes], out: Path, options: Options, rng: random.Random
) -> bool:
    """Wait for the moment of a kill; False if the batch ends before."""
    if rng.random() < 0.1:
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(rng.uniform(0, 10.0))
        return running.poll() is None
    until = _count(out) + rng.randint(1, options.apart)
    while _count(out) < until:
        if running.poll() is not None:
            return False
        time.sleep(0.001)
    with contextlib.suppress(subprocess.TimeoutExpired):
        running.wait(rng.uniform(0, 0.005 if rng.random() < 1 / 3 else 1.0))
    return running.poll() is None


def _count(out: Path) -> int:
    """Lines of the ledger."""
    file = out / "ledger.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def _kill_all(running: subprocess.Popen[bytes], ray: bool) -> None:
    """Kill the batch; what Ray started for it would end with it, but not at once."""
    rest = _group(running.pid) if ray else []
    for pid in (running.pid, *rest):
        _kill(pid)
    running.wait()


def _inspect(out: Path, counts: dict[str, Any]) -> None:
    """What a user would see right after the kill."""
    file = out / "ledger.jsonl"
    counts["torn"] += file.exists() and file.read_bytes()[-1:] not in (b"", b"\n")
    counts["seen half"] += len(half_files(out)) if out.exists() else 0


def _processes() -> list[tuple[int, int, int, str]]:
    """(process, parent, session, command) of everything that runs."""
    counts = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            _, _, rest = (path / "stat").read_text().rpartition(")")
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
        numbers = rest.split()
        counts.append((int(path.name), int(numbers[1]), int(numbers[3]), command))
    return counts


def _children(pid: int, ray: bool) -> list[int]:
    """The workers of a batch that we started; with Ray, any of the processes that it starts."""
    mark = "" if ray else "spawn_main"
    return [p for p, _, session, c in _processes() if session == pid and mark in c and p != pid]


def _group(pid: int) -> list[int]:
    """What else runs in the session of a batch that we started."""
    return [p for p, _, session, _ in _processes() if session == pid]


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _different(one: Path, other: Path) -> int:
    """Results whose pixels are not those of another batch of the same rows."""
    return sum(
        not np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(other / path.name)))
        for path in one.glob("0*.png")
    )


def _table(counts: dict[str, Any], options: Options) -> None:
    backend = "Ray" if options.ray else f"{options.workers} local workers"
    rows = f"{options.rows} {'plain ' if options.plain else ''}rows"
    print(f"\n## {counts['kills']} random SIGKILLs, {rows} a batch, {backend}\n")
    print(f"{header(*counts)}\n{line(*counts.values())}")
