"""One JSON file an item and row: what was measured, with what; a run goes on where it ended."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.protocol import Item, Protocol, digest
from dreamsampler.files import write_whole
from dreamsampler.tasks.recipe import versions


@final
@dataclass(frozen=True)
class Row:
    """A method with its settings: a row of the table, or a point of a curve.

    Args:
        key: short, safe as a folder's name.
        method: what the table calls it.
        kind: published (its own defaults), ours, or sweep (a point of its curve).
        settings: plain values; with the method they decide the result.
    """

    key: str
    method: str
    kind: str
    settings: dict[str, Any] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Result:
    """What a row made of an item.

    Args:
        measures: name -> number.
        evaluations: of the network.
        seconds: of one core.
        picture: (3, h, w) in [0, 1], where there is one.
        files: end of the name -> what else was made, kept beside the picture.
    """

    measures: dict[str, float]
    evaluations: int
    seconds: float
    picture: Tensor | None = None
    files: dict[str, bytes] = field(default_factory=dict)


@final
class Records:
    """The folder of a run.

    A record counts as done only under the same protocol, settings and model, so results that may
    not be compared are never mixed.

    Args:
        folder: OUT/records/ROW/ITEM.json and OUT/pictures/ROW/ITEM.png.
        protocol: of the suite.
        model: plain values that tell models apart.
        machine: what measures (`machine_of`); a record counts wherever it was measured.
    """

    def __init__(
        self,
        folder: Path,
        protocol: Protocol,
        model: dict[str, Any],
        machine: dict[str, str] | None = None,
    ) -> None:
        self.folder, self.protocol, self.model = folder, protocol, model
        self._machine = machine_of(None) if machine is None else machine
        self._protocol = protocol.digest

    def read(self, row: Row, item: Item) -> dict[str, Any] | None:
        """The record, if it is of this protocol, these settings and this model."""
        try:
            record = json.loads(self._path(row, item).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        valid = isinstance(record, dict) and record.get("key") == self._key(row, item)
        return record if valid else None

    def all(self, row: Row, items: Sequence[Item]) -> list[dict[str, Any]]:
        """Every record of a row that there is, in the order of the items."""
        return [record for item in items if (record := self.read(row, item)) is not None]

    def write(self, row: Row, item: Item, result: Result) -> None:
        """Picture first, so that a record always has one."""
        if result.picture is not None:
            self.picture(row, item).parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.picture(row, item), png(result.picture))
        for end, content in result.files.items():
            write_whole(self.picture(row, item).with_suffix(f".{end}"), content)
        record = {
            "key": self._key(row, item),
            "suite": self.protocol.suite,
            "protocol": self._protocol,
            "row": asdict(row),
            "item": asdict(item),
            "model": self.model,
            "measures": result.measures,
            "evaluations": result.evaluations,
            "seconds": round(result.seconds, 3),
            "versions": versions(),
            "machine": self._machine,
        }
        write_whole(self._path(row, item), json.dumps(record, indent=1, allow_nan=False).encode())

    def picture(self, row: Row, item: Item) -> Path:
        """Where its picture is."""
        return self.folder / "pictures" / row.key / f"{item.id}.png"

    def _path(self, row: Row, item: Item) -> Path:
        return self.folder / "records" / row.key / f"{item.id}.json"

    def _key(self, row: Row, item: Item) -> str:
        return digest([self._protocol, row.method, row.settings, self.model, item.id])


def png(picture: Tensor) -> bytes:
    """A picture (3, h, w) in [0, 1] as a file."""
    pixels = (picture.permute(1, 2, 0).clamp(0, 1).numpy() * 255).round().astype(np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def machine_of(prior: Any) -> dict[str, str]:
    """What computed: kind of device and its name; no host."""
    device = getattr(prior, "device", None)
    kind = getattr(device, "type", "cpu")
    name = torch.cuda.get_device_name(device) if kind == "cuda" else _processor()
    return {"architecture": platform.machine(), "device": kind, "name": name}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
