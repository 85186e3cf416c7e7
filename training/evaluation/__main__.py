"""Measure a model by what it is used for: the table of figures, in Markdown, and contact sheets.

    make evaluate-model                               the model that ships, all of it
    python -m training.evaluation --quick             a sample of it, in a few minutes
    python -m training.evaluation --model FOLDER      another pipeline folder

Needs no icon packages: held-out augmentations, edit pairs and prompts are committed. Rows are
printed as they are ready, cheap ones first. The row about a style never trained on is no
measurement of this model but of its recipe: it comes from `measured.json`, where
training.autoencoder.evaluate stored it. The judge (benchmarks/judge.py) knows the same drawings.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.judge import Judge
from benchmarks.protocol import frozen, listed
from benchmarks.report import header, line
from training.autoencoder.network import build, psnr, reconstruct
from training.evaluation.card import MEASURED, ROOT
from training.evaluation.parts import draw_prompts, edit_pairs, restore_picture, start
from training.evaluation.prompts import LIST
from training.pictures import contact, read_held_out

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
        met = {True: "yes", False: "**no**", None: "-"}[self.met]
        return line(self.figure, self.target, self.measured, met, self.how)


HEAD = header("figure", "target", "measured", "met", "how")
Work = Callable[..., list[Any]]
"""`work(function, jobs, words)`: the results of all jobs, in their order."""


def workers(pool: ProcessPoolExecutor) -> Work:
    """Run jobs in worker processes; a line on stderr shows the progress."""

    def work(function: Callable[..., Any], jobs: Sequence[tuple], words: str) -> list[Any]:
        began = time.time()
        waiting = [pool.submit(function, *job) for job in jobs]
        for done, _ in enumerate(as_completed(waiting), 1):
            left = (time.time() - began) / done * (len(waiting) - done)
            text = f"\r{words}: {done} of {len(waiting)}, {left:4.0f} s left "
            print(text, end="", file=sys.stderr, flush=True)
        print("\r" + " " * 60 + "\r", end="", file=sys.stderr, flush=True)
        return [future.result() for future in waiting]

    return work


@torch.no_grad()
def autoencoder(folder: Path, out: Path) -> Iterator[Row]:
    """PSNR on the committed held-out augmentations; the stored figure of a style never seen."""
    vae = build(folder / "vae")
    for kind, words in (("concepts", "of the concepts"), ("icons", "of all icons of the sets")):
        cells = read_held_out(kind)
        again = reconstruct(vae, cells)
        rows = {"pictures": cells, "reconstructions": again}
        contact(rows, [], out / f"autoencoder_{kind}.png")
        output = float(psnr(cells, again).mean())
        name = f"autoencoder, held-out augmentations {words}"
        how = f"{len(cells)} committed pictures (benchmarks/held_out)"
        yield Row(name, ">= 33 dB", f"{output:.1f} dB", output >= 33, how)
    stored = json.loads(MEASURED.read_text())["autoencoder"]["shipped"]
    unseen = stored["PSNR in dB"]["icons"]["never trained"]
    how = f"stored in measured.json: OpenMoji, {stored['pictures for each kind and set']} pictures"
    name = "autoencoder, a style never trained on"
    yield Row(name, ">= 32 dB", f"{unseen:.1f} dB", unseen >= 32, how)


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
    how = f"best of 3 in a running program; {cpu[1]:.1f} s of one core's time; {load}"
    yield Row(f"one edit on {cores} CPU cores", "<= 5 s", f"{min(wall):.1f} s", min(wall) <= 5, how)


def edits(work: Work, out: Path, every: int) -> Iterator[Row]:
    """The pairs of the editing suite with the default method."""
    ids = sorted(item.id for item in frozen("editing").items)[::every]
    jobs = [(ids[k : k + 6],) for k in range(0, len(ids), 6)]
    output = [row for part in work(edit_pairs, jobs, "edits") for row in part]
    mean = {key: float(np.mean([row[key] for row in output])) for key in ("top-1", "top-5")}
    kept = float(np.mean([row["background dB"] for row in output]))
    rows = {key: np.stack([row[key] for row in output]) for key in ("source", "edited")}
    contact(rows, [row["words"] for row in output], out / "edits.png")
    name = f"edit, {len(output)} pairs, default method"
    top = f"{mean['top-1']:.0%} (top-5 {mean['top-5']:.0%})"
    how = "judge, of its 144 concepts"
    yield Row(f"{name}: target top-1", ">= 70 %", top, mean["top-1"] >= 0.7, how)
    how = "over the source's background"
    yield Row(f"{name}: background PSNR", ">= 25 dB", f"{kept:.1f} dB", kept >= 25, how)


def restorations(work: Work, out: Path, every: int) -> Iterator[Row]:
    """The sources of the pairs, blurred with sigma 3 px, restored with their prompts."""
    chosen = listed("edit_pairs.json")[::every]
    jobs = [(pair["image"], pair["source_prompt"]) for pair in chosen]
    columns = zip(*work(restore_picture, jobs, "restorations"), strict=True)
    sharp, blurred, restored = (np.stack(column) for column in columns)
    rows = {"original": sharp, "blurred": blurred, "restored": restored}
    contact(rows, [pair["source"] for pair in chosen], out / "restorations.png")
    before, after = psnr(sharp, blurred), psnr(sharp, restored)
    gain = float((after - before).mean())
    name = f"{len(jobs)} icons blurred (sigma 3 px), restored with their prompts: gain"
    measured = f"{gain:+.1f} dB ({before.mean():.1f} to {after.mean():.1f})"
    how = f"Restore's defaults; {np.mean(after > before):.0%} of them better than the input"
    yield Row(name, ">= +5 dB", measured, gain >= 5, how)


def judged(judge: Judge, rows: list[dict], pictures: np.ndarray) -> dict[str, float]:
    """Shares of concepts in first place and among five, of named backgrounds; log-likelihood."""
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    labels = torch.tensor([judge.concepts.index(row["concept"]) for row in rows])
    logits = torch.cat([judge.rank(part) for part in x.split(100)])
    right = logits.topk(5).indices == labels[:, None]
    named = [k for k, row in enumerate(rows) if row["background"]]
    behind = judge.rank_backgrounds(x[named]).argmax(1)
    words = torch.tensor([judge.backgrounds.index(rows[k]["background"]) for k in named])
    return {
        "top-1": right[:, 0].float().mean().item(),
        "top-5": right.any(1).float().mean().item(),
        "background": (behind == words).float().mean().item(),
        "likelihood": logits.log_softmax(1)[range(len(rows)), labels].mean().item(),
    }


def drawn(work: Work, rows: list[dict], scale: float, first: int) -> np.ndarray:
    """One picture for each prompt, seeds first, first + 1, ...; uint8 [n, h, w, 3]."""
    jobs = []
    for k in range(0, len(rows), BATCH):
        prompts = [row["prompt"] for row in rows[k : k + BATCH]]
        seeds = list(range(first + k, first + k + len(prompts)))
        jobs.append((prompts, seeds, scale, STEPS))
    return np.concatenate(work(draw_prompts, jobs, f"text to image, guidance {scale:g}"))


def text_to_image(work: Work, out: Path, quick: bool) -> Iterator[Row]:
    """200 prompts, 4 seeds each, at the guidance that is best on 48 other prompts."""
    judge, lists = Judge.load(), json.loads(LIST.read_text())
    choose, measure = lists["choose"][:: 3 if quick else 1], lists["measure"][:: 5 if quick else 1]
    tried = {s: judged(judge, choose, drawn(work, choose, s, 90_000)) for s in SCALES}
    scale = max(tried, key=lambda s: (tried[s]["top-1"], tried[s]["likelihood"]))
    tops = ", ".join(f"{s:g}: {row['top-1']:.0%}" for s, row in tried.items())
    seeds = 1 if quick else 4
    pages = {f"seed {k}": drawn(work, measure, scale, 10_000 * k) for k in range(seeds)}
    output = judged(judge, measure * seeds, np.concatenate([*pages.values()]))
    contact(pages, [row["prompt"] for row in measure], out / "text_to_image.png")
    name = f"text to image, {len(measure)} prompts x {seeds}, guidance {scale:g}, {STEPS} steps"
    how = f"DDIM; guidance chosen on {len(choose)} other prompts (top-1 {tops})"
    for key, target in (("top-1", 0.7), ("top-5", 0.9)):
        measured, met = f"{output[key]:.1%}", output[key] >= target
        yield Row(f"{name}: {key}", f">= {target:.0%}", measured, met, how)
    yield Row(f"{name}: named background", "-", f"{output['background']:.1%}", None, "judge, of 12")


def write(rows: list[Row], out: Path, quick: bool, seconds: float) -> None:
    """table.md and figures.json."""
    (out / "table.md").write_text("\n".join([HEAD, *map(str, rows)]) + "\n")
    commit = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(commit, capture_output=True, text=True, check=False)
    facts = {
        "quick": quick,
        "minutes": round(seconds / 60, 1),
        "commit": done.stdout.strip(),
        "rows": [asdict(row) for row in rows],
    }
    (out / "figures.json").write_text(json.dumps(facts, indent=1) + "\n")


def main() -> None:
    """Print the rows as they are ready."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    bundled = ROOT / "src" / "dreamsampler" / "models" / "bundled"
    parser.add_argument("--model", type=Path, default=bundled, help="a pipeline folder")
    parser.add_argument("--out", type=Path, default=ROOT / "training" / "runs" / "evaluation")
    parser.add_argument("--quick", action="store_true", help="a sample of prompts and pairs")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    began, rows, every = time.time(), [], 5 if args.quick else 1
    print(f"model: {args.model}\n\n{HEAD}", flush=True)
    model, spawn = str(args.model), get_context("spawn")
    with ProcessPoolExecutor(args.workers, spawn, start, (model,)) as pool:
        work = workers(pool)
        for part in (
            autoencoder(args.model, args.out),
            one_edit(model),
            edits(work, args.out, every),
            restorations(work, args.out, every),
            text_to_image(work, args.out, args.quick),
        ):
            for row in part:
                print(row, flush=True)
                rows.append(row)
    write(rows, args.out, args.quick, time.time() - began)
    print(f"\n{(time.time() - began) / 60:.1f} minutes; sheets, table.md, figures.json: {args.out}")


if __name__ == "__main__":
    main()
