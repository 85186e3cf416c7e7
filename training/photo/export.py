"""Write the averaged weights as a diffusers folder, in float16.

python -m training.photo.export --to src/dreamsampler/models/photo
"""

import argparse
from pathlib import Path

import torch
from diffusers import DDIMPipeline

from training.photo.data import OUT
from training.photo.network import build, scheduler


def main() -> None:
    """Export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=OUT / "checkpoint.pt")
    parser.add_argument("--to", type=Path, required=True)
    args = parser.parse_args()
    network = build()
    state = torch.load(args.checkpoint, map_location="cpu", weights_only=True)
    with torch.no_grad():
        for p, mean in zip(network.parameters(), state["ema"], strict=True):
            p.copy_(mean)
    DDIMPipeline(network.half(), scheduler()).save_pretrained(args.to)
    print(f"{sum(p.numel() for p in network.parameters()):,} parameters, step {state['step']:,}")


if __name__ == "__main__":
    main()
