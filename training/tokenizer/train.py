"""Train a small byte-pair tokenizer in CLIP's format on captions of all icon names.

    python -m training.tokenizer.train --icons training/runs/icons --out training/runs/tokenizer

The tokenizer that ships was trained in the same way on an earlier list of names (2,995 entries);
a new one needs a text encoder from scratch (no --warm in training.denoiser.train).
"""

import argparse
import json
import random
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from training.autoencoder.render import plain_names
from training.data.captions import BACKGROUNDS, TEXTURES, caption
from training.data.icons import SETS, load_sets
from training.denoiser.export import export_tokenizer
from training.denoiser.network import TOKENS

SPLIT = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
END = "</w>"


def corpus(names: list[str], each: int) -> list[str]:
    """`each` captions of every icon name."""
    rng, words = random.Random(0), list(BACKGROUNDS)
    grounds = ("plain", "plain", "gradient", *TEXTURES)
    return [
        caption(name, rng.choice(list(SETS)), rng.choice(words), rng.choice(grounds), rng)
        for name in names
        for _ in range(each)
    ]


def merges_of(texts: list[str], size: int) -> list[tuple[str, str]]:
    """Byte-pair merges learned from `texts`."""
    bpe = Tokenizer(models.BPE(end_of_word_suffix=END, continuing_subword_prefix=""))
    bpe.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        end_of_word_suffix=END,
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return [tuple(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]]


def vocabulary(merges: list[tuple[str, str]]) -> dict[str, int]:
    """Every byte with and without the end mark, the merges, the two special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    entries = [*alphabet, *(c + END for c in alphabet), *(a + b for a, b in merges)]
    entries += ["<|startoftext|>", "<|endoftext|>"]
    return {entry: i for i, entry in enumerate(dict.fromkeys(entries))}


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--icons", type=Path, default=Path("training/runs/icons"))
    parser.add_argument("--out", type=Path, default=Path("training/runs/tokenizer"))
    parser.add_argument("--size", type=int, default=4200, help="largest vocabulary")
    args = parser.parse_args()
    sets = load_sets(args.icons)
    texts = corpus(plain_names(sets["noto"]), 6)
    merges = merges_of(texts, args.size)
    tokenizer = CLIPTokenizer(vocab=vocabulary(merges), merges=merges, model_max_length=TOKENS)
    args.out.mkdir(parents=True, exist_ok=True)
    export_tokenizer(tokenizer, args.out)
    longest = max(len(tokenizer(text).input_ids) for text in texts)
    print(f"{args.out}: {len(tokenizer)} entries, longest caption {longest} tokens")


if __name__ == "__main__":
    main()
