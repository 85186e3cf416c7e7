"""Encoded shards and their tokenized captions; new shards are picked up while training runs."""

import json
import random
from pathlib import Path

import numpy as np
import torch

from training.data.captions import caption, object_caption
from training.data.concepts import icon_names, weights
from training.denoiser.network import TOKENS

CAPTIONS = 6
RENDERED = dict(zip(icon_names(), weights(), strict=True))


def captions_of(label: dict, rng: random.Random) -> list[str]:
    """CAPTIONS true captions of an icon's label or an object's."""
    if "icon" not in label:
        return [object_caption(label, rng) for _ in range(CAPTIONS)]
    said = {**label, "place": tuple(label.get("place", (0, 0)))}
    return [caption(**said, rng=rng) for _ in range(CAPTIONS)]


class Latents:
    """All shards found in a folder: latents (float16) and CAPTIONS tokenized captions for each."""

    def __init__(
        self,
        folder: Path,
        tokenizer,
        often: dict[str, int] | None = None,
        device: str = "cpu",
    ) -> None:
        """Load what is there; call `refresh` later for more.

        Args:
            folder: where the shards are.
            tokenizer: turns captions into ids.
            often: style word -> how many times as often its pictures are drawn (default once);
                "rare" stands for the concepts that were rendered least. Objects have no style.
            device: where the latents are kept and batches are drawn.
        """
        self.folder, self.tokenizer, self.often = Path(folder), tokenizer, often or {}
        self.device = device
        self.order = torch.empty(0, dtype=torch.long, device=device)
        self.loaded: set[str] = set()
        self.latents = torch.empty(0, 8, 16, 16, dtype=torch.float16, device=device)
        self.tokens = torch.empty(0, CAPTIONS, TOKENS, dtype=torch.int32, device=device)
        self.empty = self._tokenize([""])[0].long()
        self.refresh()

    def __len__(self) -> int:
        """How many pictures there are."""
        return len(self.latents)

    def _times(self, label: dict) -> int:
        if "icon" not in label:
            return 1
        rare = self.often.get("rare", 1) if RENDERED[label["icon"]] <= 1 else 1
        return rare * self.often.get(label["style"], 1)

    def _tokenize(self, texts: list[str]) -> torch.Tensor:
        output = self.tokenizer(texts, padding="max_length", max_length=TOKENS, truncation=True)
        return torch.tensor(output.input_ids, dtype=torch.int32, device=self.device)

    def refresh(self) -> int:
        """Add shards that have appeared; returns how many pictures there are now."""
        for path in sorted(self.folder.glob("latents_*.npy")):
            if path.name in self.loaded:
                continue
            number = path.stem.split("_")[1]
            labels = json.loads((self.folder / f"labels_{number}.json").read_text())
            rng = random.Random(int(number))
            texts = [text for label in labels for text in captions_of(label, rng)]
            rows = [
                row
                for row, label in enumerate(labels, start=len(self.latents))
                for _ in range(self._times(label))
            ]
            more = torch.from_numpy(np.load(path)).to(self.device)
            self.order = torch.cat([self.order, torch.tensor(rows, device=self.device)])
            self.latents = torch.cat([self.latents, more])
            self.tokens = torch.cat([self.tokens, self._tokenize(texts).view(-1, CAPTIONS, TOKENS)])
            self.loaded.add(path.name)
        return len(self.latents)

    def batch(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Random latents [size, 8, 16, 16] float32 and token ids [size, TOKENS]."""
        drawn = torch.randint(0, len(self.order), (size,), device=self.device)
        rows = self.order[drawn]
        which = torch.randint(0, CAPTIONS, (size,), device=self.device)
        return self.latents[rows].float(), self.tokens[rows, which].long()


class Mixture:
    """Icons and 3D objects in fixed shares of a batch; icons alone while there are no objects."""

    def __init__(self, icons: Latents, objects: Latents | None, share: float) -> None:
        """`share` of each batch is objects, in [0, 1]."""
        self.icons, self.objects, self.share = icons, objects, share
        if not len(icons):
            raise SystemExit(
                f"no latents in {icons.folder}: run training.data.render and "
                "training.denoiser.encode first"
            )

    def refresh(self) -> None:
        """Add shards that have appeared."""
        self.icons.refresh()
        if self.objects is not None:
            self.objects.refresh()

    def sizes(self) -> str:
        """'8000+4000': pictures of icons and of objects."""
        return f"{len(self.icons)}+{0 if self.objects is None else len(self.objects)}"

    def batch(self, size: int, dropout: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents [size, 8, 16, 16] and ids [size, TOKENS], a share `dropout` of them empty."""
        count = 0
        if self.objects is not None and len(self.objects):
            expected = size * self.share  # rounded up or down at random, right on average
            count = int(expected) + int(torch.rand(()).item() < expected % 1)
        parts = [self.icons.batch(size - count)]
        if count:
            parts.append(self.objects.batch(count))
        z, ids = (torch.cat(columns) for columns in zip(*parts, strict=True))
        ids[torch.rand(size, device=ids.device) < dropout] = self.icons.empty
        return z.contiguous(memory_format=torch.channels_last), ids
