"""`python -m benchmarks.suites.freeze [SUITE ...]`: write a protocol anew, after its files changed.

Raise the version in the suite's `freeze` where what is measured changed, and say so in
docs/benchmarks.md: figures of two protocols are never compared.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module

from benchmarks.suites.protocol import FROZEN
from dreamsampler.files import write_whole

SUITES = ("editing", "inpainting", "restoration", "vectorization", "radiance")


def main(names: list[str]) -> None:
    """Freeze the named suites, or all."""
    for name in names or SUITES:
        protocol = import_module(f"benchmarks.suites.{name}").freeze()
        held = protocol.plain()
        items = [json.dumps(each, ensure_ascii=False) for each in held.pop("items")]
        head = json.dumps(held, ensure_ascii=False)[:-1]
        text = f'{head}, "items": [\n' + ",\n".join(items) + "\n]}\n"
        write_whole(FROZEN / f"{name}.json", text.encode())
        print(f"{name}: {len(items)} items, {protocol.digest[:12]}")


if __name__ == "__main__":
    main(sys.argv[1:])
