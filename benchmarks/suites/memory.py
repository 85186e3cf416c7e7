"""Peak memory of editing at SD1.5's size: random weights, bfloat16, 512 px, few steps."""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from dreamsampler import Edit, from_pipe

TOKENIZER = Path(__file__).parents[1] / "tests" / "fixtures" / "tiny-sd"


def peak() -> float:
    """Peak resident memory of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def filled(module: nn.Module, dtype: torch.dtype) -> Any:
    """Weights of an empty (meta) module, small random numbers, made in their final type."""
    module = module.to(dtype).to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data.normal_(0, 0.01, generator=generator)
    for name, buffer in module.named_buffers():
        if "position_ids" in name:
            buffer.copy_(torch.arange(buffer.numel()).view_as(buffer))
    return module.eval()


TEXT: dict[str, Any] = {
    "vocab_size": 49408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}
VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}
SCHEDULER: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "steps_offset": 1,
}


def pipeline(dtype: torch.dtype) -> Any:
    """A StableDiffusionPipeline of SD1.5's architecture (the default configurations)."""
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(TOKENIZER, subfolder="tokenizer")
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    with torch.device("meta"):
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
        vae = AutoencoderKL(**VAE)
        encoder = CLIPTextModel(CLIPTextConfig(**TEXT, **ends))
    parts: Any = {
        "vae": filled(vae, dtype),
        "text_encoder": filled(encoder, dtype),
        "tokenizer": tokenizer,
        "unet": filled(unet, dtype),
        "scheduler": DDIMScheduler(**SCHEDULER),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }
    return StableDiffusionPipeline(**parts)


def main(arguments: list[str] | None = None) -> None:
    """Load, edit, and print the peak after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print("| after | peak GiB | s |\n|---|---|---|")
    print(f"| imports | {peak():.2f} | |")
    start = time.perf_counter()
    pipe = pipeline(torch.bfloat16).to(options.device)
    prior = from_pipe(pipe)
    weights = sum(
        p.numel() * p.element_size()
        for part in (pipe.unet, pipe.vae, pipe.text_encoder)
        for p in part.parameters()
    )
    took = time.perf_counter() - start
    print(f"| weights ({weights / 2**30:.2f} GiB) | {peak():.2f} | {took:.0f} |")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise.png"
        size = (options.size, options.size, 3)
        Image.fromarray(np.random.default_rng(0).integers(0, 256, size, np.uint8)).save(path)
        start = time.perf_counter()
        task = Edit(path, "dog", "cat", num_inference_steps=options.steps)
        run = task.start(prior).run()
        run.pictures()
        took = time.perf_counter() - start
    what = f"edit, {options.steps} steps, {run.evaluations} evaluations"
    print(f"| {what} | {peak():.2f} | {took:.0f} |")
    if options.device != "cpu":
        print(f"| on the device | {torch.cuda.max_memory_allocated() / 2**30:.2f} | |")


if __name__ == "__main__":
    main()
