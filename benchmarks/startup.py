"""How long a user waits before anything happens: import, --help, --version."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import dreamsampler": [sys.executable, "-c", "import dreamsampler"],
    "dreamsampler --help": [str(Path(sys.executable).parent / "dreamsampler"), "--help"],
    "dreamsampler edit --help": [
        str(Path(sys.executable).parent / "dreamsampler"),
        "edit",
        "--help",
    ],
}


def seconds(command: list[str]) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main(arguments: list[str] | None = None) -> None:
    """Print the median of several runs, the first (cold) one left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args(arguments).runs
    print("| command | median s | fastest s |\n|---|---|---|")
    for name, command in COMMANDS.items():
        times = [seconds(command) for _ in range(runs + 1)][1:]
        print(f"| {name} | {statistics.median(times):.2f} | {min(times):.2f} |")


if __name__ == "__main__":
    main()
