"""Write the StableDiffusionPipeline folder that ships with the package (fp16 safetensors).

    python -m training.denoiser.export --vae PATH --out src/dreamsampler/models/bundled

The text encoder's keys keep the `text_model.` prefix and the tokenizer has vocab.json and
merges.txt beside tokenizer.json: the folder loads under transformers 4.57 and 5 alike.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from training.data.words import write_words
from training.denoiser import network as model

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.37.0",
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
LIMIT_MB = 60


def write_json(path: Path, content: dict) -> None:
    """Indented, with a newline at the end."""
    path.write_text(json.dumps(content, indent=2) + "\n")


def clean_config(path: Path, drop: tuple[str, ...] = ("_name_or_path",)) -> None:
    """Remove what names the machine."""
    config = {k: v for k, v in json.loads(path.read_text()).items() if k not in drop}
    write_json(path, config)


def export_tokenizer(tokenizer, folder: Path) -> None:
    """tokenizer.json, vocab.json, merges.txt and configs that both transformers understand."""
    tokenizer.save_pretrained(folder)
    if not (folder / "vocab.json").exists():
        tokenizer.backend_tokenizer.model.save(str(folder))
    special = {
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
    }
    write_json(folder / "special_tokens_map.json", special)
    config = special | {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": model.TOKENS,
        "do_lower_case": True,
        "add_prefix_space": False,
        "errors": "replace",
        "clean_up_tokenization_spaces": False,
    }
    write_json(folder / "tokenizer_config.json", config)


def export_text_encoder(text: torch.nn.Module, folder: Path) -> None:
    """Weights with prefixed keys, and their configuration."""
    text.config.architectures = ["CLIPTextModel"]
    text.save_pretrained(folder)
    path = folder / "model.safetensors"
    weights = {k.removeprefix("text_model."): v for k, v in load_file(path).items()}
    weights = {"text_model." + k: v for k, v in weights.items() if "position_ids" not in k}
    save_file(weights, path, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config |= {"dtype": "float16", "torch_dtype": "float16"}
    config.pop("transformers_version", None)
    write_json(folder / "config.json", config)


def export(run: Path, vae: Path, tokenizer: Path, out: Path) -> int:
    """Write everything but the model card; returns the step of the checkpoint."""
    words = model.load_tokenizer(tokenizer)
    text, unet = model.build(words)
    flat, step = model.latest(run)
    model.unflatten(flat, text, unet)
    for part in ("vae", "unet", "text_encoder", "tokenizer", "scheduler"):
        shutil.rmtree(out / part, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    unet.half().save_pretrained(out / "unet")
    AutoencoderKL.from_pretrained(vae).half().save_pretrained(out / "vae")
    for part in ("unet", "vae"):
        clean_config(out / part / "config.json")
    export_text_encoder(text.half(), out / "text_encoder")
    export_tokenizer(words, out / "tokenizer")
    model.scheduler().save_pretrained(out / "scheduler")
    write_json(out / "model_index.json", INDEX)
    write_words(out)
    for weights in out.rglob("*.safetensors"):
        weights.chmod(0o644)
    return step


def main() -> None:
    """Export and check the size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("training/runs/denoiser"))
    parser.add_argument("--vae", type=Path, required=True, help="folder of the autoencoder")
    parser.add_argument("--tokenizer", type=Path, default=Path("training/runs/tokenizer"))
    parser.add_argument("--out", type=Path, default=Path("src/dreamsampler/models/bundled"))
    args = parser.parse_args()
    step = export(args.run, args.vae, args.tokenizer, args.out)
    size = sum(f.stat().st_size for f in args.out.rglob("*") if f.is_file()) / 1e6
    print(f"{args.out}: step {step}, {size:.1f} MB")
    if size > LIMIT_MB:
        raise SystemExit(f"larger than {LIMIT_MB} MB")


if __name__ == "__main__":
    main()
