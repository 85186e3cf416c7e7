"""Train the text-conditional latent denoiser, on a CPU or on one GPU, with the same program.

    python -m training.denoiser.train --tokenizer DIR --warm DIR --until 10:20
    python -m training.denoiser.train --tokenizer DIR --device cuda --batch 1024 --minutes 8

On a CPU, single-thread workers each do a part of the batch, then apply AdamW and the EMA to their
part of the flat parameter vector; on a GPU one process does it all, compiled. The learning rate is
constant after warm-up and follows a cosine to zero over the last --decay minutes. A killed run
continues (parameters, EMA, optimizer, step) with the same command. Log, loss curve and sample
sheets are written into the folder of the run while it goes.
"""

import argparse
import datetime
import math
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import torch
import torch.multiprocessing as mp
from diffusers.models.attention_processor import AttnProcessor

from training.denoiser import network as model
from training.denoiser.dataset import Latents, Mixture
from training.denoiser.progress import Progress
from training.denoiser.state import Flat
from training.denoiser.timesteps import deadline, draw_timesteps, learning_rate, timestep_table

REPORT = 100


def seed_of(seed: int, step: int, rank: int) -> int:
    """32 bits of a hash: torch's CPU generator ignores all higher ones."""
    return int.from_bytes(blake2b(f"{seed} {step} {rank}".encode(), digest_size=4).digest())


class Worker:
    """One process: its networks, data and share of the optimizer."""

    def __init__(self, rank: int, args, flat: Flat, barrier: Callable[[], object]) -> None:
        """Build the networks on the flat parameters."""
        self.rank, self.args, self.flat, self.barrier = rank, args, flat, barrier
        self.device = args.device
        tokenizer = model.load_tokenizer(args.tokenizer)
        self.text, self.unet = (m.to(self.device) for m in model.build(tokenizer))
        if self.device == "cpu":
            self.unet.set_attn_processor(AttnProcessor())  # plain products: faster at these sizes
        flat.attach(rank, model.parameters(self.text, self.unet))
        if args.compile:
            self.unet.compile()
            self.text.compile()
        icons = Latents(args.data, tokenizer, args.often, self.device)
        objects = Latents(args.objects, tokenizer, None, self.device) if args.objects else None
        self.data = Mixture(icons, objects, args.share)
        self.alpha_bar = model.scheduler().alphas_cumprod.to(self.device)
        self.table = timestep_table(self.alpha_bar)
        size = len(flat.parameters)
        self.mine = slice(rank * size // args.workers, (rank + 1) * size // args.workers)
        self.optimizer = flat.optimizer(self.mine)
        self.progress = Progress(args, tokenizer) if rank == 0 else None
        self.clear()

    def clear(self) -> None:
        """Start the sums of the next report."""
        self.sums = torch.zeros(3, device=self.device)
        self.bins = torch.zeros(4, 2, device=self.device)

    def gradient(self) -> torch.Tensor:
        """Forward and backward of this worker's part of the batch; returns its v-MSE."""
        z, ids = self.data.batch(self.args.batch // self.args.workers, self.args.dropout)
        t = draw_timesteps(len(z), self.table, len(self.alpha_bar))
        a = self.alpha_bar[t].view(-1, 1, 1, 1)
        eps = torch.randn_like(z)
        noisy, v = a.sqrt() * z + (1 - a).sqrt() * eps, a.sqrt() * eps - (1 - a).sqrt() * z
        self.flat.gradients[self.rank].zero_()
        with torch.autocast(self.device, torch.bfloat16):
            context = self.text(input_ids=ids).last_hidden_state
            out = self.unet(noisy, t, context).sample
        each = (out.float() - v).pow(2).flatten(1).mean(1)
        each.mean().backward()
        self.bins[:, 0].index_add_(0, t // 250, each.detach())
        self.bins[:, 1].index_add_(0, t // 250, torch.ones_like(each))
        return each.mean().detach()

    def step(self, step: int, rate: float) -> None:
        """One step of this worker; its random numbers depend on seed, step and rank alone."""
        torch.manual_seed(seed_of(self.args.seed, step, self.rank))
        loss = self.gradient()
        self.barrier()
        ema = min(self.args.ema, (1 + step) / (10 + step))
        norm = self.flat.update(self.rank, self.mine, self.optimizer, self.barrier, rate, ema)
        self.sums += torch.stack([loss, norm, torch.ones_like(loss)])

    def run(self) -> None:
        """Steps until the deadline; worker 0 decides the rate, reports, saves and draws."""
        first = step = int(self.flat.step.item())
        self.started = (step, time.time())
        saved = time.time()
        while True:
            if self.rank == 0:
                self.flat.rate.fill_(self.rate(step))
            self.barrier()
            rate = self.flat.rate.item()
            if rate <= 0:
                break
            if self.rank == 0:  # nobody writes parameters before the next barrier
                if time.time() - saved > 60 * self.args.save:
                    saved = time.time()
                    self.save(step)
                self.progress.maybe(self.flat.ema, step)
            self.step(step, rate)
            step += 1
            if step % REPORT == 0:
                self.data.refresh()
                self.report(step)
        self.barrier()
        if self.rank == 0 and step > first:
            self.save(step)
            if step % REPORT:
                self.report(step)
            self.progress.draw(self.flat.ema, step)
            print(f"done at step {step}", flush=True)

    def rate(self, step: int) -> float:
        """The learning rate now; 0 when the time is over."""
        left = self.args.end - time.time()
        if left <= 0 or step >= self.args.steps:
            return 0.0
        return learning_rate(step, left, self.args.lr, 60 * self.args.decay)

    def save(self, step: int) -> None:
        """Checkpoint (the other workers wait at the next barrier); never one of broken numbers."""
        loss = self.sums[0].item()
        if not math.isfinite(loss):
            raise SystemExit(f"the loss is {loss} before step {step}: lower --lr and run again")
        self.flat.step.fill_(step)
        self.flat.save(self.args.run / "checkpoint.pt")

    def report(self, step: int) -> None:
        """One line of figures, worker 0's part of the batches."""
        loss, norm, count = self.sums.tolist()
        if self.rank == 0:
            first, began = self.started
            speed = (step - first) * self.args.batch / (time.time() - began)
            rate = self.optimizer.param_groups[0]["lr"]
            quarters = " ".join(f"{x:.3f}" for x in (self.bins[:, 0] / self.bins[:, 1]).tolist())
            self.progress.write(
                f"{datetime.datetime.now():%H:%M:%S} step {step} loss {loss / count:.4f} "
                f"norm {norm / count:.2f} lr {rate:.1e} {speed:.1f} samples/s "
                f"data {self.data.sizes()} loss by quarter of t {quarters}"
            )
        self.clear()


def work(rank: int, args, flat: Flat, barrier) -> None:
    """Entry of a worker process."""
    torch.set_num_threads(1)
    Worker(rank, args, flat, barrier.wait).run()


def first_parameters(args) -> torch.Tensor:
    """Flat initial parameters: fresh, or warm-started where names and shapes agree."""
    text, unet = model.build(model.load_tokenizer(args.tokenizer))
    if args.warm:
        copied = model.warm_start(text, args.warm / "text_encoder" / "model.safetensors")
        copied += model.warm_start(unet, args.warm / "unet" / "diffusion_pytorch_model.safetensors")
        print(f"warm start: {copied / 1e6:.2f} M parameters copied", flush=True)
    return torch.cat([p.detach().reshape(-1) for p in model.parameters(text, unet)])


def often(text: str) -> dict[str, int]:
    """'noto=2,rare=2' -> how many times as often pictures of a kind are drawn."""
    return {style: int(times) for style, times in (item.split("=") for item in text.split(","))}


def parser() -> argparse.ArgumentParser:
    """Command line."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--tokenizer", type=Path, default=Path("training/runs/tokenizer"))
    made.add_argument("--warm", type=Path, help="pipeline folder to start from")
    made.add_argument("--data", type=Path, default=Path("training/runs/data"))
    made.add_argument("--objects", type=Path, help="folder of 3D objects to mix in")
    made.add_argument("--share", type=float, default=0.28, help="of objects in a batch")
    made.add_argument("--run", type=Path, default=Path("training/runs/denoiser"))
    made.add_argument("--until", help="end at this time of day, HH:MM")
    made.add_argument("--minutes", type=float, help="or after so many minutes")
    made.add_argument("--steps", type=int, default=10**9, help="and never beyond this step")
    made.add_argument("--decay", type=float, default=35.0, help="minutes of cosine at the end")
    made.add_argument("--batch", type=int, default=40)
    made.add_argument("--lr", type=float, default=7e-4)
    made.add_argument("--dropout", type=float, default=0.12, help="share of empty captions")
    made.add_argument("--ema", type=float, default=0.999)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--save", type=float, default=4.0, help="minutes between checkpoints")
    made.add_argument("--often", type=often, default={}, help="such as noto=2,rare=2")
    made.add_argument("--vae", type=Path, help="autoencoder for sample sheets; none without")
    made.add_argument("--every", type=float, default=20.0, help="minutes between sheets and curves")
    made.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    made.add_argument("--compile", action=argparse.BooleanOptionalAction, help="default: on a GPU")
    made.add_argument("--workers", type=int, help="processes; default 2 on a CPU, 1 on a GPU")
    return made


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line, completed: where it runs, when it ends."""
    command = parser()
    args = command.parse_args(words)
    if not args.until and not args.minutes:
        command.error("give --until HH:MM or --minutes N")
    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    gpu = args.device == "cuda"
    if args.workers is None:
        args.workers = 1 if gpu else 2
    if gpu and args.workers != 1:
        command.error(f"--workers is {args.workers}: a GPU is trained on by one process")
    if args.batch % args.workers:
        command.error(f"--batch is {args.batch}: give a multiple of the {args.workers} workers")
    args.compile = gpu if args.compile is None else args.compile
    args.end = deadline(args.until) if args.until else time.time() + 60 * args.minutes
    return args


def train(args: argparse.Namespace) -> None:
    """Run alone, or start the workers and wait for them."""
    args.run.mkdir(parents=True, exist_ok=True)
    if args.device == "cuda":
        torch.set_float32_matmul_precision("high")
    else:
        torch.set_num_threads(1)
    flat = Flat(first_parameters(args), args.workers, args.device)
    if (args.run / "checkpoint.pt").exists():
        flat.load(args.run / "checkpoint.pt")
        print(f"continuing at step {int(flat.step.item())}", flush=True)
    if args.workers == 1:
        return Worker(0, args, flat, lambda: None).run()
    context = mp.get_context("spawn")
    barrier = context.Barrier(args.workers)
    workers = [
        context.Process(target=work, args=(rank, args, flat, barrier))
        for rank in range(args.workers)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit("a worker stopped early: what it said is above")
    return None


if __name__ == "__main__":
    train(arguments())
