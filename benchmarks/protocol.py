"""What a suite is measured on: pictures by their hashes, prompts, masks, seeds, metrics."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final

from torch import Tensor

from dreamsampler.files import InputError, sha256, write_whole

HERE = Path(__file__).parent
"""The folder `benchmarks`, to which the paths of a frozen protocol are relative."""
FROZEN = HERE / "protocols"


@final
@dataclass(frozen=True)
class Item:
    """One input of a suite.

    Args:
        id: short, safe as a file's name.
        image: the picture, relative to the protocol's folder.
        sha256: of that file.
        seed: of the noise.
        source_prompt: what it shows.
        target_prompt: what it should show.
        target: the judge's word for that; empty where there is none.
        mask_sha256: of the pixels that a metric reads, as bytes of 0 and 1.
        more: what else a suite needs, of plain values.
    """

    id: str
    image: str
    sha256: str
    seed: int
    source_prompt: str = ""
    target_prompt: str = ""
    target: str = ""
    mask_sha256: str = ""
    more: dict[str, Any] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Protocol:
    """A suite's items and metrics; results are compared only if their digests are equal.

    Args:
        suite: name.
        version: grows with every change of what is measured, or how.
        measures: name -> version of its definition.
        judge: SHA-256 of the judge's weights; empty where it is not used.
        items: all of them.
        folder: what the items' paths are relative to; not part of the digest.
    """

    suite: str
    version: int
    measures: dict[str, int]
    judge: str
    items: tuple[Item, ...]
    folder: Path = HERE

    @property
    def digest(self) -> str:
        """SHA-256 of everything but the folder, as canonical JSON."""
        return digest(self.plain())

    def plain(self) -> dict[str, Any]:
        """Everything but the folder, as plain values."""
        values = asdict(self)
        del values["folder"]
        return values

    def check(self, items: Iterable[Item]) -> None:
        """InputError if a picture is not the one that was frozen."""
        for item in items:
            path = self.folder / item.image
            if not path.is_file() or sha256(path) != item.sha256:
                raise InputError(
                    f"{path} is missing or changed since the protocol {self.suite} was frozen: "
                    "restore it from the repository (git checkout)"
                )

    def write(self) -> None:
        """Write it into `protocols/`, one item a line."""
        values = self.plain()
        items = [json.dumps(each, ensure_ascii=False) for each in values.pop("items")]
        head = json.dumps(values, ensure_ascii=False)[:-1]
        text = f'{head}, "items": [\n' + ",\n".join(items) + "\n]}\n"
        write_whole(FROZEN / f"{self.suite}.json", text.encode())


def digest(plain: Any) -> str:
    """SHA-256 of plain values, whatever the order of their keys.

    Example:
        >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
        True
    """
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of(mask: Tensor) -> str:
    """SHA-256 of a mask's bytes, 0 or 1 a pixel."""
    return hashlib.sha256((mask > 0.5).byte().contiguous().numpy().tobytes()).hexdigest()


def frozen(suite: str) -> Protocol:
    """The protocol of that name, as committed.

    Raises:
        InputError: a file that is no protocol.
    """
    path = FROZEN / f"{suite}.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        items = tuple(Item(**each) for each in values.pop("items"))
        return Protocol(**values, items=items)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} is no protocol ({error}): restore it (git checkout)") from error


def spread(items: list[Item]) -> tuple[Item, ...]:
    """Items in an order whose every prefix (`--limit`) is spread over their kinds."""
    order = sorted(range(len(items)), key=lambda i: (i * 7 % len(items), i))
    return tuple(items[i] for i in order)


def listed(name: str) -> list[dict[str, Any]]:
    """The rows of a list of pictures in this folder, such as edit_pairs.json."""
    return json.loads((HERE / name).read_text(encoding="utf-8"))
