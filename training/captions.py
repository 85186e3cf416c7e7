"""Captions that are always true: the concept, its background color, sometimes its style."""

import random

from concepts import SYNONYMS, title

#: word -> (RGB, weight); chosen far apart, so that the word cannot be missed
BACKGROUNDS = {
    "white": ((255, 255, 255), 6.0),
    "light blue": ((170, 215, 250), 2.0),
    "blue": ((50, 100, 220), 1.3),
    "red": ((210, 45, 50), 1.0),
    "orange": ((245, 145, 45), 1.0),
    "yellow": ((252, 224, 80), 1.3),
    "green": ((60, 165, 80), 1.3),
    "purple": ((140, 75, 190), 1.0),
    "pink": ((250, 170, 200), 1.3),
    "gray": ((150, 150, 154), 1.0),
    "black": ((18, 18, 22), 1.0),
    "brown": ((115, 75, 45), 0.7),
}


def article(words: str) -> str:
    """'a pear', 'an orange'."""
    return ("an " if words[0] in "aeiou" else "a ") + words


def subject(icon: str, rng: random.Random) -> str:
    """The concept, bare or with an article."""
    names = [title(icon), title(icon), *SYNONYMS.get(icon, [])]
    name = rng.choice(names)
    kind = rng.random()
    if kind < 0.55:
        return name
    return article(name) if kind < 0.9 else "an emoji of " + article(name)


def caption(icon: str, style: str, background: str, gradient: bool, rng: random.Random) -> str:
    """One caption: background in 65 %, style word in 25 %."""
    words = subject(icon, rng)
    plain = background + (" gradient" if gradient and rng.random() < 0.7 else "")
    kind = rng.random()
    if kind < 0.5:
        words = f"{words} on {article(plain)} background"
    elif kind < 0.65:
        words = f"{words}, {plain} background"
    if rng.random() < 0.25:
        words += f", {style} style"
    return words


def object_caption(label: dict, rng: random.Random) -> str:
    """One caption of a 3D object: view in 70 %, background in 60 %, "3d" in 40 %.

    What may be cut off at the end of a long caption is the background, so that the rest stays true.
    """
    kind, words = rng.random(), label["words"]
    if kind < 0.15:
        words = "3d " + words
    if rng.random() < 0.6:
        words = article(words)
    if rng.random() < 0.7:
        before = rng.random() < 0.2
        words = f"{label['view']} of {words}" if before else f"{words}, {label['view']}"
    plain = label["background"]
    plain += " gradient" if label["gradient"] and rng.random() < 0.7 else ""
    said = rng.random()
    if said < 0.3:
        words += f" on {article(plain)} background"
    elif said < 0.6:
        words += f", {plain} background"
    return words + ", 3d render" if kind > 0.75 else words
