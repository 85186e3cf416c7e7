"""What the object pictures show, and its true names: shapes, pairs of shapes, toys with a front.

A `Thing` is a list of parts and the words for them. Toys look towards +z, so that the view words
of `dreamsampler.generators.field.camera` mean something for them; for a ball every view word is
still true.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from dreamsampler.generators.toy.scene import Color, Part, Vector
from dreamsampler.generators.toy.shape import TUBE
from training.data.captions import article

COLORS: dict[str, Color] = {
    "red": (0.86, 0.16, 0.18),
    "orange": (0.97, 0.55, 0.13),
    "yellow": (0.98, 0.85, 0.20),
    "green": (0.18, 0.65, 0.28),
    "blue": (0.16, 0.38, 0.88),
    "purple": (0.55, 0.26, 0.75),
    "pink": (0.97, 0.58, 0.74),
    "brown": (0.48, 0.30, 0.17),
    "white": (0.97, 0.97, 0.97),
    "black": (0.13, 0.13, 0.15),
}
"""Color words of objects, as far apart as those of the backgrounds."""
DARK, WOOD, GLASS = (0.10, 0.10, 0.12), (0.45, 0.28, 0.16), (0.65, 0.88, 0.98)
LAMP, BEAK = (1.0, 0.95, 0.55), (0.98, 0.60, 0.10)


@dataclass(frozen=True)
class Thing:
    """Parts, the words for them without an article, and every color word among those."""

    parts: tuple[Part, ...]
    words: str
    colors: tuple[str, ...]


def shape(word: str, at: Vector, r: float, color: Color) -> Part:
    """A shape by its caption word, standing with its lowest point at `at`; about 2 r wide."""
    x, y, z = at
    if word == "ring":
        return Part("torus", (x, y + 1.1 * r, z), (1.1 * r,) * 3, color, (90, 0, 0))
    if word == "torus":
        return Part("torus", (x, y + TUBE * 1.3 * r, z), (1.3 * r,) * 3, color)
    kind = "sphere" if word == "ball" else word
    own = {"cube": (0.82, 0.82, 0.82), "cone": (0.9, 1.1, 0.9), "pyramid": (0.95, 0.9, 0.95)}
    sx, sy, sz = own.get(kind, (0.85, 0.9, 0.85) if kind == "cylinder" else (1, 1, 1))
    return Part(kind, (x, y + sy * r, z), (sx * r, sy * r, sz * r), color)


SHAPES = ("sphere", "ball", "cube", "cone", "cylinder", "torus", "ring", "pyramid")
LYING = ("cube", "cylinder")
"""Shapes with a flat top, which carry another."""


def single(rng: random.Random) -> Thing:
    """'red cube'."""
    word, color = rng.choice(SHAPES), rng.choice(list(COLORS))
    return Thing((shape(word, (0, 0, 0), 0.85, COLORS[color]),), f"{color} {word}", (color,))


def capsule(rng: random.Random) -> Thing:
    """A standing cylinder with round ends."""
    color = rng.choice(list(COLORS))
    rgb, r = COLORS[color], 0.48
    ends = [Part("sphere", (0, y, 0), (r, r, r), rgb) for y in (r, 1.15)]
    body = Part("cylinder", (0, (r + 1.15) / 2, 0), (r, (1.15 - r) / 2, r), rgb)
    return Thing((body, *ends), f"{color} capsule", (color,))


def stack(rng: random.Random) -> Thing:
    """'red cone on a blue cube'."""
    below, above = rng.choice(LYING), rng.choice([s for s in SHAPES if s != "torus"])
    one, two = rng.sample(list(COLORS), 2)
    under = shape(below, (0, 0, 0), 0.58, COLORS[two])
    top = under.at[1] + under.size[1]
    over = shape(above, (0, top, 0), 0.46, COLORS[one])
    return Thing((under, over), f"{one} {above} on {article(two)} {below}", (one, two))


def pair(rng: random.Random) -> Thing:
    """'red ball in front of a blue cube': the small one towards +z, off center so as to be seen."""
    near, far = rng.choice(("ball", "cube", "cone")), rng.choice(("cube", "cylinder", "cone"))
    one, two = rng.sample(list(COLORS), 2)
    parts = (
        shape(near, (0.48, 0, 0.6), 0.36, COLORS[one]),
        shape(far, (-0.12, 0, -0.36), 0.66, COLORS[two]),
    )
    return Thing(parts, f"{one} {near} in front of {article(two)} {far}", (one, two))


def house(rng: random.Random) -> Thing:
    """Walls of the named color, a roof, a door and windows in front."""
    color, roof = rng.sample([c for c in COLORS if c not in ("black", "brown")], 2)
    parts = (
        Part("cube", (0, 0.5, 0), (0.72, 0.5, 0.6), COLORS[color]),
        Part("prism", (0, 1.33, 0), (0.68, 0.33, 0.86), COLORS[roof], (0, 90, 0)),
        Part("cube", (0, 0.32, 0.6), (0.16, 0.32, 0.03), WOOD),
        Part("cube", (-0.43, 0.6, 0.6), (0.14, 0.14, 0.03), GLASS),
        Part("cube", (0.43, 0.6, 0.6), (0.14, 0.14, 0.03), GLASS),
    )
    return Thing(parts, f"{color} toy house with {article(roof)} roof", (color, roof))


def car(rng: random.Random) -> Thing:
    """Driving towards +z: yellow lamps in front, red ones behind."""
    color = rng.choice([c for c in COLORS if c != "black"])
    rgb = COLORS[color]
    wheels = [
        Part("cylinder", (x, 0.2, z), (0.2, 0.09, 0.2), DARK, (0, 0, 90))
        for x in (-0.5, 0.5)
        for z in (-0.55, 0.55)
    ]
    lamps = [
        Part("cube", (x, 0.48, z), (0.12, 0.08, 0.03), lamp)
        for x in (-0.3, 0.3)
        for z, lamp in ((0.95, LAMP), (-0.95, COLORS["red"] if color != "red" else DARK))
    ]
    body = Part("cube", (0, 0.43, 0), (0.52, 0.24, 0.95), rgb)
    cabin = Part("cube", (0, 0.85, -0.12), (0.44, 0.2, 0.5), rgb)
    panes = [
        Part("cube", (0, 0.85, 0.38), (0.36, 0.13, 0.02), GLASS),
        Part("cube", (0, 0.85, -0.12), (0.46, 0.12, 0.38), GLASS),
    ]
    return Thing((body, cabin, *panes, *wheels, *lamps), f"{color} toy car", (color,))


def rocket(rng: random.Random) -> Thing:
    """A cylinder with a nose cone and fins; a round window in front."""
    body, nose = rng.sample(list(COLORS), 2)
    fins = [
        Part("pyramid", (x, 0.3, z), (sx, 0.3, sz), COLORS[nose])
        for x, z, sx, sz in (
            (0.4, 0, 0.3, 0.06),
            (-0.4, 0, 0.3, 0.06),
            (0, -0.4, 0.06, 0.3),
        )
    ]
    parts = (
        Part("cylinder", (0, 0.72, 0), (0.36, 0.58, 0.36), COLORS[body]),
        Part("cone", (0, 1.58, 0), (0.36, 0.28, 0.36), COLORS[nose]),
        Part("sphere", (0, 0.95, 0.3), (0.15, 0.15, 0.1), GLASS),
        *fins,
    )
    return Thing(parts, f"{body} toy rocket with {article(nose)} nose", (body, nose))


def duck(rng: random.Random) -> Thing:
    """Round body and head, beak and eyes towards +z, a tail behind."""
    color = rng.choice([c for c in COLORS if c not in ("black", "orange")])
    rgb = COLORS[color]
    eyes = [Part("sphere", (x, 1.22, 0.62), (0.06, 0.07, 0.05), DARK) for x in (-0.16, 0.16)]
    parts = (
        Part("sphere", (0, 0.5, -0.1), (0.58, 0.5, 0.78), rgb),
        Part("sphere", (0, 1.1, 0.32), (0.37, 0.37, 0.37), rgb),
        Part("cone", (0, 1.03, 0.76), (0.17, 0.17, 0.09), BEAK, (90, 0, 0)),
        Part("cone", (0, 0.72, -0.82), (0.2, 0.24, 0.14), rgb, (-50, 0, 0)),
        *eyes,
    )
    return Thing(parts, f"{color} toy duck", (color,))


def mug(rng: random.Random) -> Thing:
    """A cup whose handle is on its own left (+x): to the right in the front view."""
    color = rng.choice(list(COLORS))
    rgb = COLORS[color]
    coffee = WOOD if color != "brown" else DARK
    parts = (
        Part("cylinder", (-0.1, 0.65, 0), (0.55, 0.65, 0.55), rgb),
        Part("cylinder", (-0.1, 1.29, 0), (0.47, 0.03, 0.47), coffee),
        Part("torus", (0.45, 0.66, 0), (0.36, 0.36, 0.36), rgb, (90, 0, 0)),
    )
    return Thing(parts, f"{color} mug", (color,))


def snowman(rng: random.Random) -> Thing:
    """Two balls of the named color, a hat, a carrot and eyes towards +z."""
    color, hat = rng.sample([c for c in COLORS if c != "orange"], 2)
    ink = DARK if color != "black" else COLORS["white"]
    eyes = [Part("sphere", (x, 1.28, 0.32), (0.05, 0.06, 0.05), ink) for x in (-0.14, 0.14)]
    parts = (
        Part("sphere", (0, 0.48, 0), (0.52, 0.48, 0.52), COLORS[color]),
        Part("sphere", (0, 1.18, 0), (0.36, 0.36, 0.36), COLORS[color]),
        Part("cone", (0, 1.15, 0.5), (0.08, 0.18, 0.08), BEAK, (90, 0, 0)),
        Part("cylinder", (0, 1.5, 0), (0.34, 0.04, 0.34), COLORS[hat]),
        Part("cylinder", (0, 1.64, 0), (0.22, 0.16, 0.22), COLORS[hat]),
        *eyes,
    )
    return Thing(parts, f"{color} toy snowman with {article(hat)} hat", (color, hat))


GROUPS: tuple[tuple[tuple[Callable[[random.Random], Thing], ...], float], ...] = (
    ((single,), 7.0),
    ((capsule,), 0.5),
    ((stack,), 4.0),
    ((pair,), 2.0),
    ((house, car, rocket, duck, mug, snowman), 6.5),
)
"""Makers of things, and the share of each group."""


def draw(rng: random.Random) -> Thing:
    """A random thing, 0.9 to 1.05 times its usual size."""
    makers, _ = rng.choices(GROUPS, [share for _, share in GROUPS])[0]
    thing = rng.choice(makers)(rng)
    grow = rng.uniform(0.9, 1.05)
    parts = tuple(
        replace(p, at=tuple(grow * x for x in p.at), size=tuple(grow * x for x in p.size))
        for p in thing.parts
    )
    return replace(thing, parts=parts)
