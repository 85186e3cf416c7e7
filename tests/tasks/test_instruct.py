"""Models that edit by instruction, played by editors of known behavior: moved, scaled, tinted."""

import numpy as np
import pipelines
import pytest
import torch
from drawn import redrawing
from PIL import Image
from torch.nn import functional

from dreamsampler.images.fit import Fit
from dreamsampler.images.redraw import redrawn_change
from dreamsampler.images.save import as_pil
from dreamsampler.maths import Estimate, RectifiedFlow
from dreamsampler.models import ModelError, from_pipe
from dreamsampler.models.libraries import quiet
from dreamsampler.tasks import Edit

SIZES = [(61, 183), (97, 131), (128, 128)]


class Editor:
    """A model of pixels that takes a reference, and draws a given answer whatever it is asked."""

    schedule, latent_channels, factor, multiple, name = RectifiedFlow(), 3, 1, 8, "editor"
    references = True

    def __init__(self, answer, native_size):
        self.answer, self.native_size, self.asked = answer, native_size, []

    def condition(self, prompt, *, image=None):
        self.asked.append((prompt, image))
        return prompt

    def predict(self, z, level, conditions):
        z0 = (2 * self.answer - 1).expand_as(z)
        return [Estimate(z0, (z - level.alpha * z0) / level.sigma) for _ in conditions]

    def encode(self, x):
        return x

    def decode(self, z):
        return z


def moved(x, scale, shift):
    """A picture (1, 3, h, w) moved and scaled about its middle, resampled."""
    rows, columns = (
        (torch.arange(n) - (n - 1) / 2 - t) / scale * 2 / (n - 1)
        for n, t in zip(x.shape[2:], shift, strict=True)
    )
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], -1)[None]
    how = {"mode": "bicubic", "padding_mode": "border", "align_corners": True}
    return functional.grid_sample(x, grid, **how)


def files(tmp_path, size, **more):
    """A picture of 8 bits, an editor's answer, what it should have been, and where it changed."""
    picture, wanted, where = redrawing(size, 3, True, 1.0, (0, 0), **more)
    as_pil(picture).save(tmp_path / "cat.png")
    canvas = (Fit.to(size, 8, 8, max(size)).down(wanted[None]) + 1) / 2
    tint = torch.tensor([[1.02, 0.98, 1.0], [-0.01, 0.01, 0.02]]).view(2, 3, 1, 1)
    return tmp_path / "cat.png", moved(canvas, 1.01, (3.4, -3.4)) * tint[0] + tint[1], wanted, where


def pixels(path):
    return torch.from_numpy(np.asarray(Image.open(path)).copy()).permute(2, 0, 1)


def edited(path, answer, **options):
    size = max(Image.open(path).size)
    task = Edit(path, "a dog", method="instruct", num_inference_steps=2, size=size, **options)
    model = Editor(answer, size)
    return (task.start(model).run().pictures()[0] * 255).round().byte(), model


@pytest.mark.parametrize("size", SIZES)
def test_what_did_not_change_comes_back_bit_for_bit_and_the_rest_in_place(size, tmp_path):
    path, answer, wanted, where = files(tmp_path, size)
    source, (result, model) = pixels(path), edited(path, answer)
    changed = functional.max_pool2d(where, 15, 1, 7)[0] > 0
    assert torch.equal(result[:, ~changed], source[:, ~changed])
    inside = -functional.max_pool2d(-where, 7, 1, 3)[0] > 0
    off = (result / 255 - wanted)[:, inside].abs()
    assert off.mean() < 0.02 and (source / 255 - wanted)[:, inside].abs().mean() > 0.1
    asked = [(prompt, np.asarray(image).shape[:2]) for prompt, image in model.asked]
    assert asked == [(None, tuple(answer.shape[2:])), ("a dog", tuple(answer.shape[2:]))]


def test_a_mask_holds_bit_for_bit(tmp_path):
    size = (97, 131)
    path, answer, _, where = files(tmp_path, size)
    mask = torch.zeros(1, *size)
    mask[:, 20:70, 30:90] = 1
    as_pil(mask.expand(3, -1, -1)).save(tmp_path / "mask.png")
    source, (result, _) = pixels(path), edited(path, answer, mask_image=tmp_path / "mask.png")
    assert torch.equal(result[:, mask[0] == 0], source[:, mask[0] == 0])
    both = (where * mask)[0] > 0
    assert both.sum() > 100 and (result != source)[:, both].any(0).float().mean() > 0.8
    free, _ = edited(path, answer)
    assert ((result / 255 - free / 255)[:, mask[0] == 1]).abs().mean() < 0.005


def test_a_mask_says_what_to_go_by(tmp_path):
    """Most of the picture is another one, where it may be."""
    path, answer, wanted, where = files(tmp_path, (128, 128), changed=0.7)
    mask = functional.max_pool2d(where, 9, 1, 4).expand(3, -1, -1)
    as_pil(mask).save(tmp_path / "mask.png")
    result, _ = edited(path, answer, mask_image=tmp_path / "mask.png")
    inside = -functional.max_pool2d(-where, 7, 1, 3)[0] > 0
    assert (result / 255 - wanted)[:, inside].abs().mean() < 0.02


def test_a_line_that_was_removed_is_a_change_and_a_blurred_one_is_none():
    x = torch.full((1, 3, 64, 64), 0.5)
    x[..., 10:12, 20:50], x[..., 40:42, 20:50] = -0.8, -0.8
    redrawn = x.clone()
    redrawn[..., 10:12, 20:50] = 0.5
    below = x[..., 32:, :]
    redrawn[..., 32:, :] = (below + below.roll(1, 2)) / 2 * 0.5 + below * 0.5
    change = redrawn_change(x, redrawn)[1][0, 0]
    assert change[10:12, 22:48].min() > 0.3
    assert change[32:].max() < 0.05


def test_a_tint_is_undone_also_where_a_change_is_seen():
    picture, _, where = redrawing((96, 120), 3, True, 1.0, (0, 0))
    lighter = picture + 0.2 * where
    tint = torch.tensor([[1.06, 0.95, 1.0], [-0.03, 0.02, 0.05]]).view(2, 3, 1, 1)
    edited, change = redrawn_change(
        *(2 * x[None] - 1 for x in (picture, lighter * tint[0] + tint[1]))
    )
    assert change[0, 0, where[0] == 0].median() < 0.02 < 0.3 < change[0, 0, where[0] == 1].median()
    assert ((edited[0] + 1) / 2 - lighter).abs().mean() < 0.003


def test_a_model_that_takes_no_reference_is_refused_before_anything_is_encoded(prior, tmp_path):
    path, *_ = files(tmp_path, (64, 64))
    for steps in (None, 3):
        task = Edit(path, "a dog", method="instruct", num_inference_steps=steps)
        with pytest.raises(ModelError, match=r"takes no reference picture; take .*Qwen-Image-Edit"):
            task.start(prior)


@pytest.mark.parametrize("kind", ["FluxKontextPipeline", "StableDiffusionInstructPix2PixPipeline"])
def test_pipelines_that_edit_see_the_source(kind, tmp_path):
    path, *_ = files(tmp_path, (48, 64))
    Image.open(path).transpose(Image.Transpose.ROTATE_180).save(tmp_path / "turned.png")
    with quiet():
        model = from_pipe(pipelines.build(pipelines.TINY[kind]))
        tasks = [
            Edit(each, "a dog", method="instruct", num_inference_steps=2, size=64)
            for each in (path, path, tmp_path / "turned.png")
        ]
        one, same, other = (task.start(model).run() for task in tasks)
    assert torch.equal(one.last.z0, same.last.z0)
    assert (one.last.z0 - other.last.z0).abs().max() > 1e-3
    assert one.pictures()[0].shape == (3, 48, 64)
