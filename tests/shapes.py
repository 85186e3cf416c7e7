"""Shapes and types of calls inside the package, checked in tests only.

jaxtyping reads the shapes, beartype the rest. Tasks, loaders and interfaces are left out: they
check their input themselves, and their tests read those messages.
"""

from typing import Literal

from beartype import BeartypeConf, FrozenDict, beartype
from jaxtyping import install_import_hook

CHECKED = [
    f"dreamsampler.{name}"
    for name in (
        "generators",
        "maths.estimate",
        "maths.linalg",
        "maths.noise",
        "methods",
        "models.mixture",
        "guidance",
        "regularizers",
        "operators",
        "samplers.dream",
        "samplers.invert",
        "images.assemble",
    )
]
REFUSED = FrozenDict(
    {
        Literal["sample", "epsilon", "v", "flow"]: str,
        Literal["reflect", "circular", "zero"]: str,
        Literal["bicubic", "area"]: str,
        Literal["4:2:0", "4:4:4"]: str,
        Literal["vertical", "horizontal"]: str,
        Literal["style", "content"]: str,
    }
)
"""`to_estimate`, the operators and the regularizers refuse other values themselves."""

check = beartype(conf=BeartypeConf(is_pep484_tower=True, hint_overrides=REFUSED))


def install():
    """Before the first import of the package."""
    install_import_hook(CHECKED, "shapes.check")
