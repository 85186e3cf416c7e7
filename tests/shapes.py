"""Shapes and types of calls inside the package, checked in tests only.

jaxtyping reads the shapes, beartype the rest. Tasks, loaders and interfaces are left out: they
check their input themselves, and their tests read those messages. In each test the first calls of
a function are checked: a solver's thousands would take a quarter of the time.
"""

import functools
import inspect
from collections import Counter
from typing import Literal

import jaxtyping
from beartype import BeartypeConf, FrozenDict, beartype

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


FIRST_CALLS = 5
seen = Counter()


def first_calls(**options):
    """jaxtyping's own decorator, for the first calls of a function in each test.

    Also for the first times that a function inside another one is made: each time costs a compile.
    """
    jaxtyped = jaxtyping._decorator.jaxtyped(**options)

    def decorate(function):
        if not inspect.isfunction(function):
            return jaxtyped(function)
        code = function.__code__
        if seen[code] >= FIRST_CALLS:
            return function
        checked = jaxtyped(function)

        @functools.wraps(checked)
        def call(*args, **kwargs):
            seen[code] += 1
            return (checked if seen[code] <= FIRST_CALLS else function)(*args, **kwargs)

        return call

    return decorate


def install():
    """Before the first import of the package."""
    jaxtyping.jaxtyped = first_calls
    jaxtyping.install_import_hook(CHECKED, "shapes.check")
