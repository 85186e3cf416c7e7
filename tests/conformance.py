"""What every family must do, as functions that return how far it is from doing it.

`python tests/conformance.py` prints the table, `--write` puts it into docs/models.md.
"""

import argparse
import copy
import functools
import math
import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace

import families
import numpy as np
import torch

from dreamsampler.maths import Estimate, Level, weigh
from dreamsampler.models.errors import PromptTruncated
from dreamsampler.models.libraries import quiet
from dreamsampler.models.load import from_pretrained
from dreamsampler.models.pipe import from_pipe

PAGE = Path(__file__).parents[1] / "docs" / "models.md"
MARKS = ("<!-- conformance: written by tests/conformance.py -->", "<!-- conformance: end -->")
SCALE = 3.0
LONG = "a cat and " * 150 + "nothing else"


NATIVE = ("sd15", "sd21-v", "sd15-inpaint", "lcm", "sdxl")
"""Those that are asked directly; the others by their pipelines' calls."""
CALLS = {"sana": {"complex_human_instruction": None}}  # its pipeline gives it to one of two prompts


@functools.cache
def pipeline(name):
    """A family's tiny pipeline, built once."""
    return families.build(name)


@functools.cache
def prior_of(name):
    """A prior around the very same networks."""
    return from_pipe(pipeline(name), **CALLS.get(name, {}))


@functools.cache
def folder_of(name):
    """Where it is stored; removed with the process."""
    kept.append(tempfile.TemporaryDirectory())
    families.store(pipeline(name), kept[-1].name)
    return Path(kept[-1].name)


@functools.cache
def plain(name):
    """The stored pipeline as users load it, without options; read only."""
    return loaded(name)


def loaded(name, **options):
    """The stored pipeline as users load it."""
    return from_pretrained(folder_of(name), device="cpu", **CALLS.get(name, {}), **options)


kept = []


def noise(prior, rows, height=8, width=8, seed=0):
    """Noise that fits a prior."""
    height, width = (max(side, prior.multiple // prior.factor) for side in (height, width))
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(rows, prior.latent_channels, height, width, generator=rng)


def distance(a, b):
    """Largest difference, as a share of the largest number."""
    assert a.shape == b.shape, f"{tuple(a.shape)} and {tuple(b.shape)}"
    return ((a - b).abs().max() / b.abs().max()).item()


def output_of(estimate, level, target):
    """The network's raw output that an estimate stands for."""
    return {
        "epsilon": estimate.eps,
        "v": level.alpha * estimate.eps - level.sigma * estimate.z0,
        "flow": estimate.eps - estimate.z0,
    }[target]


def packed(name, pipe, z):
    """Latents as the pipeline wants to be given them."""
    if name.startswith(("flux", "qwen")):
        return pipe._pack_latents(z, *z.shape)
    return z


def unpacked(name, pipe, z, size):
    """Latents of the pipeline in our layout."""
    if name.startswith(("flux", "qwen")):
        z = pipe._unpack_latents(z, *size, pipe.vae_scale_factor)
        return z[:, :, 0] if z.ndim == 5 else z
    return z


def timed(name, pipe, steps, cells):
    """A fresh scheduler with the times that the pipeline would set."""
    scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
    config = scheduler.config
    if not name.startswith(("flux", "qwen", "z-image")):
        scheduler.set_timesteps(steps)
        return scheduler
    low, high = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    least, most = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
    mu = least + (most - least) * (cells // 4 - low) / (high - low)
    sigmas = np.linspace(1.0, 1 / steps, steps)
    if name == "z-image":
        sigmas = np.linspace(1.0, 0.0, steps + 1)[:-1]
    scheduler.set_timesteps(sigmas=list(sigmas), mu=mu)
    return scheduler


def level_of(prior, time):
    """The level of a pipeline's time."""
    if prior.target == "flow":
        return Level(float(time) / 1000, 1 - float(time) / 1000, float(time) / 1000)
    table = prior.family.schedule
    return table(table.time(float(time)))


def guided(name, prior, z, level, null, condition, scale):
    """The guided estimate; Qwen-Image's pipeline shortens its tokens to the prompt's length."""
    terms = prior.guided(condition, null, scale)
    estimates = prior.predict(z, level, [c for c, _ in terms])
    total = Estimate(
        sum(weigh(w, level) * e.z0 for (_, w), e in zip(terms, estimates, strict=True)),
        sum(weigh(w, level) * e.eps for (_, w), e in zip(terms, estimates, strict=True)),
    )
    output = output_of(total, level, prior.target)
    if name != "qwen-image":
        return output
    prompted = output_of(estimates[1], level, prior.target)
    shape = prompted.shape
    blocks = lambda x: x.view(*shape[:2], shape[2] // 2, 2, shape[3] // 2, 2)
    length = lambda x: blocks(x).pow(2).sum((1, 3, 5), keepdim=True).sqrt()
    return (blocks(output) * length(prompted) / length(output)).view(shape)


def sampled(name, prompt="a cat", negative="dog", steps=2, kind="latent", shape=(8, 12)):
    """What the pipeline's own call makes, and what the loop with the prior makes of the same."""
    pipe, prior, case = pipeline(name), prior_of(name), families.FAMILIES[name]
    if name == "sana":  # its pipeline takes multiples of 32 pixels
        shape = tuple(4 * n for n in shape)
    size = tuple(n * prior.factor for n in shape)
    z = noise(prior, 1, *shape)
    options = {**case.call, case.scale: SCALE - case.offset}
    embedded = prior.family.guidance == "embedded" and name == "lcm"
    if not embedded:
        options["negative_prompt"] = negative
    condition, null = prior.condition(prompt), prior.condition("" if embedded else negative)
    if name == "sd15-inpaint":
        x, mask = torch.zeros(1, 3, *size), torch.zeros(1, 1, *size)
        x[:, 0], mask[..., : size[1] // 2] = 0.5, 1.0
        options |= {"image": x / 2 + 0.5, "mask_image": mask, "strength": 1.0}
        with torch.no_grad():
            condition, null = (prior.inpainting_condition(c, x, mask) for c in (condition, null))
    expected = pipe(
        prompt=prompt,
        height=size[0],
        width=size[1],
        num_inference_steps=steps,
        latents=packed(name, pipe, z),
        output_type=kind,
        generator=torch.Generator().manual_seed(1),
        **options,
    ).images
    scheduler = timed(name, pipe, steps, shape[0] * shape[1])
    random = {"generator": torch.Generator().manual_seed(1)} if embedded else {}
    z = z * getattr(scheduler, "init_noise_sigma", 1.0)
    done = SimpleNamespace()
    with torch.no_grad():
        for time in scheduler.timesteps:
            scale = getattr(scheduler, "scale_model_input", lambda z, _: z)
            shown, level = scale(z, time), level_of(prior, time)
            output = guided(name, prior, shown, level, null, condition, SCALE)
            done = scheduler.step(output, time, z, **random)
            z = done.prev_sample
        z = getattr(done, "denoised", None) if name == "lcm" else z
        if kind == "latent":
            return unpacked(name, pipe, expected, size), z
        return expected, (prior.decode(z) / 2 + 0.5).clamp(0, 1)


def loop(name):
    """The pipeline's own loop: two guided steps at a size that is no square."""
    expected, got = sampled(name)
    return distance(got, expected)


def picture(name):
    """The pipeline's own pictures: two steps, decoded."""
    expected, got = sampled(name, steps=2, kind="pt", shape=(8, 8))
    return distance(got, expected)


def long_prompt(name):
    """A prompt that is too long is cut where the pipeline cuts it, and says so."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        expected, got = sampled(name, prompt=LONG, steps=2, shape=(8, 8))
    warned = [w for w in caught if issubclass(w.category, PromptTruncated)]
    return distance(got, expected) if warned else math.inf


def explains(name):
    """z = alpha z0 + sigma eps at three levels, under three prompts."""
    prior, worst = prior_of(name), 0.0
    z, conditions = noise(prior, 2), [prior.condition(p) for p in ("", "a cat", "a dog")]
    for t in (0.05, 0.5, 0.97):
        level = prior.schedule(t)
        with torch.no_grad():
            for e in prior.predict(z, level, conditions):
                worst = max(worst, distance(level.alpha * e.z0 + level.sigma * e.eps, z))
    return worst


def rows(name):
    """A batch of two is two batches of one; several prompts are each alone."""
    prior = prior_of(name)
    z, level = noise(prior, 2), prior.schedule(0.6)
    conditions = [prior.condition(p) for p in ("", "a cat", "a much longer prompt about a dog")]
    with torch.no_grad():
        together = prior.predict(z, level, conditions)
        alone = [[prior.predict(row[None], level, [c])[0].z0 for row in z] for c in conditions]
    return max(distance(e.z0, torch.cat(a)) for e, a in zip(together, alone, strict=True))


def gradient(name):
    """The gradient through network, guidance and decoder is the slope that differences measure.

    In float64, where differences are exact enough.
    """
    pipe = copy.copy(pipeline(name))
    for part, module in pipe.components.items():
        if isinstance(module, torch.nn.Module):
            setattr(pipe, part, copy.deepcopy(module).double())
    prior = from_pipe(pipe)
    null, cat = prior.condition("dog"), prior.condition("a cat")
    z, way = noise(prior, 1).double(), noise(prior, 1, seed=1).double()
    level = prior.schedule(0.5)

    def energy(z):
        terms = prior.guided(cat, null, SCALE)
        estimates = prior.predict(z, level, [c for c, _ in terms])
        z0 = sum(weigh(w, level) * e.z0 for (_, w), e in zip(terms, estimates, strict=True))
        return prior.decode(z0).pow(2).mean()

    free = z.clone().requires_grad_()
    energy(free).backward()
    slope = (free.grad * way).sum()
    assert free.grad.isfinite().all() and abs(slope) > 1e-12
    with torch.no_grad():  # small steps round, since some networks turn tokens in float32 anyway
        return min(
            abs((energy(z + h * way) - energy(z - h * way)) / (2 * h) / slope - 1).item()
            for h in (1e-3, 1e-4)
        )


def codec(name):
    """Encode is the scaled mean, and decode undoes the scaling."""
    prior, vae = prior_of(name), pipeline(name).vae
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(1, 3, 4 * prior.multiple, 3 * prior.multiple, generator=rng) * 2 - 1
    config = vae.config
    with torch.no_grad():
        if name == "qwen-image":
            mean, std = (
                torch.tensor(v).view(1, -1, 1, 1) for v in (config.latents_mean, config.latents_std)
            )
            raw = vae.encode(x[:, :, None]).latent_dist.mean[:, :, 0]
            expected = (raw - mean) / std
            back = vae.decode(raw[:, :, None]).sample[:, :, 0]
        else:
            encoded = vae.encode(x)
            raw = encoded.latent if name == "sana" else encoded.latent_dist.mean
            shift = getattr(config, "shift_factor", None) or 0.0
            expected = (raw - shift) * config.scaling_factor
            back = vae.decode(raw).sample
        z = prior.encode(x)
        return max(distance(z, expected), distance(prior.decode(z), back))


def reloaded(name):
    """Saved and loaded again it says the same."""
    prior, again = prior_of(name), plain(name)
    z, level = noise(prior, 1), prior.schedule(0.4)
    with torch.no_grad():
        one, two = (p.predict(z, level, [p.condition("a cat")])[0] for p in (prior, again))
    assert (again.target, again.schedule, again.multiple, again.grid) == (
        prior.target,
        prior.schedule,
        prior.multiple,
        prior.grid,
    )
    return distance(two.z0, one.z0)


def half(name):
    """In bfloat16 the latents stay float32, and the answer is nearly the same."""
    prior = prior_of(name)
    short = loaded(name, dtype="bfloat16")
    z, level = noise(prior, 1), prior.schedule(0.4)
    with torch.no_grad():
        one, two = (p.predict(z, level, [p.condition("a cat")])[0] for p in (prior, short))
        x = short.decode(two.z0)
    assert two.z0.dtype == x.dtype == torch.float32
    return (two.eps - one.eps).norm().item() / one.eps.norm().item()


CHECKS = {
    "loop": (loop, 2e-5),
    "picture": (picture, 2e-5),
    "long prompt": (long_prompt, 2e-5),
    "explains z": (explains, 1e-5),
    "batch": (rows, 2e-5),
    "gradient": (gradient, 1e-3),
    "codec": (codec, 2e-5),
    "reload": (reloaded, 2e-5),
    "bfloat16": (half, 0.05),
}
"""Name -> (what measures it, how much is allowed)."""


def table():
    """Families x checks, as Markdown."""
    head = " | ".join(["family", *CHECKS])
    lines = [f"| {head} |", "|---" * (len(CHECKS) + 1) + "|"]
    for name in families.FAMILIES:
        cells = [f"{measure(name):.0e}" for measure, _ in CHECKS.values()]
        lines.append(f"| {' | '.join([f'`{name}`', *cells])} |")
    bounds = [f"{bound:.0e}" for _, bound in CHECKS.values()]
    return "\n".join([*lines, f"| {' | '.join(['allowed', *bounds])} |"])


def main():
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/models.md")
    torch.set_num_threads(1)
    with quiet():
        made = table()
    print(made)  # noqa: T201
    if parser.parse_args().write:
        text = PAGE.read_text(encoding="utf-8")
        before, after = text.split(MARKS[0])[0], text.split(MARKS[1])[1]
        PAGE.write_text(f"{before}{MARKS[0]}\n{made}\n{MARKS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
