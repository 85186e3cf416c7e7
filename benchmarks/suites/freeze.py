"""Write protocols anew, after the files that they are made of have changed.

Raise the version in the suite's `freeze` where what is measured changed, and say so in
docs/benchmarks.md: figures of two protocols are never compared.
"""

from __future__ import annotations

from importlib import import_module
from typing import Literal

Suite = Literal["editing", "inpainting", "restoration", "vectorization", "radiance"]
SUITES: tuple[Suite, ...] = ("editing", "inpainting", "restoration", "vectorization", "radiance")


def main(suites: tuple[Suite, ...] = SUITES) -> None:
    """Freeze some protocols, or all.

    Args:
        suites: which.
    """
    for name in suites:
        protocol = import_module(f"benchmarks.suites.{name}").freeze()
        protocol.write()
        print(f"{name}: {len(protocol.items)} items, {protocol.digest[:12]}")
