"""What is added to a model: LoRAs, learned words (textual inversion), IP-Adapters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from dreamsampler.files import one_line, sha256
from dreamsampler.models.errors import ModelError
from dreamsampler.models.libraries import quiet
from dreamsampler.models.lora import add_loras
from dreamsampler.models.weights import check_file

_ENCODERS = {"clip_l": "", "clip_g": "_2"}


@final
@dataclass(frozen=True)
class Adapters:
    """Files that change a model.

    Args:
        lora: (file, strength) pairs; each adds strength alpha / rank B A to the weights it names.
        words: files of learned words.
    """

    lora: tuple[tuple[Path, float], ...] = ()
    words: tuple[Path, ...] = ()

    @staticmethod
    def of(
        lora: Sequence[str | Path] | Mapping[str | Path, float], words: Sequence[str | Path]
    ) -> Adapters:
        """From the arguments of `from_pretrained`.

        Raises:
            ModelError: a file is missing, or no safetensors.
        """
        if isinstance(lora, str | Path) or isinstance(words, str | Path):
            raise ModelError("lora and textual_inversion are lists: write [file]")
        pairs = lora.items() if isinstance(lora, Mapping) else [(file, 1.0) for file in lora]
        return Adapters(
            tuple((check_file(Path(f).expanduser()), float(w)) for f, w in pairs),
            tuple(check_file(Path(f).expanduser()) for f in words),
        )

    def __bool__(self) -> bool:
        return bool(self.lora or self.words)

    def recipe(self) -> dict[str, Any]:
        """Names, hashes and strengths of the files, for a recipe."""
        made: dict[str, Any] = {
            "lora": [
                {"name": path.name, "sha256": sha256(path), "strength": strength}
                for path, strength in self.lora
            ],
            "textual_inversion": [
                {"name": path.name, "sha256": sha256(path)} for path in self.words
            ],
        }
        return {name: files for name, files in made.items() if files}

    def apply(self, pipe: Any, *, text_only: bool = False) -> None:
        """Add them to the networks of a diffusers pipeline, or only to its text encoders.

        Raises:
            ModelError: a file is of another kind, or belongs to another model.
        """
        for path in self.words:
            _add_words(pipe, path)
        add_loras(pipe, self.lora, text_only=text_only)


def _add_words(pipe: Any, path: Path) -> None:
    """Add a learned word, called as its file or its key, to tokenizers and text encoders.

    The file has one tensor (n, d) under the word's name or "emb_params", or "clip_l" and "clip_g"
    for two encoders (Gal et al., "An image is worth one word", arXiv:2208.01618).
    """
    from safetensors.torch import load_file

    raw = load_file(path)
    if not hasattr(pipe, "load_textual_inversion"):
        raise ModelError(f"{type(pipe).__name__} takes no learned words: leave {path.name} out")
    if len(raw) != 1 and not set(raw) <= set(_ENCODERS):
        raise ModelError(f"{path.name} holds {len(raw)} tensors, but a learned word has one")
    for key, value in raw.items():
        end = _ENCODERS.get(key, "")
        encoder = getattr(pipe, f"text_encoder{end}", None)
        if encoder is None:
            raise ModelError(f"{path.name} is for a model with a text_encoder{end}")
        width = encoder.get_input_embeddings().weight.shape[1]
        if value.shape[-1] != width:
            raise ModelError(
                f"{path.name} holds vectors of {value.shape[-1]} numbers, but the text encoder "
                f"reads {width}: it belongs to another model"
            )
        word = path.stem if key in ("emb_params", *_ENCODERS) else key
        tokenizer = getattr(pipe, f"tokenizer{end}")
        try:
            with quiet():
                pipe.load_textual_inversion(
                    {word: value}, token=word, text_encoder=encoder, tokenizer=tokenizer
                )
        except Exception as error:
            raise ModelError(f"{path.name} cannot be added: {one_line(error)}") from None
