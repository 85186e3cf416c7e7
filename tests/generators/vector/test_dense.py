"""All paths on all pixels, many scenes at once: the same pictures and gradients."""

import dataclasses

import pytest
import torch
from outlines import F64, blobs, noise

from dreamsampler.generators.vector import over, rasterize, rasterize_batch


def test_it_is_the_loop():
    """Different numbers of paths, rules, opaque layers; pictures and all gradients."""
    scenes = [
        blobs(7, 24, seed=1),
        dataclasses.replace(blobs(3, 24, seed=2, jitter=0.8), fill_rule="evenodd"),
    ]
    scenes[0].color[2, 3] = 1.0
    behind, weight = torch.rand(2, 3, 24, 24, dtype=F64), noise(2, 3, 24, 24)
    leaves = [[x.clone().requires_grad_() for x in (s.points, s.color)] for s in scenes]
    behind.requires_grad_()
    moved = [s.moved(*leaf) for s, leaf in zip(scenes, leaves, strict=True)]
    inputs = [*leaves[0], *leaves[1], behind]
    dense = rasterize_batch(moved, behind)
    loop = torch.stack([rasterize(s, b) for s, b in zip(moved, behind, strict=True)])
    torch.testing.assert_close(dense, loop, atol=1e-12, rtol=0)
    ours, theirs = (torch.autograd.grad((x * weight).sum(), inputs) for x in (dense, loop))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-11, rtol=1e-10)


def test_layers_gradcheck():
    rng = torch.Generator().manual_seed(0)
    alpha, color, behind = (
        torch.rand(*shape, generator=rng, dtype=F64)
        for shape in ((2, 4, 3, 3), (2, 4, 3), (2, 3, 3, 3))
    )
    alpha[:, 1], alpha[:, 2] = 1.0, 0.0  # above an opaque layer, and none at all
    inputs = [x.requires_grad_() for x in (alpha, color, behind)]
    assert torch.autograd.gradcheck(over, inputs)


def test_one_background_color_serves_all():
    scene = blobs(2, 12)
    both = rasterize_batch([scene, scene], torch.ones(3, dtype=F64))
    torch.testing.assert_close(both[0], both[1], atol=1e-12, rtol=0)


def test_scenes_without_paths_are_the_background():
    empty = blobs(1, 8).kept(torch.tensor([False]))
    assert (rasterize_batch([empty, empty], torch.ones(3)) == 1).all()
    assert (rasterize_batch([blobs(2, 8), empty], torch.ones(3))[1] == 1).all()


def test_different_canvases_are_refused():
    with pytest.raises(ValueError, match="one size"):
        rasterize_batch([blobs(1, 8), blobs(1, 9)], torch.ones(3))
