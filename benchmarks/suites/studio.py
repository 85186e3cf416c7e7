"""The studio under load: requests lost, memory, cancel, a full queue."""

from __future__ import annotations

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

from gradio_client import Client, handle_file

from benchmarks.report import header, line

PICTURE = str(Path(__file__).parents[2] / "examples" / "bear.png")
QUICK = {"prompt": "panda", "source_prompt": "bear", "num_inference_steps": 4}
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


def one(url: str, seed: int) -> tuple[int, bytes]:
    """An edit by a client of its own: the seed that came back, and the picture."""
    with tempfile.TemporaryDirectory() as folder:
        # 32 clients that begin at the same moment share this process's one core
        client = Client(url, verbose=False, download_files=folder, httpx_kwargs={"timeout": 300})
        job = client.submit(image=handle_file(PICTURE), **QUICK, seed=seed, api_name="/edit")
        try:
            recipe, files = job.result(timeout=PATIENCE)
        except Exception as error:
            raise Refused(str(error)) from error
        return recipe["seeds"][0], Path(files[0]).read_bytes()


def pixels(data: bytes) -> bytes:
    """The samples of a picture, without the recipe around them."""
    from io import BytesIO

    from PIL import Image

    return Image.open(BytesIO(data)).tobytes()


def in_waves(url: str, pid: int, requests: int, times: int) -> list[tuple[str, str]]:
    """Everybody at once, several times: what was lost or mixed up, and the memory."""
    alone = {seed: pixels(one(url, seed)[1]) for seed in (0, requests - 1)}
    rows, peaks, rests, lost, mixed = [], [], [], 0, 0
    start = memory(pid)
    began = time.perf_counter()
    for _ in range(times):
        with watched(pid) as sampled, ThreadPoolExecutor(requests) as pool:
            answers = list(pool.map(lambda seed: attempt(url, seed), range(requests)))
        peaks.append(max(sampled))
        rests.append(memory(pid))
        lost += sum(answer is None for answer in answers)
        mixed += sum(a is not None and a[0] != seed for seed, a in enumerate(answers))
        for seed, picture in alone.items():
            answer = answers[seed]
            mixed += answer is not None and pixels(answer[1]) != picture
    taken = time.perf_counter() - began
    rows.append((f"requests, each by a client of its own, at once, {times} times", f"{requests}"))
    rows.append(("lost", f"{lost} of {times * requests}"))
    rows.append(("with another seed or picture than requested", f"{mixed}"))
    rows.append(("seconds a request", f"{taken / times / requests:.2f}"))
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


def canceled(url: str, requests: int, runs: Path) -> list[tuple[str, str]]:
    """One long run in front of everybody: cancel it, and one that waits."""
    client = Client(url, verbose=False, download_files=False, httpx_kwargs={"timeout": 300})
    before = len(list(runs.rglob("recipe.json")))
    image = handle_file(PICTURE)
    long: Any = {**QUICK, "num_inference_steps": 1000}
    first = client.submit(image=image, **long, api_name="/edit")
    while not any(out[0].get("step") for out in first.outputs()):
        time.sleep(0.05)
    others = [
        client.submit(image=image, **QUICK, seed=i, api_name="/edit") for i in range(requests)
    ]
    waiting: Any = others[-1].communicator
    while waiting.event_id is None:  # a client cannot name what it wants canceled
        time.sleep(0.02)
    others[-1].cancel()
    began = time.perf_counter()
    first.cancel()
    while not any(job.outputs() for job in others[:-1]):
        time.sleep(0.02)
    waited = time.perf_counter() - began
    done = sum(1 for job in others[:-1] if job.result(timeout=PATIENCE)[0]["task"] == "edit")
    kept = len(list(runs.rglob("recipe.json"))) - before
    return [
        (
            f"a run of 1000 steps canceled, {requests} behind it: the next begins after",
            f"{waited:.2f} s",
        ),
        ("of those behind it that were not canceled, done", f"{done} of {requests - 1}"),
        ("runs kept, of the two that were canceled none", f"{kept} of {requests - 1}"),
    ]


def crowded(model: str, requests: int) -> list[tuple[str, str]]:
    """More at once than may wait: everybody gets an answer, be it no."""
    with (
        tempfile.TemporaryDirectory() as folder,
        server(model, Path(folder), "--max-queue", "4") as (url, _),
    ):
        one(url, 0)
        with ThreadPoolExecutor(requests) as pool:
            answers = list(pool.map(lambda seed: attempt(url, seed), range(requests)))
        done = sum(answer is not None for answer in answers)
        one(url, 1)  # and it goes on
    return [
        (
            f"{requests} at once where 4 may wait: done, refused",
            f"{done}, {requests - done}",
        )
    ]


def main(requests: int = 32, waves: int = 6, model: str = "iconic") -> None:
    """Print the table.

    Args:
        requests: clients at once.
        waves: how often.
        model: of the studio.
    """
    rows: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as folder, server(model, Path(folder)) as (url, pid):
        rows += in_waves(url, pid, requests, waves)
        rows += canceled(url, requests, Path(folder))
    rows += crowded(model, requests)
    print(header("what", "figure"))
    for row in rows:
        print(line(*row), flush=True)
