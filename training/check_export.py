"""Load an exported folder with plain diffusers and compare it with what another version computed.

python training/check_export.py --pipeline DIR --write reference.safetensors
other-venv/bin/python training/check_export.py --pipeline DIR --compare reference.safetensors
"""

import argparse
from pathlib import Path

import torch
import transformers
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

PROMPTS = [
    "cat face on a light blue background",
    "smiling face with sunglasses, noto style",
    "Zebra & unicorn 42 café!",
    "",
]


def fingerprint(folder: Path) -> dict[str, torch.Tensor]:
    """Token ids, text embeddings and one 4-step picture, in float32."""
    pipe = StableDiffusionPipeline.from_pretrained(str(folder)).to(torch.float32)
    pipe.set_progress_bar_config(disable=True)
    length = pipe.tokenizer.model_max_length
    ids = pipe.tokenizer(
        PROMPTS, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    ).input_ids
    with torch.no_grad():
        embeddings = pipe.text_encoder(ids).last_hidden_state
    seed = torch.Generator().manual_seed(0)
    array = pipe(PROMPTS[0], num_inference_steps=4, generator=seed, output_type="np").images[0]
    return {"ids": ids, "embeddings": embeddings, "picture": torch.from_numpy(array).contiguous()}


def main() -> None:
    """Write or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pipeline", type=Path, required=True)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--compare", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = fingerprint(args.pipeline)
    print(
        f"transformers {transformers.__version__}: loads, picture {tuple(found['picture'].shape)}"
    )
    if args.write:
        save_file(found, args.write)
    if args.compare:
        for name, wanted in load_file(args.compare).items():
            apart = (found[name].double() - wanted.double()).abs().max().item()
            print(f"{name}: largest difference {apart:.2e}")
            if apart > 1e-4:
                raise SystemExit("the two versions disagree")


if __name__ == "__main__":
    main()
