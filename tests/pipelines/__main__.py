"""`python -m tests.pipelines [--all] [NAME ...]` runs tiny pipelines; a line says how each went."""

import argparse
import sys
import time
import traceback

import torch

from dreamsampler.models.libraries import quiet

from . import TINY, build


def run(name):
    """The picture of a tiny pipeline's own run."""
    tiny = TINY[name]
    pipe = build(tiny)
    out = pipe(**tiny.call(pipe))
    return out[0]


def report(line):
    """One line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main():
    """Runs those whose names begin with what is given."""
    parser = argparse.ArgumentParser(prog="python -m tests.pipelines", description=__doc__)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--traceback", action="store_true")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    torch.set_num_threads(1)
    failed = 0
    chosen = [name for name in TINY if given.all or name.startswith(tuple(given.names))]
    with quiet():
        for name in chosen:
            start = time.perf_counter()
            try:
                said = f"ok  {tuple(run(name).shape)}"
            except Exception as error:
                if given.traceback:
                    traceback.print_exc()
                failed += 1
                first = (str(error).strip() or "?").splitlines()[0]
                said = f"{type(error).__name__}: {first[:150]}"
            report(f"{name:45} {time.perf_counter() - start:5.2f} s  {said}")
    report(f"{len(chosen) - failed} of {len(chosen)} ran")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
