"""Captions that are always true: the concept, its background color, sometimes its style."""

import random

from training.data.concepts import SYNONYMS, title

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


#: places of a drawing that is not in the middle: (right, down) -> words
PLACES = {
    (-1, 0): "on the left",
    (1, 0): "on the right",
    (0, -1): "at the top",
    (0, 1): "at the bottom",
    (-1, -1): "at the top left",
    (1, -1): "at the top right",
    (-1, 1): "at the bottom left",
    (1, 1): "at the bottom right",
}

#: backgrounds that are not plain; their word is left out of some captions, never wrong
TEXTURES = ("striped", "checkered", "dotted")


def ground_words(background: str, ground: str, rng: random.Random) -> str:
    """'blue', 'blue gradient', 'striped blue': the color always, the rest mostly."""
    if ground == "plain" or rng.random() >= 0.7:
        return background
    return f"{background} gradient" if ground == "gradient" else f"{ground} {background}"


def caption(
    icon: str,
    style: str,
    background: str,
    ground: str,
    rng: random.Random,
    small: bool = False,
    place: tuple[int, int] = (0, 0),
) -> str:
    """One caption: background in 65 %, style word in 25 %; small and out of the middle always.

    Args:
        icon: name of the concept.
        style: name of the icon set, or another word; nothing is said if empty.
        background: its color word.
        ground: plain, gradient or one of TEXTURES.
        rng: draws what is said.
        small: whether the drawing takes less than about half of the width.
        place: see PLACES; (0, 0) is the middle.
    """
    words = subject(icon, rng)
    if small:
        noun = words.removeprefix("an ").removeprefix("a ")
        words = f"a small {noun}" if noun != words else f"small {words}"
    if place != (0, 0):
        words = f"{words} {PLACES[place]}"
    elif small and rng.random() < 0.3:
        words = f"{words} in the middle"
    plain = ground_words(background, ground, rng)
    kind = rng.random()
    if kind < 0.5:
        words = f"{words} on {article(plain)} background"
    elif kind < 0.65:
        words = f"{words}, {plain} background"
    if rng.random() < 0.25 and style:
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
