"""Regularizers in text: "symmetry | palette(brand.png, colors=6)".

A description is plain data; `build` makes the map of it. This file itself needs no torch. A new
regularizer is one file with its function, and one entry in `REGULARIZERS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Final, final

from dreamsampler.operators.grammar import split
from dreamsampler.operators.spec import Parameter, Value, meant, values_of

if TYPE_CHECKING:
    from dreamsampler.maths import Image
    from dreamsampler.regularizers.reference_style import Features
    from dreamsampler.regularizers.regularizer import Regularizer

AUTOENCODER = "autoencoder"
"""The network of `reference_style` that every model with an autoencoder has."""


@final
@dataclass(frozen=True)
class Named:
    """A regularizer that has a name in text.

    Args:
        function: "module:function", loaded on first use and called with the parameters by name;
            in place of `path` it gets that picture as `reference`, in place of `network` that
            network as `features`.
        use: what it is for.
        parameters: in their order.
    """

    function: str
    use: str
    parameters: Mapping[str, Parameter]


_WEIGHT = Parameter(float, 0, default=math.inf)
REGULARIZERS: Final[Mapping[str, Named]] = {
    "palette": Named(
        "dreamsampler.regularizers.palette:reference_palette",
        "the colors of another picture",
        {
            "path": Parameter(str),
            "colors": Parameter(int, 2, 256, default=8),
            "weight": Parameter(float, 0, 1e6, default=4.0),
        },
    ),
    "reference_style": Named(
        "dreamsampler.regularizers.reference_style:reference_style",
        "the style of another picture, or its content",
        {
            "path": Parameter(str),
            "by": Parameter(str, default="style", choices=("style", "content")),
            "weight": Parameter(float, 0, default=1.0),
            "network": Parameter(str, default=AUTOENCODER),
        },
    ),
    "symmetry": Named(
        "dreamsampler.regularizers.symmetry:symmetry",
        "left and right alike, or top and bottom",
        {
            "weight": _WEIGHT,
            "axis": Parameter(str, default="vertical", choices=("vertical", "horizontal")),
        },
    ),
    "tileable": Named(
        "dreamsampler.regularizers.tileable:tileable",
        "opposite borders meet: a tile",
        {"weight": _WEIGHT},
    ),
    "total_variation": Named(
        "dreamsampler.regularizers.total_variation:total_variation",
        "flat colors, fewer edges",
        {"weight": Parameter(float, 0, 10, default=0.2)},
    ),
}
"""Every regularizer that has a name."""


@final
@dataclass(frozen=True)
class Regularizers:
    """Maps in a row, the first one first: (name, value of every parameter) of each.

    Example:
        >>> read_regularizers("symmetry | total_variation(0.1)").steps[1]
        ('total_variation', (('weight', 0.1),))
    """

    steps: tuple[tuple[str, tuple[tuple[str, Value], ...]], ...]

    def inputs(self) -> list[Path]:
        """The pictures that it names."""
        return [Path(str(v)) for _, values in self.steps for n, v in values if n == "path"]

    def build(
        self,
        open_image: Callable[[str], Image],
        open_network: Callable[[str], Features] | None = None,
    ) -> Regularizer:
        """The map, of pictures in [-1, 1].

        Args:
            open_image: path -> picture, (1, 3, h, w) in [-1, 1].
            open_network: folder of a CLIP model, or "autoencoder" for the model's own -> its
                features of a picture. Needed for `reference_style`.

        Raises:
            ValueError: `reference_style` without features.
        """
        from dreamsampler.regularizers.regularizer import chain

        maps: list[Regularizer] = []
        for name, pairs in self.steps:
            values: dict[str, Any] = dict(pairs)
            if "path" in values:
                values["reference"] = open_image(values.pop("path"))
            if "network" in values:
                if open_network is None:
                    raise ValueError(f"{name} needs a network: pass open_network to build")
                values["features"] = open_network(values.pop("network"))
            maps.append(resolve_name(REGULARIZERS[name].function)(**values))
        return chain(*maps)


def read_regularizers(text: str) -> Regularizers:
    """Read a description of regularizers (`REGULARIZERS`), separated by `|`.

    Arguments go by place or by name; paths with blanks, commas or brackets need quotes.

    Raises:
        ValueError: of one line, with a suggestion where a name was misspelt.

    Example:
        >>> read_regularizers("simmetry")
        Traceback (most recent call last):
        ValueError: there is no regularizer 'simmetry': did you mean symmetry? (there are palette, \
reference_style, symmetry, tileable, total_variation)
    """
    if not str(text).strip():
        raise ValueError('regularize is empty: write for instance "symmetry", or leave it out')
    steps: list[tuple[str, tuple[tuple[str, Value], ...]]] = []
    for word in split(str(text)):
        if word.name not in REGULARIZERS:
            known = [*REGULARIZERS]
            raise ValueError(f"there is no regularizer {word.name!r}{meant(word.name, known)}")
        steps.append((word.name, values_of(word.name, word, REGULARIZERS[word.name].parameters)))
    return Regularizers(tuple(steps))
