"""`python -m benchmarks [NAME ...]`: run measurements and print one table each."""

from __future__ import annotations

import sys
from importlib import import_module

SUITES = {
    "startup": "import and --help times",
    "loop": "the loop against a bare loop of the same network calls, SD1.5's and SDXL's shapes",
    "gpu": "on a GPU: the loop against diffusers' pipelines and the published editing program",
    "overhead": "time outside the networks in one edit",
    "edit": "default preset against the published program: likeness, fidelity, evaluations",
    "inpaint": "default preset against the published program: likeness, seam, evaluations, time",
    "restore": "blurred and small icons: default, classical and published methods",
    "posterior": "every restoration method against an exact posterior",
    "classical": "Wiener, bicubic and total variation on blurred and downsampled icons",
    "golden": "the paper preset against the published program's own output",
    "reconstruct": "scenes from degraded views: without the model, with it, each view alone",
    "regularizers": "total variation, symmetry, palette, tiles in an edit: effect and cost",
    "gallery": "the pictures of the pages of the tasks, by the scripts that the pages show",
    "one_loop": "where DDIM and score distillation end on a prior whose modes are known",
    "strip": "one edit under each option, from little to much",
    "reconstruct_cost": "a scene's optimizer step and model level: views, pixels, voxels",
    "vectorize": "paths from blurred icons: data alone, with the model, SDS, traced",
    "vector": "drawing vector graphics and their gradients, milliseconds",
    "memory": "peak memory of an SD1.5-size edit, random weights, bfloat16, 512 px",
}
QUICK = ("startup", "overhead", "golden", "edit")


def main(arguments: list[str]) -> int:
    """Run the named suites, or the quick ones."""
    unknown = [name for name in arguments if name not in SUITES and not name.startswith("-")]
    if unknown or "--help" in arguments:
        print("usage: python -m benchmarks [NAME ...], or python -m benchmarks.NAME --help")
        for name, what in SUITES.items():
            print(f"  {name:10} {what}")
        return 2 if unknown else 0
    for name in arguments or QUICK:
        print(f"\n## {name}: {SUITES[name]}\n", flush=True)
        import_module(f"benchmarks.{name}").main([])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
