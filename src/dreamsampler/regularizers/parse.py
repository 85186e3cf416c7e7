"""Regularizers in words: "mirrored | palette(brand.png, colors=6)".

A description is plain data; `build` makes the map of it. This file itself needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from dreamsampler.operators.grammar import split
from dreamsampler.operators.spec import Parameter, Value, meant, values_of

if TYPE_CHECKING:
    from dreamsampler.maths import Image
    from dreamsampler.regularizers.reference_style import Features
    from dreamsampler.regularizers.regularizer import Regularizer

OWN = "autoencoder"
"""The network of `resembling` that every model with an autoencoder has."""
_WEIGHT = Parameter(float, 0, default=math.inf)
REGULARIZERS: Final[Mapping[str, Mapping[str, Parameter]]] = {
    "flattened": {"weight": Parameter(float, 0, 10, default=0.2)},
    "mirrored": {
        "weight": _WEIGHT,
        "axis": Parameter(str, default="vertical", choices=("vertical", "horizontal")),
    },
    "palette": {
        "path": Parameter(str),
        "colors": Parameter(int, 2, 256, default=8),
        "weight": Parameter(float, 0, 1e6, default=4.0),
    },
    "resembling": {
        "path": Parameter(str),
        "by": Parameter(str, default="style", choices=("style", "content")),
        "weight": Parameter(float, 0, default=1.0),
        "network": Parameter(str, default=OWN),
    },
    "seamless": {"weight": _WEIGHT},
}
"""Every regularizer that has a name, and its parameters in their order."""


@final
@dataclass(frozen=True)
class Regularizers:
    """Maps in a row, the first one first: (name, value of every parameter) of each.

    Example:
        >>> read_regularizers("mirrored | flattened(0.1)").steps[1]
        ('flattened', (('weight', 0.1),))
    """

    steps: tuple[tuple[str, tuple[tuple[str, Value], ...]], ...]

    def inputs(self) -> list[Path]:
        """The pictures that it names."""
        return [Path(str(v)) for _, values in self.steps for n, v in values if n == "path"]

    def build(
        self, opened: Callable[[str], Image], sees: Callable[[str], Features] | None = None
    ) -> Regularizer:
        """The map, of pictures in [-1, 1].

        Args:
            opened: path -> picture, (1, 3, h, w) in [-1, 1].
            sees: folder of a CLIP model, or "autoencoder" for the model's own -> what it sees in a
                picture. Needed where `resembling` is named.

        Raises:
            ValueError: `resembling` without anything that sees.
        """
        from dreamsampler.regularizers.regularizer import chain

        return chain(*(_one(name, dict(values), opened, sees) for name, values in self.steps))


def read_regularizers(text: str) -> Regularizers:
    """Read a description of regularizers, separated by `|`.

        flattened(weight=0.2)                        total variation: flat colors, fewer edges
        mirrored(weight=inf, axis=vertical)          left and right alike (or top and bottom)
        palette(path, colors=8, weight=4)            the colors of another picture
        resembling(path, by=style, weight=1)         the style of another picture, or its content
        seamless(weight=inf)                         opposite borders meet: a tile

    Arguments go by place or by name; paths with blanks, commas or brackets need quotes.

    Raises:
        ValueError: of one line, with a suggestion where a name was misspelt.

    Example:
        >>> read_regularizers("miror")
        Traceback (most recent call last):
        ValueError: there is no regularizer 'miror': did you mean mirrored? (there are flattened, \
mirrored, palette, resembling, seamless)
    """
    if not str(text).strip():
        raise ValueError('regularize is empty: write for instance "mirrored", or leave it out')
    steps: list[tuple[str, tuple[tuple[str, Value], ...]]] = []
    for word in split(str(text)):
        if word.name not in REGULARIZERS:
            known = [*REGULARIZERS]
            raise ValueError(f"there is no regularizer {word.name!r}{meant(word.name, known)}")
        steps.append((word.name, values_of(word.name, word, REGULARIZERS[word.name])))
    return Regularizers(tuple(steps))


def _one(
    name: str,
    values: dict[str, Any],
    opened: Callable[[str], Image],
    sees: Callable[[str], Features] | None,
) -> Regularizer:
    from dreamsampler.regularizers.palette import palette, palette_of
    from dreamsampler.regularizers.reference_style import reference_style
    from dreamsampler.regularizers.symmetry import symmetry
    from dreamsampler.regularizers.tileable import tileable
    from dreamsampler.regularizers.total_variation import total_variation

    match name:
        case "flattened":
            return total_variation(**values)
        case "mirrored":
            return symmetry(**values)
        case "palette":
            colors = palette_of(opened(values["path"]), values["colors"])
            return palette(colors, values["weight"])
        case "resembling":
            if sees is None:
                raise ValueError("resembling needs a network that sees: pass one to build")
            reference, features = opened(values["path"]), sees(values["network"])
            return reference_style(features, reference, values["weight"], by=values["by"])
        case "seamless":
            return tileable(**values)
        case _:
            raise ValueError(f"{name} is described, but nothing builds it")
