"""Rows of tables and folders, one after the other, as they are; needs no torch."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dreamsampler.files import InputError

LONGEST_LINE = 1 << 20
"""Characters of a JSON row; a recipe has a few thousand."""
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif")
_MARKS = ("-mask", "_mask", ".mask")


def manifest_rows(path: Path, masks: Path | None = None) -> Iterator[dict[str, Any] | InputError]:
    """The rows of a manifest, read one at a time; what is no row, as the error.

    Args:
        path: .jsonl, .csv or .parquet, or a folder of pictures.
        masks: folder of masks that belong to a folder of pictures.

    Raises:
        InputError: the manifest itself cannot be read.
    """
    if path.is_dir():
        yield from _of_folder(path, masks)
        return
    if masks is not None:
        raise InputError(
            f"masks are paired with a folder of pictures, and {path} is a table: name each row's "
            "mask_image in it"
        )
    readers = {".jsonl": _of_jsonl, ".ndjson": _of_jsonl, ".csv": _of_csv, ".parquet": _of_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path} is no manifest: pass a .jsonl, .csv or .parquet file, or a folder of pictures"
        )
    if not path.is_file():
        raise InputError(f"there is no file {path}: check the name and the folder")
    try:
        yield from reader(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})") from error


def _of_jsonl(path: Path) -> Iterator[dict[str, Any] | InputError]:
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        while line := file.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                while line and not line.endswith("\n"):
                    line = file.readline(LONGEST_LINE)
                yield InputError(f"the row has more than {LONGEST_LINE:,} characters: shorten it")
            elif line.strip():
                yield _row(line)


def _row(line: str) -> dict[str, Any] | InputError:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return InputError(f"the row is no JSON ({str(error)[:80]}): write one object a line")
    if not isinstance(row, dict):
        return InputError('the row is no JSON object: write such as {"task": "edit", ...}')
    return row


def _of_csv(path: Path) -> Iterator[dict[str, Any] | InputError]:
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = csv.reader(file)
        try:
            names = [name.strip() for name in next(lines, [])]
        except csv.Error as error:
            raise InputError(f"{path} is no CSV table ({error}): save it again") from None
        if not any(names):
            raise InputError(f"{path} has no line of column names: begin with image,prompt")
        while True:
            try:
                cells = next(lines, None)
            except csv.Error as error:
                yield InputError(f"the row is no CSV ({error}): quote its cells")
                continue
            if cells is None:
                return
            if len(cells) > len(names):
                yield InputError(
                    f"the row has {len(cells)} cells for {len(names)} columns: quote commas"
                )
            elif any(cells):
                yield _present(zip(names, cells, strict=False))


def _of_parquet(path: Path) -> Iterator[dict[str, Any] | InputError]:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise InputError(
            f"reading {path} takes pyarrow: pip install 'dreamsampler[batch]', or write .jsonl"
        ) from None
    try:
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=256):
            for row in batch.to_pylist():
                yield _present(row.items())
    except Exception as error:  # arrow's own classes, for whatever a damaged file causes
        text = " ".join(str(error).split())[:120]
        raise InputError(f"{path} is no parquet file that can be read ({text})") from error


def _present(cells: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A row of a table without its empty cells."""
    return {name: value for name, value in cells if value is not None and value != ""}


def _of_folder(folder: Path, masks: Path | None) -> Iterator[dict[str, Any]]:
    pictures = _pictures(folder)
    found = {path.stem: path for path in _pictures(masks)} if masks is not None else {}
    if masks is None:
        marked = {_unmarked(path.stem): path for path in pictures if _unmarked(path.stem)}
        stems = {path.stem for path in pictures}
        found = {stem: path for stem, path in marked.items() if stem in stems}
        pictures = [path for path in pictures if path not in found.values()]
    for path in pictures:
        mask = found.get(path.stem)
        yield {"image": str(path)} | ({"mask_image": str(mask)} if mask is not None else {})


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: check its name")
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURES and not path.name.startswith(".") and path.is_file()
    )


def _unmarked(stem: str) -> str:
    """cat-mask belongs to cat; nothing for what is no mask."""
    return next((stem.removesuffix(mark) for mark in _MARKS if stem.endswith(mark)), "")
