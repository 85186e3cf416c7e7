"""On a GPU: this loop against diffusers' own pipelines, a bare loop, and the published editing.

Published architectures with random weights, in 16 bits (`random_models`). In every row the same
networks answer the same number of calls: the pipeline's own call, the house's loop, and the very
calls of the loop repeated bare. Clocks are read when the device has finished; each number is the
median of turns taken one after another. Rows that the time does not allow are left out and said
so. `--device cpu --tiny` tries the whole script on the tests' networks.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.clock import SCALE, Device
from benchmarks.gpu_edit import editing, editing_batch
from benchmarks.random_models import SIZES, TYPES, pipeline
from dreamsampler import finish, from_pipe
from dreamsampler.maths import Level
from dreamsampler.methods import ddim
from dreamsampler.samplers import leading, trailing


class Job:
    """One batch of pictures from one noise, by the pipeline and by the house.

    Args:
        name: one of TYPES.
        pipe: its pipeline.
        batch: pictures.
        steps: network calls.
        size: side of the pictures.
    """

    def __init__(self, name: str, pipe: Any, batch: int, steps: int, size: int) -> None:
        self.name, self.pipe, self.steps, self.size = name, pipe, steps, size
        self.prior = from_pipe(pipe)
        where, dtype = self.prior.device, self.prior.dtype
        cells = size // self.prior.factor
        rng = torch.Generator().manual_seed(0)
        self.eps = torch.randn(batch, self.prior.latent_channels, cells, cells, generator=rng)
        self.eps = self.eps.to(where)
        self.words, self.null = self.prior.condition("a cat"), self.prior.condition(None)
        self.levels = self._levels()
        self.told: dict[str, Any] = {
            "prompt_embeds": self.words.embeddings,
            "guidance_scale": SCALE,
        }
        if name != "flux":
            self.told["negative_prompt_embeds"] = self.null.embeddings
        if self.words.pooled is not None:
            self.told["pooled_prompt_embeds"] = self.words.pooled
        if self.null.pooled is not None and name != "flux":
            self.told["negative_pooled_prompt_embeds"] = self.null.pooled
        for key, value in self.told.items():
            if isinstance(value, Tensor):
                self.told[key] = value.repeat(batch, *[1] * (value.ndim - 1))
        first = self.eps.to(dtype)
        self.first = pipe._pack_latents(first, *first.shape) if name == "flux" else first

    def _levels(self) -> list[Level]:
        """Those that the pipeline visits."""
        if self.name in ("sd15", "sdxl"):
            schedule: Any = self.prior.schedule
            return leading(schedule, self.steps)
        if self.name == "flux":
            return trailing(self.prior.schedule, self.steps)
        scheduler = type(self.pipe.scheduler).from_config(self.pipe.scheduler.config)
        scheduler.set_timesteps(self.steps)
        return [Level(u, 1 - u, u) for u in scheduler.sigmas[:-1].tolist()]

    def theirs(self, output: str = "latent") -> Any:
        """The pipeline's own call."""
        return self.pipe(
            **self.told,
            latents=self.first.clone(),
            num_inference_steps=self.steps,
            height=self.size,
            width=self.size,
            output_type=output,
        ).images

    def ours(self, picture: bool = False) -> Tensor:
        """The house's loop."""
        scale = SCALE if self.prior.family.guidance != "distilled" else 1.0
        z0 = finish(ddim(self.prior, self.words, self.null, self.eps, self.levels, scale)).z0
        with torch.no_grad():
            return (self.prior.decode(z0) / 2 + 0.5).clamp(0, 1) if picture else z0

    def difference(self) -> float:
        """How far apart the two results are, as a share of the largest number."""
        theirs, ours = self.theirs().float(), self.ours()
        if self.name == "flux":
            theirs = self.pipe._unpack_latents(
                theirs, self.size, self.size, self.pipe.vae_scale_factor
            )
        return ((theirs - ours).abs().max() / theirs.abs().max()).item()

    def recorded(self) -> Callable[[], None]:
        """The network's calls of the loop, to be made again one after the other."""
        calls: list[Any] = []
        network = self.prior.network
        hook = network.register_forward_pre_hook(
            lambda _, args, kwargs: calls.append((args, kwargs)), with_kwargs=True
        )
        compiled, network._compiled_call_impl = network._compiled_call_impl, None
        self.ours()
        network._compiled_call_impl = compiled  # a hook would be compiled with it
        hook.remove()

        def bare() -> None:
            with torch.no_grad():
                for args, kwargs in calls:
                    self.prior.network(*args, **kwargs)

        return bare


def against(job: Job, device: Device, seconds: float) -> dict[str, Any]:
    """One row: the pipeline, the house and the bare calls, in turns."""
    difference = job.difference()
    bare = job.recorded()
    bare()
    once = device.seconds(bare)
    turns = max(1, min(7, int(seconds / (3 * max(once, 1e-4)))))
    runs = [
        (device.seconds(job.theirs), device.seconds(bare), device.seconds(job.ours))
        for _ in range(turns)
    ]
    theirs, alone, ours = (statistics.median(each) for each in zip(*runs, strict=True))
    return {
        "turns": turns,
        "calls": job.steps,
        "results_differ_by": difference,
        "diffusers_s_per_step": theirs / job.steps,
        "ours_s_per_step": ours / job.steps,
        "bare_s_per_step": alone / job.steps,
        "overhead_percent": 100 * (statistics.median(r[2] / r[1] for r in runs) - 1),
        "diffusers_gib": device.peak(lambda: job.theirs("pt")),
        "ours_gib": device.peak(lambda: job.ours(picture=True)),
    }


class Bench:
    """The rows, most important first, until the time is spent."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.device = options, Device(options.device)
        self.start, self.rows = time.perf_counter(), []
        self.held: tuple[str, Any] | None = None

    @property
    def left(self) -> float:
        """Seconds of the budget."""
        return self.options.seconds - (time.perf_counter() - self.start)

    def pipe(self, name: str) -> Any:
        """A pipeline; only the last one is kept."""
        if self.held is None or self.held[0] != name:
            self.held = None
            if self.device.cuda:
                torch.cuda.empty_cache()
            self.held = (name, pipeline(name, self.options.device, tiny=self.options.tiny))
        return self.held[1]

    def row(self, what: str, make: Callable[[], dict[str, Any]], least: float = 0.0) -> None:
        """Measure, print and keep one row; an error is a row as well."""
        if self.options.rows and not any(part in what for part in self.options.rows):
            return
        before = time.perf_counter()
        if self.left <= least:
            made: dict[str, Any] = {"skipped": f"{max(self.left, 0):.0f} s were left"}
        else:
            try:
                made = make()
            except Exception as error:  # a row that fails must not cost the others
                made = {"error": f"{type(error).__name__}: {error}"[:400]}
        made = {"row": what, **made, "took_s": time.perf_counter() - before}
        self.rows.append(made)
        print(
            "| " + " | ".join(_cell(key, value) for key, value in made.items()) + " |", flush=True
        )
        if self.options.out is not None:
            facts = {"machine": _machine(self.device), "rows": self.rows}
            self.options.out.write_text(json.dumps(facts, indent=1))

    def all(self) -> None:
        """Every row."""
        tiny = self.options.tiny
        side = {name: 64 if tiny else size for name, size in SIZES.items()}
        steps = {"sd15": 20, "sdxl": 6, "sd3": 8, "flux": 8}

        def compare(name: str, batch: int, calls: int) -> Callable[[], dict[str, Any]]:
            return lambda: against(
                Job(name, self.pipe(name), batch, calls, side[name]), self.device, 5.0
            )

        nfe = 4 if tiny else self.options.nfe
        self.row("sd15, batch 1", compare("sd15", 1, steps["sd15"]))
        self.row(
            f"sd15, editing, NFE {nfe}",
            lambda: editing(self.pipe("sd15"), self.device, side["sd15"], nfe),
        )
        self.row("sd15, batch 8", compare("sd15", 8, 6))
        self.row(
            "sd15, editing, 8 pictures",
            lambda: editing_batch(self.pipe("sd15"), self.device, side["sd15"], nfe // 10 or 2),
        )
        for name in ("sdxl", "sd3", "flux"):
            self.row(f"{name}, batch 1", compare(name, 1, steps[name]))
            self.row(f"{name}, batch 8", compare(name, 8, 3), 5.0)
        for name in ("flux", "sd3", "sd15", "sdxl"):
            for batch in (1, 8):
                self.row(
                    f"{name}, batch {batch}, compiled",
                    lambda name=name, batch=batch: self.compiled(compare(name, batch, 4), name),
                    15.0 if batch == 8 else 30.0,
                )

    def compiled(self, make: Callable[[], dict[str, Any]], name: str) -> dict[str, Any]:
        """A row on the network compiled, for the pipeline as for the house."""
        pipe = self.pipe(name)
        network = pipe.unet if hasattr(pipe, "unet") else pipe.transformer
        if network._compiled_call_impl is None:
            network.compile()
        return make()


def _cell(key: str, value: Any) -> str:
    """One number of a row, short."""
    if isinstance(value, float):
        return f"{key} {value:.4g}"
    return str(value) if key == "row" else f"{key} {value}"


def _machine(device: Device) -> dict[str, str]:
    import diffusers

    name = torch.cuda.get_device_name() if device.cuda else "cpu"
    return {"device": name, "torch": torch.__version__, "diffusers": diffusers.__version__}


def main(arguments: list[str] | None = None) -> int:
    """Measure, or say that there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=100.0, help="no row begins after these")
    parser.add_argument("--rows", nargs="+", help="only rows whose name holds one of these")
    parser.add_argument("--nfe", type=int, default=200, help="steps of the published program")
    parser.add_argument("--out", type=Path, default=None, help="JSON file of all numbers")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="the tests' networks: a trial")
    options = parser.parse_args(arguments)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("there is no CUDA device here: pass --device cpu --tiny to try the script")
        return 2
    print(_machine(Device(options.device)), TYPES if not options.tiny else "tiny", flush=True)
    Bench(options).all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
