"""Batches for the suites kills, faults and throughput, and what must be true of their results."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
TINY = ROOT / "tests" / "fixtures" / "tiny-sd"
WORDS = ("cat face", "dog face", "fox", "bear", "panda")
OURS = {"ledger.jsonl", "ledger.parquet", "contact-sheet.png", ".dreamsampler-batch"}


def make_rows(folder: Path, count: int, seed: int = 0, *, plain: bool = False) -> Path:
    """Pictures of noise, and a manifest that edits each in two steps; returns the manifest.

    Plain rows blur theirs: workers that load no model start in half the time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng, lines = np.random.default_rng(seed), []
    for i in range(count):
        rgb = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(rgb).save(folder / f"p{i:03d}.png")
        short = {"seed": i, "size": 32, "num_inference_steps": 2}
        row = {"task": "edit", "prompt": WORDS[i % len(WORDS)], **short}
        if plain:
            row = {"task": "degrade", "operator": "blur(sigma=1)", "noise": 0.1, "seed": i}
        lines.append(json.dumps({"image": f"p{i:03d}.png", **row}))
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "rows.jsonl"


def records(folder: Path) -> list[dict[str, Any]]:
    """The ledger's whole lines."""
    file = folder / "ledger.jsonl"
    lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
    return [json.loads(line) for line in lines]


def half_files(folder: Path) -> list[str]:
    """Visible results that do not decode."""
    bad: list[str] = []
    for path in folder.glob("*.png"):
        try:
            with Image.open(path) as image:
                image.load()
        except OSError:
            bad.append(path.name)
    return bad


def faults_of(folder: Path, count: int) -> dict[str, int]:
    """Rows lost and doubled, files that are half, foreign, or other than the ledger says."""
    done = Counter(each["row"] for each in records(folder) if each["status"] == "done")
    last = {each["row"]: each for each in records(folder)}
    recorded = {
        name: digest
        for each in last.values()
        for name, digest in zip(each["outputs"], each["sha256"], strict=True)
    }
    wrong = [
        name
        for name, digest in recorded.items()
        if not (folder / name).is_file()
        or hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest
    ]
    foreign = {path.name for path in folder.iterdir()} - OURS - set(recorded)
    return {
        "lost": count - len(done),
        "doubled": sum(number - 1 for number in done.values()),
        "half": len(half_files(folder)) + len(wrong),
        "foreign": len(foreign),
    }
