"""Rows a second: one at a time, eight together; and what Ray adds to a row."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.batches import ROOT, make_rows, records
from benchmarks.report import header, line

PAIRS = (("cat", "dog face"), ("bear", "panda"), ("tiger", "lion"), ("apple", "green apple"))


def main(rows: int = 8, steps: int = 8, ray: bool = False) -> None:
    """Edits with the bundled model, and rows without a model on Ray.

    Args:
        rows: of the batch.
        steps: of each edit.
        ray: also Ray, on sixty rows of no model.
    """
    with tempfile.TemporaryDirectory(prefix="throughput-") as folder:
        _together(Path(folder), rows, steps)
        if ray:
            _on_ray(Path(folder))


def _together(home: Path, rows: int, steps: int) -> None:
    lines = []
    for i in range(rows):
        picture, prompt = PAIRS[i % len(PAIRS)]
        image = str(ROOT / "examples" / f"{picture}.png")
        row = {"task": "edit", "image": image, "prompt": prompt, "seed": i}
        lines.append(json.dumps({**row, "num_inference_steps": steps}))
    manifest = home / "rows.jsonl"
    manifest.write_text("\n".join(lines) + "\n")
    print(f"\n## {rows} edits of {steps} steps, bundled model\n")
    titles = ("same pixels as alone", "largest difference of 255")
    print(header("dtype", "rows at once", "s a row", *titles))
    for dtype in ("float32", "bfloat16"):
        for at_once in (1, 8):
            out = home / f"{dtype}-{at_once}"
            _run(manifest, out, "--rows-at-once", str(at_once), "--dtype", dtype)
            seconds = [each["seconds"]["total"] for each in records(out)]
            # rows of one forward all record the seconds of that forward
            spent = sum(max(seconds[i : i + at_once]) for i in range(0, len(seconds), at_once))
            same, most = _compared(home / f"{dtype}-1", out)
            print(line(dtype, at_once, f"{spent / rows:.2f}", f"{same:.4f}", most))


def _compared(one: Path, other: Path) -> tuple[float, int]:
    """Share of equal samples, and the largest difference."""
    pairs = [(np.asarray(Image.open(p)), np.asarray(Image.open(other / p.name))) for p in
             sorted(one.glob("0*.png"))]  # fmt: skip
    off = np.concatenate([np.abs(a.astype(int) - b).ravel() for a, b in pairs])
    return float((off == 0).mean()), int(off.max())


def _on_ray(home: Path) -> None:
    """Rows that take no time, so that what is left is the way there and back."""
    make_rows(home / "in", 60)
    manifest = home / "in" / "none.jsonl"
    rows = [{"task": "degrade", "image": f"p{i:03d}.png", "operator": "none"} for i in range(60)]
    manifest.write_text("".join(json.dumps(each) + "\n" for each in rows))
    print("\n## 60 rows without a model, one worker: between the first and the last line\n")
    print(header("where", "ms a row", "of it in the worker", "whole command s"))
    for name, more in (("local process", ()), ("Ray", ("--ray", "local"))):
        out = home / name.replace(" ", "-")
        times, whole = _run(manifest, out, *more)
        inside = 1000 * float(np.median([each["seconds"]["total"] for each in records(out)]))
        gaps = 1000 * float(np.median(np.diff(times)))
        print(line(name, f"{gaps:.0f}", f"{inside:.0f}", f"{whole:.1f}"))


def _run(manifest: Path, out: Path, *more: str) -> tuple[list[float], float]:
    """When each line came into the ledger, and the time of all."""
    began, times = time.perf_counter(), []
    command = [sys.executable, "-m", "dreamsampler", "batch", str(manifest), "-o", str(out), *more]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while running.poll() is None:
        time.sleep(0.005)
        file = out / "ledger.jsonl"
        done = file.read_bytes().count(b"\n") if file.exists() else 0
        times += [time.perf_counter()] * (done - len(times))
    if running.returncode:
        sys.exit(f"{' '.join(command)} failed")
    return times, time.perf_counter() - began
