"""Shapes and types of every call below the doors, checked in tests only.

jaxtyping reads the shapes, beartype the rest. The doors (tasks, loaders, the command line) are left
out: they refuse wrong input in their own words, and that is what their tests look at.
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
WORDED = FrozenDict(
    {
        Literal["sample", "epsilon", "v", "flow"]: str,
        Literal["reflect", "circular", "zero"]: str,
        Literal["bicubic", "area"]: str,
        Literal["4:2:0", "4:4:4"]: str,
        Literal["vertical", "horizontal"]: str,
        Literal["style", "content"]: str,
    }
)
"""Refused in words by `to_estimate`, the operators and the regularizers themselves."""

check = beartype(conf=BeartypeConf(is_pep484_tower=True, hint_overrides=WORDED))


def install():
    """Before the first import of the package."""
    install_import_hook(CHECKED, "shapes.check")
