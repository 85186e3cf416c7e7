"""A vector graphic as a generator, from its first scene to its file."""

import sys
import xml.etree.ElementTree as ET

import pytest
import torch
from outlines import blobs, psnr, rng

from dreamsampler.files import InputError
from dreamsampler.generators import GeneratorVariable
from dreamsampler.generators.vector import (
    Scene,
    VectorGraphic,
    compound,
    from_svg,
    placed,
    rasterize,
    scattered,
    simplified,
    to_svg,
    traced,
)

WHITE = torch.ones(3)


def icon(size=48):
    """A red disk on a blue one, on white; as a picture."""
    centers = torch.tensor([[22.0, 24.0], [30.0, 20.0]]) * size / 48
    color = torch.tensor([[0.1, 0.2, 0.9, 1], [0.9, 0.1, 0.1, 1]])
    radii = torch.tensor([15.0, 6.0]) * size / 48
    return rasterize(Scene.circles(centers, radii, size, size, color=color), WHITE)


def fitted(graphic, picture, steps=40):
    optimizer = torch.optim.Adam(
        [{"params": [graphic.points], "lr": 0.5}, {"params": [graphic.color], "lr": 0.03}]
    )
    for _ in range(steps):
        optimizer.zero_grad()
        ((graphic()[0] + 1) / 2 - picture).square().sum().backward()
        optimizer.step()
        graphic.clamp_()
    return optimizer


def seen(graphic):
    return (graphic()[0].detach() + 1) / 2


def test_the_picture_is_in_range_and_every_parameter_has_a_gradient():
    graphic = VectorGraphic(blobs(6, 32, dtype=torch.float32))
    picture = graphic()
    assert picture.shape == (1, 3, 32, 32)
    assert picture.min() >= -1 - 1e-5 and picture.max() <= 1 + 1e-5
    (picture * torch.randn(1, 3, 32, 32, generator=rng())).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in graphic.parameters())


def test_an_update_lowers_the_distance():
    graphic = VectorGraphic(scattered(icon(), 8, rng()))
    optimizer = torch.optim.Adam(graphic.parameters(), lr=0.3)
    variable = GeneratorVariable(graphic, optimizer, update_steps=20)
    target = 2 * icon()[None] - 1
    before = (variable.latent() - target).norm()
    variable.update(target)
    assert (variable.latent() - target).norm() < 0.9 * before


def test_state_comes_back():
    scene = blobs(5, 16, dtype=torch.float32)
    one, other = VectorGraphic(scene), VectorGraphic(scene.moved(scene.points + 1))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(), other())


def test_clamping_keeps_colors_and_points_near():
    graphic = VectorGraphic(blobs(3, 16, dtype=torch.float32))
    with torch.no_grad():
        graphic.points[0], graphic.color[0] = 1e6, -3
    graphic.clamp_()
    assert graphic.points[0].tolist() == [20, 20] and graphic.color[0].tolist() == [0] * 4


def test_what_is_visible_adds_up_to_what_is_not_background():
    scene = blobs(6, 32, seed=3, dtype=torch.float32)
    graphic = VectorGraphic(scene)
    assert graphic.visible().sum().item() == pytest.approx(
        rasterize(scene)[3].sum().item(), rel=1e-4
    )


def test_dead_paths_begin_again_and_are_forgotten():
    """One outside, one below an opaque path; also a path with a hole."""
    scene = Scene.circles(
        torch.tensor([[10.0, 10.0], [24.0, 24.0], [99.0, 99.0], [12.0, 34.0]]),
        torch.tensor([3.0, 12.0, 5.0, 4.0]),
        48,
        48,
    )
    ring = compound(
        [
            [scene.points[:12]],
            [scene.points[12:24]],
            [scene.points[24:36], scene.points[36:48] + 90],
        ],
        scene.color[:3],
        48,
        48,
    )
    graphic = VectorGraphic(ring)
    optimizer = fitted(graphic, icon(), steps=2)
    before = graphic.points.detach().clone()
    assert (graphic.visible() < 2).tolist() == [False, False, True]
    assert graphic.respawn(icon(), optimizer, rng()) == 1
    assert torch.equal(graphic.points[:24], before[:24])
    assert graphic.visible()[2] > 2
    for parameter, alive in ((graphic.points, 24), (graphic.color, 2)):
        for name in ("exp_avg", "exp_avg_sq"):
            memory = optimizer.state[parameter][name]
            assert (memory[alive:] == 0).all() and (memory[:alive] != 0).any()
    assert graphic.respawn(icon(), optimizer, rng()) == 0


def test_placed_disks_lie_where_the_error_is():
    picture = icon()
    scene = placed(picture, WHITE[:, None, None] - picture, 2, rng())
    first = scene.points[:12].view(4, 3, 2)[:, 0].mean(0)
    assert (first - torch.tensor([22.0, 24.0])).norm() < 6
    assert (scene.color[0, :3] - torch.tensor([0.1, 0.2, 0.9])).abs().max() < 0.35
    alone = placed(picture, torch.zeros_like(picture), 3, rng())
    assert alone.paths == 3


def test_every_beginning_leads_to_the_picture():
    picture = icon()
    error = WHITE[:, None, None] - picture
    for scene, least in (
        (scattered(picture, 12, rng(1)), 22),
        (placed(picture, error, 12, rng()), 26),
        (traced(picture, 12), 28),
    ):
        assert scene.paths <= 12
        graphic = VectorGraphic(scene)
        before = psnr(seen(graphic), picture)
        fitted(graphic, picture)
        assert psnr(seen(graphic), picture) > max(least, before)


def test_a_missing_tracer_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "vtracer", None)
    with pytest.raises(InputError, match=r"dreamsampler\[svg\]"):
        traced(icon(), 8)


def test_a_picture_that_cannot_be_traced_in_so_few_paths_is_refused():
    with pytest.raises(InputError, match="with 1 paths"):
        traced(icon(), 1)


def test_simplifying_keeps_what_matters():
    """Paths below others, off the canvas or transparent go; the picture stays."""
    disks = Scene.circles(
        torch.tensor([[22.0, 24], [22, 24], [30, 20], [90, 90], [12, 40]]),
        torch.tensor([6.0, 15, 6, 5, 5]),
        48,
        48,
        color=torch.tensor(
            [[0, 1, 0, 1], [0.1, 0.2, 0.9, 1], [0.9, 0.1, 0.1, 1], [0, 0, 0, 1], [0, 0, 0, 0.0]]
        ),
    )
    few = simplified(disks, WHITE, icon(), loss=0.0)
    assert few.paths == 2
    assert torch.equal(few.color, disks.color[1:3])
    many = scattered(icon(), 30, rng())
    target = rasterize(many, WHITE)
    fewer = simplified(many, WHITE, icon(), loss=1.0)
    loss = psnr(target, icon()) - psnr(rasterize(fewer, WHITE), icon())
    assert fewer.paths < 30 and loss <= 1.0 + 1e-3


def test_a_negative_loss_is_refused():
    with pytest.raises(ValueError, match="0 or more"):
        simplified(blobs(2, 8, dtype=torch.float32), WHITE, torch.zeros(3, 8, 8), loss=-1.0)


def test_a_graphic_as_svg_is_what_was_drawn():
    graphic = VectorGraphic(blobs(5, 32, seed=2, dtype=torch.float32), (0.2, 0.4, 0.6))
    behind = graphic.background.tolist()
    text = to_svg(graphic.scene, title="blobs", background=behind, digits=4)
    back = from_svg(text)
    assert back.paths == 6  # the background is one
    assert psnr(rasterize(back, WHITE), seen(graphic)) > 45
    assert ET.fromstring(text)[0].text == "blobs"
