"""Toys with a name: what each is made of, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from dreamsampler.generators.toy.scene import Color, Part

RED, YELLOW, GREEN, BLUE = (
    (0.86, 0.16, 0.18),
    (0.98, 0.85, 0.2),
    (0.18, 0.65, 0.28),
    (0.16, 0.38, 0.88),
)
ORANGE, PURPLE, WHITE = (0.97, 0.55, 0.13), (0.55, 0.26, 0.75), (0.9, 0.9, 0.92)
DARK, WOOD, GLASS, LAMP = (0.1, 0.1, 0.12), (0.45, 0.28, 0.16), (0.65, 0.88, 0.98), (1, 0.95, 0.55)


@final
@dataclass(frozen=True)
class Toy:
    """Parts that stand on the ground around the origin and face +z, and a prompt for them."""

    prompt: str
    parts: tuple[Part, ...]


def _car(paint: Color) -> tuple[Part, ...]:
    wheels = (
        Part("cylinder", (x, 0.2, z), (0.2, 0.09, 0.2), DARK, (0, 0, 90))
        for x in (-0.5, 0.5)
        for z in (-0.55, 0.55)
    )
    lamps = (
        Part("cube", (x, 0.48, z), (0.12, 0.08, 0.03), lamp)
        for x in (-0.3, 0.3)
        for z, lamp in ((0.95, LAMP), (-0.95, DARK))
    )
    return (
        Part("cube", (0, 0.43, 0), (0.52, 0.24, 0.95), paint),
        Part("cube", (0, 0.85, -0.12), (0.44, 0.2, 0.5), paint),
        Part("cube", (0, 0.85, 0.38), (0.36, 0.13, 0.02), GLASS),
        Part("cube", (0, 0.85, -0.12), (0.46, 0.12, 0.38), GLASS),
        *wheels,
        *lamps,
    )


def _house(walls: Color, roof: Color) -> tuple[Part, ...]:
    return (
        Part("cube", (0, 0.5, 0), (0.72, 0.5, 0.6), walls),
        Part("prism", (0, 1.33, 0), (0.68, 0.33, 0.86), roof, (0, 90, 0)),
        Part("cube", (0, 0.32, 0.6), (0.16, 0.32, 0.03), WOOD),
        Part("cube", (-0.43, 0.6, 0.6), (0.14, 0.14, 0.03), GLASS),
        Part("cube", (0.43, 0.6, 0.6), (0.14, 0.14, 0.03), GLASS),
    )


def _duck(color: Color) -> tuple[Part, ...]:
    return (
        Part("sphere", (0, 0.5, -0.1), (0.58, 0.5, 0.78), color),
        Part("sphere", (0, 1.1, 0.32), (0.37, 0.37, 0.37), color),
        Part("cone", (0, 1.03, 0.76), (0.17, 0.17, 0.09), ORANGE, (90, 0, 0)),
        Part("cone", (0, 0.72, -0.82), (0.2, 0.24, 0.14), color, (-50, 0, 0)),
        *(Part("sphere", (x, 1.22, 0.62), (0.06, 0.07, 0.05), DARK) for x in (-0.16, 0.16)),
    )


def _rocket(body: Color, nose: Color) -> tuple[Part, ...]:
    fins = ((0.4, 0, 0.3, 0.06), (-0.4, 0, 0.3, 0.06), (0, -0.4, 0.06, 0.3))
    return (
        Part("cylinder", (0, 0.72, 0), (0.36, 0.58, 0.36), body),
        Part("cone", (0, 1.58, 0), (0.36, 0.28, 0.36), nose),
        Part("sphere", (0, 0.95, 0.3), (0.15, 0.15, 0.1), GLASS),
        *(Part("pyramid", (x, 0.3, z), (sx, 0.3, sz), nose) for x, z, sx, sz in fins),
    )


def _snowman(hat: Color) -> tuple[Part, ...]:
    return (
        Part("sphere", (0, 0.48, 0), (0.52, 0.48, 0.52), WHITE),
        Part("sphere", (0, 1.18, 0), (0.36, 0.36, 0.36), WHITE),
        Part("cone", (0, 1.15, 0.5), (0.08, 0.18, 0.08), ORANGE, (90, 0, 0)),
        Part("cylinder", (0, 1.5, 0), (0.34, 0.04, 0.34), hat),
        Part("cylinder", (0, 1.64, 0), (0.22, 0.16, 0.22), hat),
        *(Part("sphere", (x, 1.28, 0.32), (0.05, 0.06, 0.05), DARK) for x in (-0.14, 0.14)),
    )


def _mug(paint: Color) -> tuple[Part, ...]:
    return (
        Part("cylinder", (-0.1, 0.65, 0), (0.55, 0.65, 0.55), paint),
        Part("cylinder", (-0.1, 1.29, 0), (0.47, 0.03, 0.47), WOOD),
        Part("torus", (0.45, 0.66, 0), (0.36, 0.36, 0.36), paint, (90, 0, 0)),
    )


TOYS: Final[dict[str, Toy]] = {
    "blocks": Toy(
        "a blue ball in front of a red cube",
        (
            Part("sphere", (0.48, 0.36, 0.6), (0.36, 0.36, 0.36), BLUE),
            Part("cube", (-0.12, 0.54, -0.36), (0.54, 0.54, 0.54), RED),
        ),
    ),
    "car": Toy("a yellow toy car", _car(YELLOW)),
    "duck": Toy("a yellow toy duck", _duck(YELLOW)),
    "house": Toy("a white toy house with a red roof", _house(WHITE, RED)),
    "mug": Toy("a blue mug", _mug(BLUE)),
    "rocket": Toy("a green toy rocket with a purple nose", _rocket(GREEN, PURPLE)),
    "snowman": Toy("a white toy snowman with a blue hat", _snowman(BLUE)),
    "stack": Toy(
        "an orange cone on a green cube",
        (
            Part("cube", (0, 0.476, 0), (0.476, 0.476, 0.476), GREEN),
            Part("cone", (0, 1.458, 0), (0.414, 0.506, 0.414), ORANGE),
        ),
    ),
}
"""Name -> toy."""
