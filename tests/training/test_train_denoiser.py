"""The trainer: it resumes exactly, mixes as told, draws stratified times, ends at rate zero."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.data.captions import BACKGROUNDS
from training.data.objects import sample
from training.denoiser import network as model
from training.denoiser import state
from training.denoiser import train as train_denoiser
from training.denoiser.dataset import Latents, Mixture
from training.denoiser.timesteps import draw_timesteps, learning_rate, timestep_table

TOKENIZER = Path(__file__).parents[2] / "src/dreamsampler/models/bundled/tokenizer"


def icon(name, style, background):
    """What render.py says of a plain picture."""
    return {"icon": name, "style": style, "background": background, "ground": "plain"}


def write_shard(folder, labels, value):
    """Latents that are all `value`, so that a batch tells where it comes from."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "latents_000.npy", np.full((len(labels), 8, 16, 16), value, np.float16))
    (folder / "labels_000.json").write_text(json.dumps(labels))
    return folder


@pytest.fixture
def shards(tmp_path):
    """Eight icons (latents 1) and eight objects (latents -1)."""
    words = list(BACKGROUNDS)
    icons = [icon("cat-face", "noto", words[i]) for i in range(8)]
    objects = [sample(i)[2] for i in range(8)]
    return write_shard(tmp_path / "icons", icons, 1), write_shard(tmp_path / "objects", objects, -1)


@pytest.fixture
def small(monkeypatch):
    """Networks of a few thousand parameters."""
    small = {"block_out_channels": (8, 16), "norm_num_groups": 4, "attention_head_dim": 2}
    plain = model.UNet2DConditionModel
    monkeypatch.setattr(model, "UNet2DConditionModel", lambda **kw: plain(**(kw | small)))


def run(shards, folder, steps, *more):
    """Train to a step in this process; returns the checkpoint."""
    words = f"--tokenizer {TOKENIZER} --data {shards[0]} --objects {shards[1]} --run {folder}"
    words += f" --share 0.5 --batch 4 --minutes 60 --decay 1 --steps {steps}"
    args = train_denoiser.arguments([*words.split(), "--device", "cpu", "--workers", "1", *more])
    train_denoiser.train(args)
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def test_a_run_that_stopped_continues_exactly_and_seeds_change_it(shards, small, tmp_path, capsys):
    """Parameters, EMA, both moments and the step: as if nobody had stopped it."""
    whole = run(shards, tmp_path / "whole", 4)
    half = run(shards, tmp_path / "parts", 2)
    other = run(shards, tmp_path / "other", 2, "--seed", "1")
    assert not torch.equal(half["m"], other["m"])
    parts = run(shards, tmp_path / "parts", 4)
    assert (half["step"], parts["step"], whole["step"]) == (2, 4, 4)
    assert "continuing at step 2" in capsys.readouterr().out
    for name in state.STORED:
        assert torch.equal(parts[name], whole[name]), name
        assert not torch.equal(parts[name], half[name]), name
    assert (tmp_path / "parts" / "loss.png").exists()
    assert "step 4 loss" in (tmp_path / "parts" / "log.txt").read_text()


def test_a_broken_loss_is_never_saved(shards, small, tmp_path, monkeypatch):
    monkeypatch.setattr(train_denoiser.Worker, "gradient", lambda self: torch.tensor(float("nan")))
    with pytest.raises(SystemExit, match="the loss is nan before step 2: lower --lr"):
        run(shards, tmp_path / "run", 2)
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_checkpoint_of_other_networks_is_refused(tmp_path):
    state.Flat(torch.zeros(3)).save(tmp_path / "checkpoint.pt")
    with pytest.raises(SystemExit, match="holds 3 parameters, but these networks have 4"):
        state.Flat(torch.zeros(4)).load(tmp_path / "checkpoint.pt")


def test_the_flat_update_is_adamw_with_clipping(rng):
    """Two workers' gradients, averaged and clipped to norm 1, against torch's own AdamW."""
    start, gradients = torch.randn(10, generator=rng), torch.randn(3, 2, 10, generator=rng) * 5
    ours = state.Flat(start, workers=2)
    halves = [slice(0, 5), slice(5, 10)]
    optimizers = [ours.optimizer(half) for half in halves]
    theirs = torch.nn.Parameter(start.clone())
    adam = torch.optim.AdamW([theirs], 1e-2, betas=(0.9, 0.99), weight_decay=0.01)
    for pair in gradients:
        for mine, gradient in zip(ours.gradients, pair, strict=True):
            mine.copy_(gradient)
        # both workers write their norm before either goes on: here one after the other
        ours.norms.copy_(torch.stack([pair.mean(0)[half].square().sum() for half in halves]))
        for rank, half in enumerate(halves):
            ours.update(rank, half, optimizers[rank], lambda: None, 1e-2, 0.5)
        theirs.grad = pair.mean(0)
        torch.nn.utils.clip_grad_norm_([theirs], 1.0)
        adam.step()
    assert torch.allclose(ours.parameters, theirs, atol=1e-6)
    assert not torch.equal(ours.ema, ours.parameters)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_objects_have_their_share_of_the_batches(shards, share):
    tokenizer = model.load_tokenizer(TOKENIZER)
    torch.manual_seed(0)
    mixture = Mixture(Latents(shards[0], tokenizer), Latents(shards[1], tokenizer), share)
    objects, empty = [], []
    for _ in range(200):
        z, ids = mixture.batch(10, dropout=0.2)
        assert z.shape == (10, 8, 16, 16) and ids.shape == (10, model.TOKENS)
        objects.append((z[:, 0, 0, 0] < 0).float().mean().item())
        empty.append((ids == mixture.icons.empty).all(1).float().mean().item())
    assert max(objects) - min(objects) < 0.11
    assert np.mean(objects) == pytest.approx(share, abs=0.01)
    assert np.mean(empty) == pytest.approx(0.2, abs=0.04)


def test_new_shards_are_picked_up_and_weights_count(shards, tmp_path):
    tokenizer = model.load_tokenizer(TOKENIZER)
    data = Latents(shards[0], tokenizer, {"noto": 3})
    assert (len(data), len(data.order)) == (8, 24)
    np.save(shards[0] / "latents_001.npy", np.zeros((1, 8, 16, 16), np.float16))
    (shards[0] / "labels_001.json").write_text(json.dumps([icon("pizza", "fluent", "white")]))
    assert (data.refresh(), len(data.order)) == (9, 25)
    nothing = Latents(tmp_path / "nothing", tokenizer)
    with pytest.raises(SystemExit, match=r"run training\.data\.render and"):
        Mixture(nothing, None, 0.3)


def test_subject_and_view_fit_the_text_encoder():
    """24 tokens: what is cut off a long caption is the background or the style."""
    tokenizer = model.load_tokenizer(TOKENIZER)
    for seed in range(600):
        label = sample(seed)[2]
        bare = f"a {label['words']}, {label['view']}"
        assert len(tokenizer(bare).input_ids) <= model.TOKENS, bare


@given(count=st.integers(1, 64))
def test_times_are_stratified(count):
    """Half of them one in each of equal parts of [0, 1000); all of them in range."""
    alpha_bar = model.scheduler().alphas_cumprod
    table = timestep_table(alpha_bar)
    assert (table.diff() >= 0).all() and table[0] < 20 and table[-1] > 800
    t = draw_timesteps(count, table, 1000)
    assert len(t) == count and t.min() >= 0 and t.max() < 1000
    wanted = torch.cos(torch.tensor(math.pi / 4)) ** 2  # the median of the cosine schedule
    assert alpha_bar[table[len(table) // 2]] == pytest.approx(wanted.item(), abs=0.01)


def test_the_rate_warms_up_stays_and_ends():
    assert learning_rate(0, 1e4, 1e-3, 600) == pytest.approx(1e-3 / 200)
    assert learning_rate(500, 1e4, 1e-3, 600) == 1e-3
    assert learning_rate(500, 300, 1e-3, 600) == pytest.approx(5e-4)
    assert learning_rate(500, 0.01, 1e-3, 600) == 1e-6
    assert learning_rate(500, 1, 1e-3, 0) == 1e-3


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("--device cpu", "give --until"),
        ("--device cuda --workers 2 --minutes 1", "one process"),
        ("--device cpu --workers 3 --batch 40 --minutes 1", "multiple of the 3"),
    ],
)
def test_commands_that_cannot_work_are_refused(words, wrong, capsys):
    with pytest.raises(SystemExit):
        train_denoiser.arguments(words.split())
    assert wrong in capsys.readouterr().err
