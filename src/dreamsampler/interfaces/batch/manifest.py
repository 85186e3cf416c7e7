"""Rows of tables and folders, one after the other, as they are; needs no torch."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dreamsampler.files import InputError, text_encoding

LONGEST_LINE = 1 << 20
"""Characters of a JSON row; a recipe has a few thousand."""
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif")
_DELIMITERS = (",", ";", "\t", "|")
_INDEX = ("", "Unnamed: 0", "__index_level_0__")
"""Names of a column with which pandas numbers rows."""
_MARKS = ("-mask", "_mask", ".mask")


def manifest_rows(path: Path, masks: Path | None = None) -> Iterator[dict[str, Any] | InputError]:
    """The rows of a manifest, read one at a time; what is no row, as the error.

    Args:
        path: .jsonl, .csv, .tsv or .parquet, or a folder of pictures.
        masks: folder of masks that belong to a folder of pictures.
    """
    if path.is_dir():
        yield from _of_folder(path, masks)
        return
    if masks is not None:
        raise InputError(
            f"masks are paired with a folder of pictures, and {path} is a table: name each row's "
            "mask_image in it"
        )
    readers = {".jsonl": _of_jsonl, ".ndjson": _of_jsonl, ".csv": _of_csv, ".tsv": _of_csv}
    readers |= {".parquet": _of_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path} is no manifest: pass a .jsonl, .csv, .tsv or .parquet file, or a folder of "
            "pictures"
        )
    if not path.is_file():
        raise InputError(f"there is no file {path}: check the name and the folder")
    try:
        yield from reader(path)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read ({reason})") from error


def _of_jsonl(path: Path) -> Iterator[dict[str, Any] | InputError]:
    with open(path, encoding=text_encoding(path)) as file:
        while line := file.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                while line and not line.endswith("\n"):
                    line = file.readline(LONGEST_LINE)
                yield InputError(f"the row has more than {LONGEST_LINE:,} characters: shorten it")
            elif line.strip():
                yield _row(line)


def _row(line: str) -> dict[str, Any] | InputError:
    try:
        row = json.loads(line, object_pairs_hook=_once)
    except InputError as error:
        return error
    except (ValueError, RecursionError) as error:
        return InputError(f"the row is no JSON ({str(error)[:80]}): write one object a line")
    if not isinstance(row, dict):
        return InputError('the row is no JSON object: write such as {"task": "edit", ...}')
    return row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; InputError if a name stands in it twice."""
    _check_names([name for name, _ in pairs], "the row")
    return dict(pairs)


def _check_names(names: list[str], what: str) -> None:
    twice = [name for i, name in enumerate(names) if name and name in names[:i]]
    if twice:
        raise InputError(f"{what} has {twice[0]!r} twice: leave one of them out")


def _of_csv(path: Path) -> Iterator[dict[str, Any] | InputError]:
    """Cells between commas, semicolons, tabs or bars: what makes most columns of the first line.

    Names of columns may be written as people do: Mask image, num-images.
    """
    with open(path, encoding=text_encoding(path), newline="") as file:
        first = next((line for line in iter(file.readline, "") if line.strip(",; \t\r\n")), "")
        separator = re.fullmatch(r"sep=(.)\s*", first)  # Excel's
        if separator is None:
            file.seek(0)
        try:
            delimiter = separator[1] if separator else max(_DELIMITERS, key=first.count)
            lines = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
            names = next((row for row in lines if any(map(str.strip, row))), [])
            names = [name if name in _INDEX else _option(name) for name in names]
        except (csv.Error, TypeError) as error:
            raise InputError(f"{path} is no CSV table ({error}): save it again") from None
        if not any(names):
            raise InputError(f"{path} has no line of column names: begin with image,prompt")
        _check_names(names, f"the first line of {path}")
        while True:
            try:
                cells = next(lines, None)
            except csv.Error as error:
                yield InputError(f"the row is no CSV ({error}): quote its cells")
                continue
            if cells is None:
                return
            cells = [cell.strip() for cell in cells]
            if any(cells):
                yield _cells(names, cells)


def _option(column: str) -> str:
    return re.sub(r"[\s-]+", "_", column.strip().lower())


def _cells(names: list[str], cells: list[str]) -> dict[str, Any] | InputError:
    """A row; an index, as pandas writes it before the first column, is no option."""
    if len(cells) > len(names) and any(cells[len(names) :]):
        return InputError(
            f"the row has {len(cells)} cells for {len(names)} columns: quote cells that hold the "
            "separator"
        )
    pairs = list(zip(names, cells, strict=False))
    pairs = pairs[1:] if names[0] in _INDEX and pairs[0][1].isdecimal() else pairs
    lost = [cell for name, cell in pairs if cell and not name]
    if lost:
        return InputError(f"{lost[0][:40]!r} stands in a column without a name: name it")
    return _present(pairs)


def _of_parquet(path: Path) -> Iterator[dict[str, Any] | InputError]:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise InputError(
            f"reading {path} takes pyarrow: pip install 'dreamsampler[batch]', or write .jsonl"
        ) from None
    try:
        table = parquet.ParquetFile(path)
        _check_names(table.schema_arrow.names, str(path))
        for batch in table.iter_batches(batch_size=256):
            for row in batch.to_pylist():
                yield _present((name, cell) for name, cell in row.items() if name not in _INDEX)
    except InputError:
        raise
    except Exception as error:  # arrow's own classes, for whatever a damaged file causes
        text = " ".join(str(error).split())[:120]
        raise InputError(f"{path} is no parquet file that can be read ({text})") from error


def _present(cells: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A row of a table without its empty cells, which pandas writes as NaN among numbers."""
    return {name: cell for name, cell in cells if cell is not None and cell != "" and cell == cell}


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
