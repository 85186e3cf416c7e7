"""Encoded shards and their tokenized captions; new shards are picked up while training runs."""

import json
import random
from pathlib import Path

import numpy as np
import torch
from captions import caption
from concepts import icon_names, weights
from model import TOKENS

CAPTIONS = 6
RENDERED = dict(zip(icon_names(), weights(), strict=True))


class Latents:
    """All shards found in a folder: latents (float16) and CAPTIONS tokenized captions for each."""

    def __init__(self, folder: Path, tokenizer, often: dict[str, int] | None = None) -> None:
        """Load what is there; call `refresh` later for more.

        Args:
            folder: where the shards are.
            tokenizer: turns captions into ids.
            often: style word -> how many times as often its pictures are drawn (default once);
                "rare" stands for the concepts that were rendered least.
        """
        self.folder, self.tokenizer, self.often = Path(folder), tokenizer, often or {}
        self.order = torch.empty(0, dtype=torch.long)
        self.seen: set[str] = set()
        self.latents = torch.empty(0, 8, 16, 16, dtype=torch.float16)
        self.tokens = torch.empty(0, CAPTIONS, TOKENS, dtype=torch.int32)
        self.empty = self._tokenize([""])[0]
        self.refresh()

    def _times(self, icon: str, style: str) -> int:
        rare = self.often.get("rare", 1) if RENDERED[icon] <= 1 else 1
        return rare * self.often.get(style, 1)

    def _tokenize(self, texts: list[str]) -> torch.Tensor:
        found = self.tokenizer(texts, padding="max_length", max_length=TOKENS, truncation=True)
        return torch.tensor(found.input_ids, dtype=torch.int32)

    def refresh(self) -> int:
        """Add shards that have appeared; returns how many pictures there are now."""
        for path in sorted(self.folder.glob("latents_*.npy")):
            if path.name in self.seen:
                continue
            number = path.stem.split("_")[1]
            labels = json.loads((self.folder / f"labels_{number}.json").read_text())
            rng = random.Random(int(number))
            texts = [caption(*label, rng) for label in labels for _ in range(CAPTIONS)]
            tokens = self._tokenize(texts).view(-1, CAPTIONS, TOKENS)
            rows = [
                row
                for row, label in enumerate(labels, start=len(self.latents))
                for _ in range(self._times(label[0], label[1]))
            ]
            self.order = torch.cat([self.order, torch.tensor(rows)])
            self.latents = torch.cat([self.latents, torch.from_numpy(np.load(path))])
            self.tokens = torch.cat([self.tokens, tokens])
            self.seen.add(path.name)
        return len(self.latents)

    def batch(self, size: int, dropout: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Random latents [size, 8, 16, 16] float32 and token ids [size, TOKENS]."""
        rows = self.order[torch.randint(0, len(self.order), (size,))]
        ids = self.tokens[rows, torch.randint(0, CAPTIONS, (size,))].long()
        ids[torch.rand(size) < dropout] = self.empty.long()
        z = self.latents[rows].float()
        return z.contiguous(memory_format=torch.channels_last), ids
