"""Which part of an edit is spent in the networks, and which is ours."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from dreamsampler import Edit, from_pretrained

CAT = Path(__file__).parents[1] / "examples" / "cat.png"


@contextmanager
def timed(modules: dict[str, Any]) -> Iterator[dict[str, float]]:
    """Add up the seconds that each module's calls take."""
    spent, starts, handles = dict.fromkeys(modules, 0.0), {}, []

    def before(name: str) -> Any:
        return lambda *_: starts.__setitem__(name, time.perf_counter())

    def after(name: str) -> Any:
        return lambda *_: spent.__setitem__(name, spent[name] + time.perf_counter() - starts[name])

    for name, module in modules.items():
        handles.append(module.register_forward_pre_hook(before(name)))
        handles.append(module.register_forward_hook(after(name)))
    try:
        yield spent
    finally:
        for handle in handles:
            handle.remove()


def main(arguments: list[str] | None = None) -> None:
    """One warm-up edit, then the median of several measured ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="iconic")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    prior: Any = from_pretrained(options.model, device="cpu", dtype="float32")
    parts = {
        "network": prior.network,
        "encoder": prior.vae.encoder,
        "decoder": prior.vae.decoder,
        "text": prior.family.encoders["text_encoder"],
    }
    anchored = options.preset == "default"
    task = Edit(CAT, "dog face", "cat face" if anchored else None, preset=options.preset)
    task.start(prior).run().pictures()
    rows = []
    for _ in range(options.runs):
        with timed(parts) as spent:
            start = time.perf_counter()
            run = task.start(prior).run()
            run.pictures()
            rows.append((time.perf_counter() - start, dict(spent), run.evaluations))
    whole, spent, evaluations = sorted(rows, key=lambda row: row[0])[len(rows) // 2]
    outside = whole - sum(spent.values())
    print("| part | s | share |\n|---|---|---|")
    for name, s in {**spent, "everything else": outside, "whole edit": whole}.items():
        print(f"| {name} | {s:.3f} | {100 * s / whole:.1f} % |")
    print(f"\n{evaluations} evaluations, one thread")


if __name__ == "__main__":
    main()
