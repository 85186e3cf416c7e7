"""`python -m benchmarks.reliability WHAT`: kills, faults, fuzz, throughput, studio."""

import sys
from importlib import import_module

KNOWN = ("kills", "faults", "fuzz", "throughput", "studio")

if __name__ == "__main__":
    name, *more = sys.argv[1:] or ["--help"]
    if name not in KNOWN:
        sys.exit(f"usage: python -m benchmarks.reliability {'|'.join(KNOWN)} [...]")
    import_module(f"benchmarks.reliability.{name}").main(more)
