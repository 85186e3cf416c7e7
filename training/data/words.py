"""The words of all captions, for the list that ships with the model.

    python -m training.data.words

writes words.txt, a word a line, and concepts.txt, which are prompts, into
src/dreamsampler/models/bundled; `training.denoiser.export` does so too. Captions are drawn at
random, many more than there are words.
"""

import random
from pathlib import Path

from dreamsampler.generators.field.camera import view_word
from dreamsampler.models.words import FILE, split_words
from training.data.captions import BACKGROUNDS, PLACES, TEXTURES, caption, object_caption
from training.data.catalog import draw
from training.data.concepts import icon_names, title

STYLES = ("noto", "twemoji", "fluent")
DRAWS = 40
OBJECTS = 3000


def words() -> list[str]:
    """Every word that the captions of `training.denoiser.dataset` have, sorted."""
    rng, found = random.Random(0), set[str]()
    grounds = ["plain", "gradient", *TEXTURES]
    for icon in icon_names():
        for _ in range(DRAWS):
            style, color, ground = (rng.choice(list(n)) for n in (STYLES, BACKGROUNDS, grounds))
            place = rng.choice([(0, 0), *PLACES])
            said = caption(icon, style, color, ground, rng, rng.random() < 0.5, place)
            found.update(split_words(said))
    for _ in range(OBJECTS):
        label = {
            "words": draw(rng).words,
            "view": view_word(rng.uniform(0, 360), rng.uniform(0, 90)),
            "background": rng.choice(list(BACKGROUNDS)),
            "gradient": rng.random() < 0.5,
        }
        found.update(split_words(object_caption(label, rng)))
    return sorted(found)


def write_words(folder: Path) -> int:
    """Write the lists into a model's folder; returns how many words there are."""
    found = words()
    concepts = "".join(f"{title(name)}\n" for name in icon_names())
    (folder / "concepts.txt").write_text(concepts, encoding="utf-8")
    (folder / FILE).write_text("\n".join(found) + "\n", encoding="utf-8")
    return len(found)


if __name__ == "__main__":
    print(write_words(Path("src/dreamsampler/models/bundled")), "words")
