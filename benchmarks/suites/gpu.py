"""The loop against diffusers' own pipelines, bare network calls, and the published program.

Published architectures with random weights, in 16 bits on a GPU (`benchmarks.random_models`). In
every row the same networks are called as often: by the pipeline, by our loop, and bare, with the
very inputs of the loop. Clocks are read when the device has finished (on a CPU: of the processor);
each number is the median of turns taken one after another. Rows that the time does not allow are
left out, with a line that says so. `--device cpu --tiny` tries the whole suite on the tests'
networks; `--device cpu --rows "sd15, batch 1"` measures the loop's overhead on a CPU.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.baselines import published_program
from benchmarks.device import Device
from benchmarks.random_models import SIZES, pipeline
from benchmarks.report import header, line
from dreamsampler import Edit, finish, from_pipe
from dreamsampler.files import InputError
from dreamsampler.maths import Level
from dreamsampler.methods.edit.dreamsampler import dreamsampler
from dreamsampler.methods.sampling import ddim
from dreamsampler.samplers import leading, trailing

SCALE = 5.0
"""guidance_scale of every comparison"""


class Job:
    """One batch of pictures from one noise, by the pipeline and by our loop.

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
        place, dtype = self.prior.device, self.prior.dtype
        cells = size // self.prior.factor
        rng = torch.Generator().manual_seed(0)
        self.eps = torch.randn(batch, self.prior.latent_channels, cells, cells, generator=rng)
        self.eps = self.eps.to(place)
        self.words, self.null = self.prior.condition("a cat"), self.prior.condition(None)
        self.levels = self._levels()
        first = self.eps.to(dtype)
        self.layout = getattr(self.prior.family, "layout", lambda *_: None)(cells, cells)
        self.first = first if self.layout is None else self.layout.to_loop(first)
        self.inputs: dict[str, Any] = {"guidance_scale": SCALE}
        if self.layout is not None:  # the pipeline encodes for both
            self.inputs["prompt"] = ["a cat"] * batch
            return
        for start, condition in (("", self.words), ("negative_", self.null)):
            self.inputs[f"{start}prompt_embeds"] = condition.embeddings
            if condition.pooled is not None:
                self.inputs[f"{start}pooled_prompt_embeds"] = condition.pooled
        for key, value in self.inputs.items():
            if isinstance(value, Tensor):
                self.inputs[key] = value.repeat(batch, *[1] * (value.ndim - 1))

    def _levels(self) -> list[Level]:
        """Those of the pipeline."""
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
            **self.inputs,
            latents=self.first.clone(),
            num_inference_steps=self.steps,
            height=self.size,
            width=self.size,
            output_type=output,
        ).images

    def ours(self, picture: bool = False) -> Tensor:
        """Our loop."""
        z0 = finish(ddim(self.prior, self.words, self.null, self.eps, self.levels, SCALE)).z0
        with torch.no_grad():
            return (self.prior.decode(z0) / 2 + 0.5).clamp(0, 1) if picture else z0

    def difference(self) -> float:
        """How far apart the two results are, as a share of the largest number."""
        theirs, ours = self.theirs().float(), self.ours()
        theirs = theirs if self.layout is None else self.layout.from_loop(theirs)
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

        def replay() -> None:
            with torch.no_grad():
                for args, kwargs in calls:
                    self.prior.network(*args, **kwargs)

        return replay


def against(job: Job, device: Device, seconds: float) -> dict[str, Any]:
    """One row: the pipeline, our loop and the bare calls, in turns."""
    difference = job.difference()
    replay = job.recorded()
    replay()
    once = device.seconds(replay)
    turns = max(1, min(7, int(seconds / (3 * max(once, 1e-4)))))
    runs = [
        (device.seconds(job.theirs), device.seconds(replay), device.seconds(job.ours))
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


def editing(pipe: Any, device: Device, size: int, steps: int) -> dict[str, Any]:
    """One picture: our methods and diffusers' image-to-image against the published program.

    Args:
        pipe: a pipeline of Stable Diffusion 1.5.
        device: where it is.
        size: side of the picture.
        steps: NFE of the published program.
    """
    from diffusers import StableDiffusionImg2ImgPipeline

    prior: Any = from_pipe(pipe)
    parts = {**pipe.components, "requires_safety_checker": False}
    other: Any = StableDiffusionImg2ImgPipeline(**parts)
    other.set_progress_bar_config(disable=True)
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    x = (torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1).to(prior.device)

    @torch.no_grad()
    def program(share: int = 1, *, pairs: bool = True) -> None:
        prior.decode(published_program(prior, prior.encode(x), steps // share, pairs=pairs))

    def image_to_image() -> None:  # 16 guided steps from strength 0.75
        options: Any = {"num_inference_steps": 22, "guidance_scale": SCALE, "output_type": "pt"}
        other("a dog", Image.fromarray(pixels), 0.75, **options)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise.png"
        Image.fromarray(pixels).save(path)

        def ours(method: str, count: int | None = None) -> int:
            source = "a cat" if method == "default" else None
            options: Any = {"method": method, "num_inference_steps": count, "size": size}
            run = Edit(path, "a dog", source, **options).start(prior).run()
            run.pictures()
            return run.evaluations

        def median(run: Callable[[], Any]) -> float:
            return statistics.median(device.seconds(run) for _ in range(3))

        program(steps // 2)  # the first calls warm up
        ours("dreamsampler", 2)
        ours("default")
        image_to_image()
        four = max(1, min(4, steps // 2))
        whole = device.seconds(program)
        paper, default = (
            device.seconds(lambda: ours("dreamsampler", steps)),
            median(lambda: ours("default")),
        )
        apart = four * device.seconds(lambda: program(four, pairs=False))
        return {
            "steps": steps,
            "published_s": whole,
            "published_prompts_apart_s": apart,
            "published_prompts_apart_is": f"{steps // four} steps, times {four}",
            "paper_s": paper,
            "default_s": default,
            "img2img_s": median(image_to_image),
            "paper_share": paper / whole,
            "paper_share_prompts_apart": paper / apart,
            "default_share": default / whole,
            "published_evaluations": 4 * steps,
            "default_evaluations": ours("default"),
            "default_gib": device.peak(lambda: ours("default")),
            "paper_gib": device.peak(lambda: ours("dreamsampler", 2)),
            "img2img_gib": device.peak(image_to_image),
        }


@torch.no_grad()
def editing_batch(pipe: Any, device: Device, size: int, steps: int) -> dict[str, Any]:
    """The published loop against ours, 8 pictures at once, so that the device is full."""
    prior = from_pipe(pipe)
    cells = size // prior.factor
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(8, prior.latent_channels, cells, cells, generator=rng).to(prior.device)
    words, null = prior.condition("a dog"), prior.condition(None)

    def ours(count: int = steps) -> None:
        finish(dreamsampler(prior, z, words, null, count))

    published_program(prior, z, 2, pairs=True)
    ours(2)
    theirs_s = device.seconds(lambda: published_program(prior, z, steps, pairs=True))
    ours_s = device.seconds(ours)
    return {
        "steps": steps,
        "published_s": theirs_s,
        "paper_s": ours_s,
        "paper_share": ours_s / theirs_s,
    }


class Bench:
    """The rows, most important first, until the time is spent."""

    def __init__(
        self, device: str, seconds: float, only: tuple[str, ...], out: Path | None, tiny: bool
    ) -> None:
        self.device, self.end, self.only = Device(device), time.perf_counter() + seconds, only
        self.tiny, self.out, self.rows = tiny, out, []
        self.last: tuple[str, Any] | None = None

    @property
    def left(self) -> float:
        """Seconds of the budget."""
        return self.end - time.perf_counter()

    def pipe(self, name: str) -> Any:
        """A pipeline; only the last one is kept."""
        if self.last is None or self.last[0] != name:
            self.last = None
            if self.device.cuda:
                torch.cuda.empty_cache()
            dtype = None if self.device.cuda else torch.float32
            self.last = name, pipeline(name, self.device.name, dtype, tiny=self.tiny)
        return self.last[1]

    def row(self, what: str, make: Callable[[], dict[str, Any]], least: float = 0.0) -> None:
        """Measure, print and keep one row; an error is a row as well."""
        if self.only and not any(part in what for part in self.only):
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
        print("; ".join(f"{key} {_short(value)}" for key, value in made.items()), flush=True)
        if self.out is not None:
            self.out.write_text(json.dumps(self.facts(), indent=1))

    def facts(self) -> dict[str, Any]:
        """The machine, and the rows so far."""
        import diffusers

        name = torch.cuda.get_device_name() if self.device.cuda else "cpu"
        machine = {"device": name, "torch": torch.__version__, "diffusers": diffusers.__version__}
        return {"machine": machine, "rows": self.rows}

    def all(self, nfe: int) -> None:
        """Every row; `nfe` steps of the published program."""
        tiny = self.tiny
        side = {name: 64 if tiny else size for name, size in SIZES.items()}
        steps = {"sd15": 20, "sdxl": 6, "sd3": 8, "flux": 8}

        def compare(name: str, batch: int, calls: int) -> Callable[[], dict[str, Any]]:
            return lambda: against(
                Job(name, self.pipe(name), batch, calls, side[name]), self.device, 5.0
            )

        nfe = 4 if tiny else nfe
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
        """A row on the network compiled, for the pipeline as for our loop."""
        pipe = self.pipe(name)
        network = pipe.unet if hasattr(pipe, "unet") else pipe.transformer
        if network._compiled_call_impl is None:
            network.compile()
        return make()


def tables(facts: dict[str, Any]) -> str:
    """The rows as the tables of docs/models.md, and what has no table."""
    titles = ("network, batch", "diffusers s/step", "ours s/step", "bare calls s/step", "over bare",
              "diffusers GiB", "ours GiB")  # fmt: skip
    lines = [", ".join(f"{key} {value}" for key, value in facts["machine"].items()), ""]
    lines.append(header(*titles))
    compared = [row for row in facts["rows"] if "ours_s_per_step" in row]
    for row in compared:
        times = [f"{row[f'{who}_s_per_step']:.4f}" for who in ("diffusers", "ours", "bare")]
        sizes = [f"{row[f'{who}_gib']:.2f}" for who in ("diffusers", "ours")]
        lines.append(line(row["row"], *times, f"{row['overhead_percent']:+.1f} %", *sizes))
    for row in facts["rows"]:
        if row not in compared:
            lines += ["", "; ".join(f"{key} {_short(value)}" for key, value in row.items())]
    return "\n".join(lines)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main(
    seconds: float = 100.0,
    rows: tuple[str, ...] = (),
    nfe: int = 200,
    out: Path | None = None,
    device: str = "cuda",
    tiny: bool = False,
) -> None:
    """Measure and print the tables.

    Args:
        seconds: no row begins after these.
        rows: only rows whose name holds one of these.
        nfe: steps of the published program.
        out: JSON file of all numbers.
        device: such as cuda or cpu.
        tiny: the tests' networks, as a trial.

    Raises:
        InputError: there is no such device.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError("there is no CUDA device here: pass --device cpu --tiny to try the suite")
    bench = Bench(device, seconds, rows, out, tiny)
    bench.all(nfe)
    print(f"\n{tables(bench.facts())}")
