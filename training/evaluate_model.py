"""Measure a model by what is asked of it: the table of figures, in Markdown, and contact sheets.

    make evaluate-model                                  the model that ships, all of it
    python training/evaluate_model.py --quick            a sample of it, in a few minutes
    python training/evaluate_model.py --model FOLDER     another pipeline folder

Needs no icon packages: held-out augmentations, edit pairs and prompts are committed. Rows are
printed as they are ready, cheap ones first. The row about a style never trained on is no
measurement of this model but of its recipe: it comes from `training/measured.json`, where
evaluate_autoencoder.py stored it. The judge (benchmarks/judge.py) knows the same drawings.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from autoencoder import build, psnr, reconstruct, sheet
from evaluate_parts import draw_prompts, edit_pairs, restore_pictures
from evaluate_sheets import contact
from evaluate_workers import Workers
from held_out import read_sheet
from measured import MEASURED

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.judge import Judge

ROOT = Path(__file__).parents[1]
PROMPTS = ROOT / "training" / "evaluate_prompts.json"
SCALES = (2.0, 3.0, 5.0, 7.5)
STEPS, BATCH = 30, 16


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    figure: str
    target: str
    measured: str
    met: bool | None
    how: str

    def __str__(self) -> str:
        verdict = {True: "yes", False: "**no**", None: "-"}[self.met]
        return f"| {self.figure} | {self.target} | {self.measured} | {verdict} | {self.how} |"


HEAD = "| figure | target | measured | met | how |\n|---|---|---|---|---|"


@torch.no_grad()
def autoencoder(folder: Path, out: Path) -> Iterator[Row]:
    """PSNR on the committed held-out augmentations; the stored figure of the ablation."""
    vae = build(folder / "vae")
    pages = {kind: read_sheet(kind) for kind in ("concepts", "icons")}
    again = {kind: reconstruct(vae, cells) for kind, cells in pages.items()}
    for kind in pages:
        sheet(pages[kind], again[kind], out / f"autoencoder_{kind}.png")
    for kind, words in (("concepts", "of the concepts"), ("icons", "of all icons of the sets")):
        found = float(psnr(pages[kind], again[kind]).mean())
        yield Row(
            f"autoencoder, held-out augmentations {words}",
            ">= 33 dB",
            f"{found:.1f} dB",
            found >= 33,
            f"{len(pages[kind])} committed pictures (benchmarks/held_out)",
        )
    stored = json.loads(MEASURED.read_text())["autoencoder"]["ablation"]
    unseen = stored["PSNR in dB"]["icons"]["never trained"]
    yield Row(
        "autoencoder, a style never trained on",
        ">= 32 dB",
        f"{unseen:.1f} dB",
        unseen >= 32,
        f"stored in measured.json: the recipe trained on {' and '.join(stored['trained on'])} only",
    )


def one_edit(model: str) -> Iterator[Row]:
    """Seconds of an edit in a running program, with one thread and with one for each core."""
    from dreamsampler import from_pretrained
    from dreamsampler.tasks import Edit

    cores = min(2, os.cpu_count() or 1)
    words = {"prompt": "dog face on a light blue background"}
    words["source_prompt"] = "cat face on a light blue background"
    task, prior = Edit(str(ROOT / "examples" / "cat.png"), **words), from_pretrained(model)
    wall, cpu = [], []
    for threads in (1, 1, cores):
        torch.set_num_threads(threads)
        began, worked = time.perf_counter(), time.process_time()
        task.start(prior).run().pictures()
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - worked)
    torch.set_num_threads(1)
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    yield Row(
        f"one edit on {cores} CPU cores",
        "<= 5 s",
        f"{min(wall):.1f} s",
        min(wall) <= 5,
        f"best of 3 in a running program; {cpu[1]:.1f} s of one core's time; {load}",
    )


def edits(workers: Workers, out: Path, every: int, parts: int) -> Iterator[Row]:
    """The pairs of benchmarks/edit_pairs.json with the default preset."""
    jobs = [(first * every, every * parts) for first in range(parts)]
    found = [part for _, part in sorted(workers.run(edit_pairs, jobs, "edits"), key=lambda x: x[0])]
    count = sum(part["count"] for part in found)
    mean = {
        key: sum(part["count"] * part["figures"][key] for part in found) / count
        for key in found[0]["figures"]
    }
    rows = {key: np.concatenate([part[key] for part in found]) for key in ("source", "edited")}
    contact(rows, [word for part in found for word in part["words"]], out / "edits.png")
    yield Row(
        f"edit, {count} pairs, default preset: target top-1",
        ">= 70 %",
        f"{mean['top-1']:.0%} (top-5 {mean['top-5']:.0%})",
        mean["top-1"] >= 0.7,
        "judge, of its 144 concepts",
    )
    yield Row(
        f"edit, {count} pairs, default preset: background PSNR",
        ">= 25 dB",
        f"{mean['background dB']:.1f} dB",
        mean["background dB"] >= 25,
        "over the source's background",
    )


def restorations(workers: Workers, out: Path, every: int) -> Iterator[Row]:
    """The sources of the pairs, blurred with sigma 3 px, restored with their prompts."""
    chosen = json.loads((ROOT / "benchmarks" / "edit_pairs.json").read_text())[::every]
    jobs = [(str(ROOT / "benchmarks" / p["image"]), p["source_prompt"]) for p in chosen]
    found = dict(workers.run(restore_pictures, jobs, "restorations"))
    sharp, blurred, restored = (np.stack([found[k][i] for k in range(len(jobs))]) for i in range(3))
    contact(
        {"original": sharp, "blurred": blurred, "restored": restored},
        [pair["source"] for pair in chosen],
        out / "restorations.png",
    )
    before, after = psnr(sharp, blurred), psnr(sharp, restored)
    gain = float((after - before).mean())
    yield Row(
        f"{len(jobs)} icons blurred (sigma 3 px), restored with their prompts: gain",
        ">= +5 dB",
        f"{gain:+.1f} dB ({before.mean():.1f} to {after.mean():.1f})",
        gain >= 5,
        f"Restore's defaults; {np.mean(after > before):.0%} of them better than the input",
    )


def judged(judge: Judge, rows: list[dict], pictures: np.ndarray) -> dict[str, float]:
    """Shares of concepts in first place and among five, of named backgrounds; log-likelihood."""
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    wanted = torch.tensor([judge.concepts.index(row["concept"]) for row in rows])
    logits = torch.cat([judge.rank(part) for part in x.split(100)])
    right = logits.topk(5).indices == wanted[:, None]
    named = [k for k, row in enumerate(rows) if row["background"]]
    behind = judge.rank_backgrounds(x[named]).argmax(1)
    words = torch.tensor([judge.backgrounds.index(rows[k]["background"]) for k in named])
    return {
        "top-1": right[:, 0].float().mean().item(),
        "top-5": right.any(1).float().mean().item(),
        "background": (behind == words).float().mean().item(),
        "likelihood": logits.log_softmax(1)[range(len(rows)), wanted].mean().item(),
    }


def drawn(workers: Workers, rows: list[dict], scale: float, first: int) -> np.ndarray:
    """One picture for each prompt, seeds first, first + 1, ...; uint8 [n, h, w, 3]."""
    jobs = []
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        seeds = list(range(first + start, first + start + len(part)))
        jobs.append(([row["prompt"] for row in part], seeds, scale, STEPS))
    words = f"text to image, guidance {scale:g}"
    found = dict(workers.run(draw_prompts, jobs, words))
    return np.concatenate([found[k] for k in range(len(jobs))])


def text_to_image(workers: Workers, out: Path, quick: bool) -> Iterator[Row]:
    """200 prompts, 4 seeds each, at the guidance that is best on 48 other prompts."""
    judge, lists = Judge.load(), json.loads(PROMPTS.read_text())
    choose, measure = lists["choose"][:: 3 if quick else 1], lists["measure"][:: 5 if quick else 1]
    tried = {s: judged(judge, choose, drawn(workers, choose, s, 90_000)) for s in SCALES}
    scale = max(tried, key=lambda s: (tried[s]["top-1"], tried[s]["likelihood"]))
    told = ", ".join(f"{s:g}: {row['top-1']:.0%}" for s, row in tried.items())
    seeds = 1 if quick else 4
    pages = [drawn(workers, measure, scale, 10_000 * k) for k in range(seeds)]
    found = judged(judge, measure * seeds, np.concatenate(pages))
    contact(
        {f"seed {k}": page for k, page in enumerate(pages)},
        [row["prompt"] for row in measure],
        out / "text_to_image.png",
    )
    words = f"text to image, {len(measure)} prompts x {seeds}, guidance {scale:g}, {STEPS} steps"
    how = f"DDIM; guidance chosen on {len(choose)} other prompts (top-1 {told})"
    for key, target in (("top-1", 0.7), ("top-5", 0.9)):
        measured = f"{found[key]:.1%}"
        yield Row(f"{words}: {key}", f">= {target:.0%}", measured, found[key] >= target, how)
    yield Row(f"{words}: named background", "-", f"{found['background']:.1%}", None, "judge, of 12")


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    bundled = ROOT / "src" / "dreamsampler" / "models" / "bundled"
    parser.add_argument("--model", type=Path, default=bundled, help="a pipeline folder")
    parser.add_argument("--out", type=Path, default=ROOT / "training" / "runs" / "evaluate_model")
    parser.add_argument("--quick", action="store_true", help="a sample of prompts and pairs")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    return parser.parse_args()


def write(rows: list[Row], args: argparse.Namespace, seconds: float) -> None:
    """table.md and figures.json."""
    table = "\n".join([HEAD, *map(str, rows)]) + "\n"
    (args.out / "table.md").write_text(table)
    commit = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    told = {
        "quick": args.quick,
        "minutes": round(seconds / 60, 1),
        "commit": subprocess.run(
            commit, capture_output=True, text=True, check=False
        ).stdout.strip(),
        "rows": [asdict(row) for row in rows],
    }
    (args.out / "figures.json").write_text(json.dumps(told, indent=1) + "\n")


def main() -> None:
    """Print the rows as they are ready."""
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    began, rows, every = time.time(), [], 5 if args.quick else 1
    print(f"model: {args.model}\n\n{HEAD}", flush=True)

    def tell(found: Iterator[Row]) -> None:
        for row in found:
            print(row, flush=True)
            rows.append(row)

    tell(autoencoder(args.model, args.out))
    tell(one_edit(str(args.model)))
    with Workers(str(args.model), args.workers) as workers:
        tell(edits(workers, args.out, every, args.workers))
        tell(restorations(workers, args.out, every))
        tell(text_to_image(workers, args.out, args.quick))
    write(rows, args, time.time() - began)
    print(f"\n{(time.time() - began) / 60:.1f} minutes; sheets, table.md, figures.json: {args.out}")


if __name__ == "__main__":
    main()
