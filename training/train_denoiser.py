"""Train the text-conditional latent denoiser on a CPU: two workers that share parameters.

    python training/train_denoiser.py --tokenizer DIR --warm DIR --until 10:20

Each single-thread worker does half the batch, then applies AdamW and the EMA to half of the flat
parameter vector. The learning rate is constant after warm-up and follows a cosine to zero over the
last --decay minutes before --until. A killed run continues exactly (parameters, EMA, optimizer,
step) with the same command.
"""

import argparse
import datetime
import math
import os
import time
from pathlib import Path

import torch
import torch.multiprocessing as mp

WARM_UP = 200
REPORT = 100


def deadline(text: str) -> float:
    """'10:20' -> seconds since the epoch, today or (if past) tomorrow."""
    hour, minute = map(int, text.split(":"))
    now = datetime.datetime.now()
    end = now.replace(hour=hour, minute=minute, second=0)
    return (end if end > now else end + datetime.timedelta(days=1)).timestamp()


def timestep_table(alpha_bar: torch.Tensor, size: int = 4096) -> torch.Tensor:
    """Quantiles u -> t for which the log-SNR follows a cosine schedule."""
    u = (torch.arange(size) + 0.5) / size
    wanted = torch.cos(u * math.pi / 2) ** 2
    return (alpha_bar[None, :] > wanted[:, None]).sum(1).clamp(0, len(alpha_bar) - 1)


def draw_timesteps(count: int, table: torch.Tensor, steps: int) -> torch.Tensor:
    """Stratified: half uniform in t, half by the cosine table."""
    half = count // 2
    uniform = (torch.arange(half) + torch.rand(half)) / half * steps
    u = (torch.arange(count - half) + torch.rand(count - half)) / (count - half)
    cosine = table[(u * len(table)).long().clamp(0, len(table) - 1)]
    return torch.cat([uniform.long().clamp(0, steps - 1), cosine])[torch.randperm(count)]


class Shared:
    """Everything that the workers share: flat vectors and a few numbers."""

    def __init__(self, size: int, workers: int) -> None:
        """`size` trained numbers."""

        def zeros(n):
            return torch.zeros(n).share_memory_()

        self.parameters, self.ema, self.m, self.v = (
            zeros(size),
            zeros(size),
            zeros(size),
            zeros(size),
        )
        self.gradients = [zeros(size) for _ in range(workers)]
        self.norms, self.rate, self.step = zeros(workers), zeros(1), zeros(1)

    def save(self, path: Path) -> None:
        """Write a checkpoint atomically."""
        state = {"parameters": self.parameters, "ema": self.ema, "m": self.m, "v": self.v}
        state = {k: t.clone() for k, t in state.items()} | {"step": int(self.step.item())}
        torch.save(state, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint."""
        state = torch.load(path, weights_only=True)
        for name in ("parameters", "ema", "m", "v"):
            getattr(self, name).copy_(state[name])
        self.step.fill_(state["step"])


def attach(shared: Shared, rank: int, every: list[torch.nn.Parameter]) -> None:
    """Make the networks' parameters and gradients views of the shared flat vectors."""
    offset = 0
    for parameter in every:
        size = parameter.numel()
        part = slice(offset, offset + size)
        parameter.data = shared.parameters[part].view(parameter.shape)
        parameter.grad = shared.gradients[rank][part].view(parameter.shape)
        offset += size


class Worker:
    """One process: its networks, data and half of the optimizer."""

    def __init__(self, rank: int, args, shared: Shared, barrier) -> None:
        """Build the networks on the shared parameters."""
        import fused_norm
        import model
        from dataset import Latents

        self.rank, self.args, self.shared, self.barrier = rank, args, shared, barrier
        tokenizer = model.load_tokenizer(args.tokenizer)
        self.text, self.unet = model.build(tokenizer)
        fused_norm.patch(self.unet)
        self.unet.set_attn_processor(fused_norm.PlainAttention())
        attach(shared, rank, model.parameters(self.text, self.unet))
        self.data = Latents(args.data, tokenizer, args.often)
        self.alpha_bar = model.scheduler().alphas_cumprod
        self.table = timestep_table(self.alpha_bar)
        size = len(shared.parameters)
        self.mine = slice(rank * size // args.workers, (rank + 1) * size // args.workers)
        self.optimizer = self.make_optimizer()
        self.log, self.bins = [], torch.zeros(4, 2)

    def make_optimizer(self) -> torch.optim.Optimizer:
        """AdamW on this worker's slice, its moments in shared memory."""
        s, mine = self.shared, self.mine
        self.slice = torch.nn.Parameter(s.parameters[mine])
        self.slice.grad = torch.zeros_like(s.parameters[mine])
        optimizer = torch.optim.AdamW(
            [self.slice], self.args.lr, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
        step = torch.tensor(float(s.step.item()))
        optimizer.state[self.slice] = {"step": step, "exp_avg": s.m[mine], "exp_avg_sq": s.v[mine]}
        return optimizer

    def gradient(self) -> float:
        """Forward and backward of this worker's half batch; returns its v-MSE."""
        z, ids = self.data.batch(self.args.batch // self.args.workers, self.args.dropout)
        t = draw_timesteps(len(z), self.table, len(self.alpha_bar))
        a = self.alpha_bar[t].view(-1, 1, 1, 1)
        eps = torch.randn_like(z)
        noisy, v = a.sqrt() * z + (1 - a).sqrt() * eps, a.sqrt() * eps - (1 - a).sqrt() * z
        self.shared.gradients[self.rank].zero_()
        with torch.autocast("cpu", torch.bfloat16):
            context = self.text(input_ids=ids).last_hidden_state
            out = self.unet(noisy, t, context).sample
        each = (out.float() - v).pow(2).flatten(1).mean(1)
        each.mean().backward()
        self.bins[:, 0].index_add_(0, t // 250, each.detach())
        self.bins[:, 1].index_add_(0, t // 250, torch.ones(len(t)))
        return each.mean().item()

    def update(self, step: int, rate: float) -> float:
        """Average the gradients, clip, AdamW and EMA on this worker's slice; returns the norm."""
        s, grad = self.shared, self.slice.grad
        grad.copy_(s.gradients[0][self.mine])
        for other in s.gradients[1:]:
            grad.add_(other[self.mine])
        grad.div_(self.args.workers)
        s.norms[self.rank] = grad.pow(2).sum()
        self.barrier.wait()
        norm = s.norms.sum().sqrt().item()
        if norm > 1:
            grad.div_(norm)
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.step()
        decay = min(self.args.ema, (1 + step) / (10 + step))
        s.ema[self.mine].lerp_(s.parameters[self.mine], 1 - decay)
        return norm

    def run(self) -> None:
        """Steps until the deadline; worker 0 decides the rate, reports and saves."""
        step, began, saved = int(self.shared.step.item()), time.time(), time.time()
        first = step
        while True:
            if self.rank == 0:
                self.shared.rate.fill_(self.rate(step))
            self.barrier.wait()
            rate = self.shared.rate.item()
            if rate <= 0:
                break
            if self.rank == 0 and time.time() - saved > 60 * self.args.save:
                saved = time.time()
                self.save(step)  # nobody writes parameters before the next barrier
            torch.manual_seed(step * 64 + self.rank)
            loss = self.gradient()
            self.barrier.wait()
            self.log.append((loss, self.update(step, rate)))
            step += 1
            if step % REPORT == 0:
                self.data.refresh()
                self.report(step, (step - first) * self.args.batch / (time.time() - began), rate)
        self.barrier.wait()
        if self.rank == 0:
            self.save(step)
            print(f"done at step {step}", flush=True)

    def rate(self, step: int) -> float:
        """The learning rate now; 0 when the time is over."""
        left = self.args.end - time.time()
        if left <= 0 or step >= self.args.steps:
            return 0.0
        rate = self.args.lr * min(1.0, (step + 1) / WARM_UP)
        fraction = min(1.0, left / (60 * self.args.decay))
        return rate * max(1e-3, 0.5 * (1 - math.cos(math.pi * fraction)))

    def save(self, step: int) -> None:
        """Checkpoint (the other worker waits at the next barrier)."""
        self.shared.step.fill_(step)
        self.shared.save(self.args.run / "checkpoint.pt")

    def report(self, step: int, speed: float, rate: float) -> None:
        """One line of figures, worker 0's half of the batches."""
        if self.rank == 0:
            loss, norm = torch.tensor(self.log).mean(0).tolist()
            quarters = " ".join(f"{x:.3f}" for x in (self.bins[:, 0] / self.bins[:, 1]).tolist())
            line = (
                f"{datetime.datetime.now():%H:%M:%S} step {step} loss {loss:.4f} norm {norm:.2f} "
                f"lr {rate:.1e} {speed:.1f} samples/s "
                f"data {len(self.data.latents)} loss by quarter of t {quarters}"
            )
            print(line, flush=True)
        self.log, self.bins = [], torch.zeros(4, 2)


def work(rank: int, args, shared: Shared, barrier) -> None:
    """Entry of a worker process."""
    torch.set_num_threads(1)
    Worker(rank, args, shared, barrier).run()


def first_parameters(args) -> torch.Tensor:
    """Flat initial parameters: fresh, or warm-started where names and shapes agree."""
    import model

    text, unet = model.build(model.load_tokenizer(args.tokenizer))
    if args.warm:
        copied = model.warm_start(text, args.warm / "text_encoder" / "model.safetensors")
        copied += model.warm_start(unet, args.warm / "unet" / "diffusion_pytorch_model.safetensors")
        print(f"warm start: {copied / 1e6:.2f} M parameters copied", flush=True)
    return torch.cat([p.detach().reshape(-1) for p in model.parameters(text, unet)])


def often(text: str) -> dict[str, int]:
    """'noto=2,rare=2' -> how many times as often pictures of a kind are drawn."""
    return {style: int(times) for style, times in (item.split("=") for item in text.split(","))}


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, default=Path("training/runs/tokenizer"))
    parser.add_argument("--warm", type=Path, help="pipeline folder to start from")
    parser.add_argument("--data", type=Path, default=Path("training/runs/data"))
    parser.add_argument("--run", type=Path, default=Path("training/runs/denoiser"))
    parser.add_argument("--until", help="end at this time of day, HH:MM")
    parser.add_argument("--minutes", type=float, help="or after so many minutes")
    parser.add_argument("--steps", type=int, default=10**9, help="and never beyond this step")
    parser.add_argument("--decay", type=float, default=35.0, help="minutes of cosine at the end")
    parser.add_argument("--batch", type=int, default=40)
    parser.add_argument("--lr", type=float, default=7e-4)
    parser.add_argument("--dropout", type=float, default=0.12, help="share of empty captions")
    parser.add_argument("--ema", type=float, default=0.999)
    parser.add_argument("--save", type=float, default=4.0, help="minutes between checkpoints")
    parser.add_argument("--often", type=often, default={}, help="such as noto=2,rare=2")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    if not args.until and not args.minutes:
        parser.error("give --until HH:MM or --minutes N")
    args.end = deadline(args.until) if args.until else time.time() + 60 * args.minutes
    return args


def main() -> None:
    """Start the workers and wait for them."""
    args = arguments()
    args.run.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    start = first_parameters(args)
    shared = Shared(len(start), args.workers)
    shared.parameters.copy_(start)
    shared.ema.copy_(start)
    if (args.run / "checkpoint.pt").exists():
        shared.load(args.run / "checkpoint.pt")
        print(f"continuing at step {int(shared.step.item())}", flush=True)
    import fused_norm

    fused_norm.kernel()  # compile once, before the workers start
    context = mp.get_context("spawn")
    barrier = context.Barrier(args.workers)
    workers = [
        context.Process(target=work, args=(rank, args, shared, barrier))
        for rank in range(args.workers)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()
