"""The studio under load: requests lost, memory, cancel, a full queue."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from benchmarks.report import header, line

PICTURE = str(Path(__file__).parents[2] / "examples" / "bear.png")
QUICK = {"prompt": "panda", "source_prompt": "bear"}
STEPS = 4
PATIENCE = 900.0
"""Seconds after which an answer counts as lost."""


class Refused(RuntimeError):
    """The server said no."""


@contextmanager
def server(model: str, folder: Path, *options: str) -> Iterator[tuple[str, int]]:
    """A studio of its own; its address and process id."""
    command = [sys.executable, "-m", "dreamsampler", "studio", "--port", "0", "--model", model]
    command += ["--runs", str(folder), *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as p:
        try:
            first = p.stdout.readline() if p.stdout else ""
            if not first.startswith("studio: "):
                raise RuntimeError("the studio did not start")
            yield first.split()[1], p.pid
        finally:
            p.terminate()


def memory(pid: int) -> float:
    """Resident memory of a process, in MiB."""
    for entry in Path(f"/proc/{pid}/status").read_text().splitlines():
        if entry.startswith("VmRSS:"):
            return int(entry.split()[1]) / 1024
    return float("nan")


@contextmanager
def watched(pid: int) -> Iterator[list[float]]:
    """Inside, the memory of a process is read five times a second."""
    sampled, stop = [memory(pid)], threading.Event()

    def poll() -> None:
        while not stop.wait(0.2):
            sampled.append(memory(pid))

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield sampled
    finally:
        stop.set()
        thread.join()


def upload(url: str) -> str:
    """The id of the picture."""
    with open(PICTURE, "rb") as file:
        return requests.post(f"{url}/api/files", files={"file": file}, timeout=300).json()["id"]


def start(url: str, seed: int, steps: int) -> str:
    """The address of a run that was taken; Refused."""
    values = {**QUICK, "image": upload(url), "seed": seed, "num_inference_steps": steps}
    body = {"task": "edit", "values": values}
    answer = requests.post(f"{url}/api/runs", json=body, timeout=300)
    if answer.status_code != 202:
        raise Refused(answer.json()["detail"]["message"])
    return f"{url}/api/runs/{answer.json()['id']}"


def events(run: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and data of each event of a run."""
    name = ""
    for text in requests.get(f"{run}/events", stream=True, timeout=PATIENCE).iter_lines():
        if text.startswith(b"event: "):
            name = text[7:].decode()
        if text.startswith(b"data: "):
            yield name, json.loads(text[6:])


def ended(run: str) -> tuple[str, dict[str, Any]]:
    """The last event of a run."""
    *_, last = events(run)
    return last


def one(url: str, seed: int) -> tuple[int, bytes]:
    """An edit: the seed that came back, and the picture."""
    event, data = ended(start(url, seed, STEPS))
    if event != "done":
        raise Refused(event)
    made = data["run"]["results"][0]
    return made["seed"], requests.get(url + made["url"], timeout=300).content


def pixels(data: bytes) -> bytes:
    """The samples of a picture, without the recipe around them."""
    from io import BytesIO

    from PIL import Image

    return Image.open(BytesIO(data)).tobytes()


def in_waves(url: str, pid: int, count: int, times: int) -> list[tuple[str, str]]:
    """Everybody at once, several times: what was lost or mixed up, and the memory."""
    alone = {seed: pixels(one(url, seed)[1]) for seed in (0, count - 1)}
    rows, peaks, rests, lost, mixed = [], [], [], 0, 0
    start = memory(pid)
    began = time.perf_counter()
    for _ in range(times):
        with watched(pid) as sampled, ThreadPoolExecutor(count) as pool:
            answers = list(pool.map(lambda seed: attempt(url, seed), range(count)))
        peaks.append(max(sampled))
        rests.append(memory(pid))
        lost += sum(answer is None for answer in answers)
        mixed += sum(a is not None and a[0] != seed for seed, a in enumerate(answers))
        for seed, picture in alone.items():
            answer = answers[seed]
            mixed += answer is not None and pixels(answer[1]) != picture
    taken = time.perf_counter() - began
    rows.append((f"requests, each by a client of its own, at once, {times} times", f"{count}"))
    rows.append(("lost", f"{lost} of {times * count}"))
    rows.append(("with another seed or picture than requested", f"{mixed}"))
    rows.append(("seconds a request", f"{taken / times / count:.2f}"))
    rows.append(("memory before, MiB", f"{start:.0f}"))
    rows.append(("peak of each wave, MiB", ", ".join(f"{each:.0f}" for each in peaks)))
    rows.append(("after each wave, MiB", ", ".join(f"{each:.0f}" for each in rests)))
    return rows


def attempt(url: str, seed: int) -> tuple[int, bytes] | None:
    """An answer, or None where there was none."""
    try:
        return one(url, seed)
    except Refused:
        return None


def canceled(url: str, count: int, runs: Path) -> list[tuple[str, str]]:
    """One long run in front of everybody: cancel it, and one that waits."""
    before = len(list(runs.rglob("recipe.json")))
    first = start(url, 0, 1000)
    next(data for name, data in events(first) if name == "step" and data["step"])
    others = [start(url, i, STEPS) for i in range(count)]
    requests.post(f"{others[-1]}/cancel", timeout=300)
    began = time.perf_counter()
    requests.post(f"{first}/cancel", timeout=300)
    next(data for name, data in events(others[0]) if name != "queued")
    waited = time.perf_counter() - began
    done = sum(ended(run)[0] == "done" for run in others[:-1])
    kept = len(list(runs.rglob("recipe.json"))) - before
    return [
        (
            f"a run of 1000 steps canceled, {count} behind it: the next begins after",
            f"{waited:.2f} s",
        ),
        ("of those behind it that were not canceled, done", f"{done} of {count - 1}"),
        ("runs kept, of the two that were canceled none", f"{kept} of {count - 1}"),
    ]


def crowded(model: str, count: int) -> list[tuple[str, str]]:
    """More at once than may wait: everybody gets an answer, be it no."""
    with (
        tempfile.TemporaryDirectory() as folder,
        server(model, Path(folder), "--max-queue", "4") as (url, _),
    ):
        one(url, 0)
        with ThreadPoolExecutor(count) as pool:
            answers = list(pool.map(lambda seed: attempt(url, seed), range(count)))
        done = sum(answer is not None for answer in answers)
        one(url, 1)  # and it goes on
    return [
        (
            f"{count} at once where 4 may wait: done, refused",
            f"{done}, {count - done}",
        )
    ]


def main(clients: int = 32, waves: int = 6, model: str = "iconic") -> None:
    """Print the table.

    Args:
        clients: at once.
        waves: how often.
        model: of the studio.
    """
    rows: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as folder, server(model, Path(folder)) as (url, pid):
        rows += in_waves(url, pid, clients, waves)
        rows += canceled(url, clients, Path(folder))
    rows += crowded(model, clients)
    print(header("what", "figure"))
    for row in rows:
        print(line(*row), flush=True)
