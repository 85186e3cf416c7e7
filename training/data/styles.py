"""Further drawings of the concepts: four more icon sets, and each drawing outlined or flat.

A set names its icons in its own way; `names_of` finds those that show a concept. `outlined` and
`flat` change the style of an SVG body and keep its caption true.
"""

import re
from functools import partial

from training.data.concepts import icon_names

#: what the denoiser is trained on: set -> (how often, whether `outlined` suits it, and `flat`)
TRAINED = {
    "noto": (2.0, False, True),
    "twemoji": (1.0, True, False),
    "fluent": (1.0, True, False),
    "fluent-color": (1.0, False, False),
    "noto-v1": (1.0, True, False),
    "fxemoji": (1.0, True, False),
    "streamline": (2.0, False, False),
}
#: style word in captions of a set that is drawn with outlines, and of outlined drawings
OUTLINED = "outlined"
#: FxEmoji's names that no rule finds; the empty ones are drawn wrong or show something else
FXEMOJI = {
    "grinning-face": "grinwide",
    "slightly-smiling-face": "smallsmile",
    "smiling-face-with-heart-eyes": "hearteyes",
    "crying-face": "crying",
    "winking-face": "winking",
    "face-with-tongue": "tongueout",
    "angry-face": "angry",
    "sleeping-face": "sleeping",
    "neutral-face": "neutral",
    "smiling-face-with-halo": "halo",
    "face-with-tears-of-joy": "grintears",
    "loudly-crying-face": "loudlycrying",
    "slightly-frowning-face": "smallfrown",
    "face-with-medical-mask": "medicalmask",
    "face-with-open-mouth": "openmouth",
    "full-moon-face": "fullmoonwithface",
    "snowman": "snowmanwithoutsnow",
    "cat-face": "cat",
    "dog-face": "dog",
    "bear": "bear",
    "panda": "pandaface",
    "tiger-face": "tiger",
    "fox": "foxgrin",
    "wolf": "wolfface",
    "rabbit-face": "bunny",
    "mouse-face": "mouse",
    "pig-face": "pig",
    "hamster": "hampster",
    "cat": "catside",
    "dog": "dogside",
    "tiger": "tigerside",
    "pizza": "sliceofpizza",
    "blue-heart": "",
    "green-heart": "heartgreen",
    "yellow-heart": "heartyellow",
    "purple-heart": "heartpurple",
    "racing-car": "racecar",
    "sun": "sunrays",
    "tennis": "tennisball",
    "house": "housebuilding",
    "evergreen-tree": "evergreen",
    "gem-stone": "gem",
    "wrapped-gift": "present",
    "sailboat": "",
    "rainbow": "",
}
#: further drawings that do not show what they are called
WRONG = {
    "noto-v1": {"red-heart", "broken-heart", "basketball", "automobile"},
    "streamline": {"cloud-2", "birthday-cake-3", "rainbow"},
}
_GRADIENT = re.compile(r"<(linear|radial)Gradient\b([^>]*?)(/>|>(.*?)</\1Gradient>)", re.DOTALL)
_UNPAINTED = re.compile(r'<path fill="none" d="[^"]*"\s*/>')
_STOP = re.compile(r"<stop\b([^>]*)>")
_NAMED = {"white": "ffffff", "black": "000000", "red": "ff0000", "gold": "ffd700"}


def names_of(style: str, data: dict) -> dict[str, list[str]]:
    """Concept -> the set's drawings of it; concepts without one are left out."""
    icons = data["icons"]
    output = {}
    for name in icon_names():
        if style == "fxemoji":
            groups = [[FXEMOJI.get(name, name.replace("-", ""))]]
        else:
            groups = [
                [stem, *(f"{stem}-{k}" for k in (1, 2, 3))] for stem in (name, name + "-face")
            ]
        found = [[n for n in group if n in icons] for group in groups]
        first = [n for n in next(filter(None, found), []) if n not in WRONG.get(style, ())]
        if first:
            output[name] = first
    return output


def outlined(data: dict, name: str, width: float = 0.022) -> str:
    """The SVG body with a dark line of `width` (of the picture's) around each filled shape."""
    icon = data["icons"][name]
    side = icon.get("width", data.get("width", 16))
    body = _UNPAINTED.sub("", icon["body"])
    return (
        f'<g transform="translate({0.02 * side:.4g} {0.02 * side:.4g}) scale(0.96)" '
        f'stroke="#1d1d1b" stroke-width="{width * side:.3g}" stroke-linejoin="round" '
        f'stroke-linecap="round">{body}</g>'
    )


def flat(data: dict, name: str) -> str:
    """The SVG body with the mean color of its stops in place of each gradient."""
    body = data["icons"][name]["body"]
    paints: dict[str, str] = {}
    hrefs: dict[str, str] = {}
    for found in _GRADIENT.finditer(body):
        head, inside = found[2], found[4] or ""
        named = re.search(r'\bid="([^"]+)"', head)
        link = re.search(r'href="#([^"]+)"', head)
        colors = [color for stop in _STOP.findall(inside) if (color := _color(stop)) is not None]
        if named and colors:
            mean = [round(sum(channel) / len(colors)) for channel in zip(*colors, strict=True)]
            opaque = mean[3] > 127
            paints[named[1]] = "#{:02x}{:02x}{:02x}".format(*mean[:3]) if opaque else "none"
        elif named and link:
            hrefs[named[1]] = link[1]
    for name_, source in hrefs.items():
        if source in paints:
            paints[name_] = paints[source]
    paint = partial(re.sub, r"url\(#([^)]+)\)")
    return paint(lambda found: paints.get(found[1], found[0]), body)


def _color(stop: str) -> tuple[int, int, int, int] | None:
    """RGBA of a gradient's stop; None for a notation that the sets do not use."""
    found = re.search(r'stop-color="(#?[0-9A-Za-z]+)"', stop)
    text = found[1].lstrip("#") if found else "000000"
    text = _NAMED.get(text, text)
    text = "".join(2 * each for each in text) if len(text) == 3 else text
    if not re.fullmatch("[0-9A-Fa-f]{6}", text):
        return None
    alpha = re.search(r'stop-opacity="([0-9.]+)"', stop)
    red, green, blue = (int(text[k : k + 2], 16) for k in (0, 2, 4))
    return red, green, blue, round(255 * float(alpha[1] if alpha else 1))
