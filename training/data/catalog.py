"""What the object pictures show, and its true names: shapes, pairs of shapes, toys with a front.

A `Thing` is a list of parts and the words for them. Toys look towards +z, so that the view words
of `dreamsampler.generators.field.camera` mean something for them; for a ball every view word is
still true.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from dreamsampler.generators.toy import catalog as toys
from dreamsampler.generators.toy.catalog import TOYS
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
BEAK = (0.98, 0.60, 0.10)


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


def recolored(name: str, colors: dict[Color, Color]) -> tuple[Part, ...]:
    """The parts of a toy of the package in other colors."""
    return tuple(replace(p, color=colors.get(p.color, p.color)) for p in TOYS[name].parts)


def house(rng: random.Random) -> Thing:
    """Walls of the named color, a roof, a door and windows in front."""
    color, roof = rng.sample([c for c in COLORS if c not in ("black", "brown")], 2)
    parts = recolored("house", {toys.WHITE: COLORS[color], toys.RED: COLORS[roof]})
    return Thing(parts, f"{color} toy house with {article(roof)} roof", (color, roof))


def car(rng: random.Random) -> Thing:
    """Driving towards +z: yellow lamps in front, red ones behind."""
    color = rng.choice([c for c in COLORS if c != "black"])
    behind = COLORS["red"] if color != "red" else toys.DARK
    parts = tuple(
        replace(p, color=behind) if p.at[2] == -0.95 else p
        for p in recolored("car", {toys.YELLOW: COLORS[color]})
    )
    return Thing(parts, f"{color} toy car", (color,))


def rocket(rng: random.Random) -> Thing:
    """A cylinder with a nose cone and fins; a round window in front."""
    body, nose = rng.sample(list(COLORS), 2)
    parts = recolored("rocket", {toys.GREEN: COLORS[body], toys.PURPLE: COLORS[nose]})
    return Thing(parts, f"{body} toy rocket with {article(nose)} nose", (body, nose))


def duck(rng: random.Random) -> Thing:
    """Round body and head, beak and eyes towards +z, a tail behind."""
    color = rng.choice([c for c in COLORS if c not in ("black", "orange")])
    parts = recolored("duck", {toys.YELLOW: COLORS[color], toys.ORANGE: BEAK})
    return Thing(parts, f"{color} toy duck", (color,))


def mug(rng: random.Random) -> Thing:
    """A cup whose handle is on its own left (+x): to the right in the front view."""
    color = rng.choice(list(COLORS))
    coffee = toys.WOOD if color != "brown" else toys.DARK
    parts = recolored("mug", {toys.BLUE: COLORS[color], toys.WOOD: coffee})
    return Thing(parts, f"{color} mug", (color,))


def snowman(rng: random.Random) -> Thing:
    """Two balls of the named color, a hat, a carrot and eyes towards +z."""
    color, hat = rng.sample([c for c in COLORS if c != "orange"], 2)
    eyes = toys.DARK if color != "black" else COLORS["white"]
    own = {toys.WHITE: COLORS[color], toys.BLUE: COLORS[hat], toys.ORANGE: BEAK, toys.DARK: eyes}
    parts = recolored("snowman", own)
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
