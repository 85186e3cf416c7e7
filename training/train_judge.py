"""Train the judge: a small image/text dual encoder over the same concepts, with its own pictures.

    python training/train_judge.py --icons training/runs/icons --minutes 10

Rendered with other seeds and wider augmentation than the denoiser's data; blur, noise, fading and
re-sampling make it robust to the soft pictures of a small model. Writes judge.safetensors (fp16)
and judge.json, with its accuracy on held-out augmentations.
"""

import argparse
import json
import math
import random
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from captions import BACKGROUNDS
from concepts import icon_names, title
from icons import GLYPH, SETS, glyph, load_sets
from render import SIZE, backdrop, compose
from safetensors.torch import save_file
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.judge import SIDE, DualEncoder, Judge


def wide_affine(rng: random.Random) -> tuple[float, ...]:
    """Larger changes of scale, angle and place than the denoiser sees."""
    scale, angle = rng.uniform(0.62, 0.98), np.deg2rad(rng.gauss(0, 6))
    x0, y0 = SIZE / 2 + rng.uniform(-9, 9), SIZE / 2 + rng.uniform(-9, 9)
    mirror = -1 if rng.random() < 0.35 else 1
    c, s, mid = np.cos(angle) / scale, np.sin(angle) / scale, GLYPH / 2
    return (mirror * c, mirror * s, mid - mirror * (c * x0 + s * y0), -s, c, mid + s * x0 - c * y0)


def render(sets: dict, count: int, seed: int, styles: list[str]) -> tuple[Tensor, Tensor, Tensor]:
    """uint8 pictures [n, 3, 64, 64], concept and background indices; every concept alike often."""
    rng, names, words = random.Random(seed), icon_names(), list(BACKGROUNDS)
    glyphs = {(s, name): glyph(sets[s], name) for s in styles for name in names}
    images = torch.empty(count, 3, SIDE, SIDE, dtype=torch.uint8)
    concepts = torch.tensor([i % len(names) for i in range(count)])
    behind = torch.tensor([rng.randrange(len(words)) for _ in range(count)])
    for row in range(count):
        paper = backdrop(words[behind[row]], rng.random() < 0.12, rng)
        drawing = glyphs[rng.choice(styles), names[concepts[row]]]
        picture = torch.from_numpy(compose(drawing, paper, wide_affine(rng))).permute(2, 0, 1)
        small = F.interpolate(picture[None].float(), (SIDE, SIDE), mode="area")
        images[row] = small[0].round().byte()
    return images, concepts, behind


def blur(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur."""
    radius = max(1, math.ceil(2.5 * sigma))
    line = torch.exp(-(torch.arange(-radius, radius + 1.0) ** 2) / (2 * sigma**2))
    line = (line / line.sum()).view(1, 1, 1, -1).expand(3, 1, 1, -1)
    x = F.conv2d(F.pad(x, (radius, radius, 0, 0), mode="replicate"), line, groups=3)
    line = line.transpose(2, 3)
    return F.conv2d(F.pad(x, (0, 0, radius, radius), mode="replicate"), line, groups=3)


def damage(x: Tensor) -> Tensor:
    """Soften, add noise, fade and tint a batch in [0, 1], as weak generators do."""
    kind = random.random()
    if kind < 0.45:
        x = blur(x, random.uniform(0.4, 1.8))
    elif kind < 0.6:
        low = F.interpolate(x, scale_factor=random.choice([0.375, 0.5, 0.75]), mode="area")
        x = F.interpolate(low, (SIDE, SIDE), mode="bilinear")
    count = len(x)
    x = x + torch.randn_like(x) * torch.rand(count, 1, 1, 1) * 0.06
    blotch = torch.randn(count, 3, 5, 5) * torch.rand(count, 1, 1, 1) * 0.10
    x = x + F.interpolate(blotch, (SIDE, SIDE), mode="bilinear")
    gain = 1 + 0.12 * torch.randn(count, 1, 1, 1)
    mean = x.mean((2, 3), keepdim=True)
    x = (x - mean) * gain + mean + 0.03 * torch.randn(count, 3, 1, 1)
    return x.clamp(0, 1)


def learning_rate(fraction: float, top: float) -> float:
    """Short warm-up, then a cosine."""
    return top * min(1.0, fraction / 0.03 + 0.02) * 0.5 * (1 + math.cos(math.pi * fraction))


def train(network: DualEncoder, data, texts, minutes: float, batch: int = 96) -> DualEncoder:
    """AdamW with label smoothing; returns the average of the late weights."""
    images, concepts, behind = data
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.02)
    began, step, seen = time.time(), 0, []
    late = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True
    )
    while (fraction := (time.time() - began) / (60 * minutes)) < 1:
        optimizer.param_groups[0]["lr"] = learning_rate(fraction, 2e-3)
        rows = torch.randint(0, len(images), (batch,))
        x = damage(images[rows].float() / 255).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            what, where = network.logits(x, *texts)
        loss = F.cross_entropy(what.float(), concepts[rows], label_smoothing=0.05)
        loss = loss + 0.3 * F.cross_entropy(where.float(), behind[rows], label_smoothing=0.05)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        late.update_parameters(network)
        step += 1
        seen.append((what.argmax(1) == concepts[rows]).float().mean().item())
        if step % 100 == 0:
            speed = step * batch / (time.time() - began)
            top = sum(seen[-100:]) / 100
            print(f"step {step} loss {loss.item():.3f} top-1 {top:.3f} {speed:.0f}/s", flush=True)
    return late.module.eval()


def accuracy(judge: Judge, data, change=None) -> dict[str, float]:
    """Top-1 and top-5 of the concept, top-1 of the background, in percent."""
    images, concepts, behind = data
    what, where = [], []
    for part in images.split(200):
        x = part.float() / 255
        x = change(x) if change else x
        what.append(judge.rank(x))
        where.append(judge.rank_backgrounds(x))
    what, where = torch.cat(what), torch.cat(where)
    best = what.topk(5).indices == concepts[:, None]
    percent = {
        "top1": best[:, 0].float().mean(),
        "top5": best.any(1).float().mean(),
        "background": (where.argmax(1) == behind).float().mean(),
    }
    return {k: round(100 * v.item(), 1) for k, v in percent.items()}


def report(judge: Judge, sets: dict, args) -> dict:
    """Accuracy on held-out augmentations, clean and damaged, and on styles never seen."""
    torch.manual_seed(1)
    random.seed(1)
    held = render(sets, args.held, 999_999, args.styles)
    rows = {
        "held-out augmentations": accuracy(judge, held),
        "the same, blurred (sigma 1.5 px at 64)": accuracy(judge, held, lambda x: blur(x, 1.5)),
        "the same, damaged": accuracy(judge, held, damage),
    }
    for style in set(SETS) - set(args.styles):
        rows[f"style never seen: {style}"] = accuracy(
            judge, render(sets, args.held, 999_998, [style])
        )
    return rows


def main() -> None:
    """Render, train, measure, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--icons", type=Path, default=Path("training/runs/icons"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/judge"))
    parser.add_argument("--pictures", type=int, default=24_000)
    parser.add_argument("--held", type=int, default=2016, help="held-out pictures")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--styles", nargs="+", default=list(SETS), choices=list(SETS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    random.seed(0)
    sets = load_sets(args.icons)
    data = render(sets, args.pictures, 500_000, args.styles)
    print(f"{args.pictures} pictures rendered", flush=True)
    concepts, backgrounds = [title(n) for n in icon_names()], list(BACKGROUNDS)
    texts = (concepts, backgrounds)
    network = DualEncoder(*texts).to(memory_format=torch.channels_last)
    size = sum(p.numel() for p in network.parameters())
    judge = Judge(train(network, data, texts, args.minutes), *texts)
    args.out.mkdir(parents=True, exist_ok=True)
    weights = {
        k: v.half() if v.is_floating_point() else v for k, v in judge.network.state_dict().items()
    }
    save_file({k: v.contiguous() for k, v in weights.items()}, args.out / "judge.safetensors")
    (args.out / "judge.safetensors").chmod(0o644)
    config = {"width": 128, "concepts": concepts, "backgrounds": backgrounds}
    (args.out / "judge.json").write_text(json.dumps(config, indent=1) + "\n")
    rows = report(Judge.load(args.out), sets, args)
    config |= {"parameters": size, "minutes": args.minutes, "styles": args.styles, "accuracy": rows}
    (args.out / "judge.json").write_text(json.dumps(config, indent=1) + "\n")
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
