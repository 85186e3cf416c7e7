"""Random recipes, manifests, pictures and SVG files: one line or a result, no traceback, no hang.

A quarter of the cases each. The outcome must be a result, or an error that the command line prints
in one line (ValueError, OSError, MemoryError); anything else would be a traceback, and more than
ten seconds of the processor a hang.
Every case is a function of its number: `--first N --cases 1` is that one again.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import random
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.report import header, line
from benchmarks.suites.fuzz_svg import random_svg

LONGEST = 10
"""Seconds of the processor after which a case hangs."""
FINE = (ValueError, OSError, MemoryError)
"""What `interfaces.errors` prints in one line."""


def main(cases: int = 10_000, first: int = 0) -> None:
    """Run the cases, and print what came out.

    Args:
        cases: how many.
        first: number of the first one.

    Raises:
        RuntimeError: a traceback or a hang.
    """
    warnings.simplefilter("ignore")
    import dreamsampler.generators.vector
    import dreamsampler.images.picture  # noqa: F401  # now, and not in the first case

    kinds, counts, slowest = (recipe, manifest, picture, svg), Counter(), dict[str, float]()
    signal.signal(signal.SIGVTALRM, _hangs)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        home = Path(folder)
        _seeds(home)
        for number in range(first, first + cases):
            kind = kinds[number % len(kinds)]
            began = time.perf_counter()
            counts[kind.__name__, _outcome(kind, random.Random(number), home, number)] += 1
            spent = time.perf_counter() - began
            slowest[kind.__name__] = max(spent, slowest.get(kind.__name__, 0.0))
    outcomes = ("accepted", "one line", "traceback", "hang")
    print(header("kind", *outcomes, "slowest s"))
    for kind, longest in slowest.items():
        print(line(kind, *(counts[kind, outcome] for outcome in outcomes), f"{longest:.2f}"))
    if any(outcome in ("traceback", "hang") for _, outcome in counts):
        raise RuntimeError("there was a traceback or a hang: see above")


def _outcome(kind: Any, rng: random.Random, home: Path, number: int) -> str:
    signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST)
    try:
        kind(rng, home)
    except FINE:
        return "one line"
    except _Hang:
        print(f"case {number} hangs", file=sys.stderr)
        return "hang"
    except Exception:
        print(f"case {number}:\n{traceback.format_exc()}", file=sys.stderr)
        return "traceback"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return "accepted"


class _Hang(BaseException):
    pass


def _hangs(number: int, frame: object) -> None:
    raise _Hang


def _seeds(home: Path) -> None:
    """Whole files, to be damaged."""
    rng = np.random.default_rng(0)
    for name, mode in (("a.png", "RGB"), ("b.png", "RGBA"), ("c.png", "P"), ("d.png", "I;16")):
        shape = (24, 32, 3)
        image = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
        image.convert("I" if mode == "I;16" else mode).convert(mode).save(home / name)
    for name in ("a.jpg", "a.webp", "a.tif", "a.gif", "a.bmp"):
        Image.open(home / "a.png").save(home / name)
    (home / "a.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="32" height="24" viewBox="0 0 32 24">'
        '<metadata id="dreamsampler">{"task": "edit"}</metadata><defs><linearGradient id="g">'
        '<stop offset="0" stop-color="red"/></linearGradient></defs><g transform="rotate(3)" '
        'opacity=".5"><path d="M1 1C2 3 4 5 6 7Z" fill="#ff0"/><rect x="1" y="2" width="5" '
        'height="4" rx="1" fill="url(#g)"/><circle cx="9" cy="9" r="3"/><use href="#g"/></g></svg>'
    )


# --- values ---------------------------------------------------------------------------------------

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 3, 2**63, -(2**70), 1.5, 1e308, float("nan"), float("inf"), "", " ", "x",
    "\0", "ü" * 300, "../x", "/dev/null", "s3://b/x", "http://h/x", "file:///x", "nan", "1e999", [],
    ["a"], [1, 2], [[[]]], {}, {"a": 1}, "[", "[1,2", '["a"]', "\ud800", "a" * 5000, "?", "blur(3)",
    "blur(", "mask(x)", "downsample(0)", "blur(1e9) | blur(?)", "jpeg(5)|none", "()", "a(b=c,d=?)",
    "motion(9, 400)", "noise(3)", "crop(1,2,3,4)", "gray|gray|gray",
)  # fmt: skip


def _value(rng: random.Random, home: Path) -> Any:
    if rng.random() < 0.35:
        return str(home / rng.choice(["a.png", "b.png", "a.jpg", "a.svg", "no.png", "c.png"]))
    return rng.choice(ODD)


def _options(rng: random.Random, home: Path, task: Any = "edit") -> dict[str, Any]:
    from dreamsampler.tasks import TASKS
    from dreamsampler.tasks.options import options_of

    known = isinstance(task, str) and task in TASKS and rng.random() < 0.9
    names = list(options_of(TASKS[task if known else rng.choice(list(TASKS))]))
    chosen = rng.sample(names, rng.choice([0, 0, 1, 2, 6]))
    options = {name: _value(rng, home) for name in chosen}
    if rng.random() < 0.7:  # so that some get further
        options |= {"image": str(home / "a.png"), "prompt": "cat", "operator": "blur(2)"}
        options = {name: value for name, value in options.items() if name in names}
    return options


def _recipe(rng: random.Random, home: Path) -> Any:
    from dreamsampler.tasks import TASKS

    task = rng.choice([*TASKS, *TASKS, "paint", None, 3, []])
    made: dict[str, Any] = {"task": task, "options": _options(rng, home, task)}
    for name in ("model", "input", "versions", "index", "seed", "report", "output", "dreamsampler"):
        if rng.random() < 0.3:
            odd = [{"name": _value(rng, home)}, {"sha256": "x", "files": [_value(rng, home)]}]
            made[name] = rng.choice([_value(rng, home), *odd])
    if rng.random() < 0.1:
        return rng.choice(ODD)
    return made


def _damaged(data: bytes, rng: random.Random) -> bytes:
    """Bytes with some changed, removed, repeated or put in."""
    output = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(output) + 1)
        match rng.randrange(5):
            case 0 if at < len(output):
                output[at] = rng.randrange(256)
            case 1:
                del output[at : at + rng.randint(1, 40)]
            case 2:
                output[at:at] = rng.randbytes(rng.randint(1, 20))
            case 3:
                output[at:at] = output[at : at + rng.randint(1, 40)]
            case _ if at < len(output) - 4:
                output[at : at + 4] = struct.pack(">I", rng.choice([0, 1, 2**31, 2**32 - 1, 70000]))
    return bytes(output) or b"\0"


# --- the four kinds -------------------------------------------------------------------------------


def recipe(rng: random.Random, home: Path) -> None:
    """A picture with a random recipe: listed, read, and made ready to run again."""
    from PIL.PngImagePlugin import PngInfo

    from dreamsampler.images.save import read_recipe
    from dreamsampler.interfaces.cli.history import describe, recipes_in
    from dreamsampler.interfaces.cli.replay import Replay, differences, read_task
    from dreamsampler.tasks.recipe import upgrade

    folder = home / "recipes"
    folder.mkdir(exist_ok=True)
    info, path = PngInfo(), folder / "r.png"
    text = json.dumps(_recipe(rng, home))
    info.add_itxt("dreamsampler", text[: rng.choice([len(text)] * 4 + [len(text) // 2])])
    Image.new("RGB", (16, 16)).save(path, pnginfo=info)
    for file, content in recipes_in(folder):
        describe(file, content)
    content = upgrade(read_recipe(path))
    differences(content, {"name": "iconic", "revision": "x", "dtype": "float32", "device": "cpu"})
    read_task(content, Replay(path))


def manifest(rng: random.Random, home: Path) -> None:
    """A table of random rows, whole or damaged: every row is work or a reason why not."""
    from dreamsampler.interfaces.batch.manifest import manifest_rows
    from dreamsampler.interfaces.batch.options import Batch
    from dreamsampler.interfaces.batch.rows import Row, read_rows

    rows = [_recipe(rng, home) for _ in range(rng.randint(0, 4))]
    flat = [{"task": "edit", **_options(rng, home)} for _ in range(rng.randint(0, 3))]
    kind = rng.choice(["jsonl", "csv", "parquet", "jsonl", "csv", "tsv"])
    path = home / f"m.{kind}"
    if kind == "jsonl":
        data = _written("\n".join(json.dumps(each) for each in [*rows, *flat]), rng)
    elif kind != "parquet":
        data = _table(rng, flat)
    else:
        import pyarrow
        import pyarrow.parquet

        file = io.BytesIO()
        words = ["cat", None, "\0", "x" * 100]
        table = {"task": ["edit"] * 3, "prompt": rng.choices(words, k=3), "seed": [1, 2, None]}
        pyarrow.parquet.write_table(pyarrow.table(table), file)
        data = file.getvalue()
    path.write_bytes(_damaged(data, rng) if rng.random() < 0.6 else data or b"\n")
    batch = Batch(str(path), "out", task=rng.choice(["edit", "inpaint", None, "x"]))
    for row in read_rows(manifest_rows(path), batch, home):
        if isinstance(row, Row):
            _ = row.key, row.group, row.input


def _table(rng: random.Random, rows: list[dict[str, Any]]) -> bytes:
    """Cells as spreadsheets and pandas write them, and as they should not be."""
    names = sorted({name for each in rows for name in each})
    lines = [names, *([str(each.get(name, "")) for name in names] for each in rows)]
    if rng.random() < 0.2:  # pandas' index
        lines = [[rng.choice(["", "Unnamed: 0"]) if i == 0 else str(i), *each]
                 for i, each in enumerate(lines)]  # fmt: skip
    if rng.random() < 0.3:
        spoil = rng.choice(
            [
                lambda cell: f" {cell} ",
                lambda cell: cell.replace(".", ","),
                lambda cell: cell + "\n",
                lambda cell: f"[{cell}]",
                lambda cell: f"é—{cell}",
            ]
        )
        lines = [[spoil(cell) if rng.random() < 0.3 else cell for cell in line] for line in lines]
    if rng.random() < 0.1:
        lines[0] = [name.upper() for name in lines[0]] + lines[0][:1]
    file, delimiter = io.StringIO(), rng.choice(",,;;\t|")
    file.write(f"sep={delimiter}\n" if rng.random() < 0.1 else "")
    csv.writer(file, rng.choice(["excel", "unix"]), delimiter=delimiter).writerows(lines)
    return _written(file.getvalue(), rng)


def _written(text: str, rng: random.Random) -> bytes:
    encodings = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "utf-32")
    return text.encode(rng.choice(encodings), "replace")


def picture(rng: random.Random, home: Path) -> None:
    """A damaged picture: its header, its pixels, its recipe, itself as a mask."""
    from dreamsampler.images.header import check_picture
    from dreamsampler.images.picture import open_mask, open_picture
    from dreamsampler.images.save import read_recipe

    name = rng.choice([p.name for p in sorted(home.glob("[a-d].*")) if p.suffix != ".svg"])
    data = _damaged((home / name).read_bytes(), rng)
    if name.endswith(".png") and rng.random() < 0.4:  # with checksums that are right again
        data = _resealed((home / name).read_bytes(), rng)
    path = home / f"x{Path(name).suffix}"
    path.write_bytes(data)
    with contextlib.suppress(*FINE):
        read_recipe(path)
    check_picture(path)
    open_mask(path, open_picture(path))


def _resealed(data: bytes, rng: random.Random) -> bytes:
    """A PNG with one damaged chunk whose checksum fits."""
    parts, place, chunks = [data[:8]], 8, []
    while place + 12 <= len(data):
        (size,) = struct.unpack(">I", data[place : place + 4])
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + size]))
        place += 12 + size
    spoiled = rng.randrange(len(chunks))
    for i, (name, body) in enumerate(chunks):
        new = _damaged(body or b"\0", rng) if i == spoiled else body
        check = struct.pack(">I", zlib.crc32(name + new))
        parts.append(struct.pack(">I", len(new)) + name + new + check)
    return b"".join(parts)


def svg(rng: random.Random, home: Path) -> None:
    """A damaged, rearranged or random SVG: read as paths, and for its recipe."""
    from dreamsampler.generators.vector import read_svg
    from dreamsampler.images.save import read_recipe

    data = (home / "a.svg").read_bytes()
    if rng.random() < 0.5:
        data = random_svg(rng)
    elif rng.random() < 0.5:
        text = data.decode()
        for _ in range(rng.randint(1, 4)):
            old = rng.choice(['width="32"', "1 1C2 3 4 5 6 7Z", "rotate(3)", 'r="3"', ".5", "#g"])
            new = rng.choice(
                ["", "nan", "1e400", "-5", "99999999", 'width="1e9"', "M0 0A1 1 0 0 0 9 9", "%",
                 "matrix(0 0 0 0 0 0)", "scale(1e300)", "M" + "1 " * 500, '"><g>', "#h", "é"]
            )  # fmt: skip
            text = text.replace(old, new, 1)
        data = text.encode()
    else:
        data = _damaged(data, rng)
    path = home / "x.svg"
    path.write_bytes(data)
    with contextlib.suppress(*FINE):
        read_recipe(path)
    read_svg(path, size=64)
