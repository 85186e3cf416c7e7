"""Worker processes for the evaluation: one thread and one model each, pictures as uint8 arrays."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

import torch
from evaluate_parts import open_model

Job = tuple[Any, ...]


def start(model: str) -> None:
    """Called once in every worker; torch's threads collapse when anything else runs, so: one."""
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    open_model(model)


class Workers:
    """`Workers(model, 2).run(function, jobs)` yields (number of the job, result) as they finish.

    Args:
        model: what `dreamsampler.from_pretrained` takes.
        count: processes; each holds a model of its own.
    """

    def __init__(self, model: str, count: int) -> None:
        self.pool = ProcessPoolExecutor(count, get_context("spawn"), start, (model,))

    def run(
        self, function: Callable[..., Any], jobs: Iterable[Job], words: str
    ) -> Iterator[tuple[int, Any]]:
        """All jobs, in the order in which they finish; a line on stderr says how far it is."""
        began = time.time()
        waiting = {self.pool.submit(function, *job): k for k, job in enumerate(jobs)}
        for done, future in enumerate(as_completed(waiting), 1):
            left = (time.time() - began) / done * (len(waiting) - done)
            line = f"\r{words}: {done} of {len(waiting)}, {left:4.0f} s left "
            print(line, end="", file=sys.stderr, flush=True)
            yield waiting[future], future.result()
        print("\r" + " " * 60 + "\r", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(cancel_futures=True)
