"""Shapes whose edges lie on the pixel grid, at any size, beside areas in closed form."""

import numpy as np
import pytest
import shapely
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from outlines import F64, blobs, box, exact_fill, noise, psnr, resvg

from dreamsampler.generators.vector import compound, coverage, from_svg, rasterize, stroke, to_svg
from dreamsampler.generators.vector.chords import sample
from dreamsampler.generators.vector.contour import straight

F32 = torch.float32
FLOATS = st.sampled_from([F32, F64])
RULES = st.sampled_from(["nonzero", "evenodd"])


def black(paths, dtype):
    return torch.tensor([[0.0, 0.0, 0.0, 1.0]], dtype=dtype).repeat(paths, 1)


def area_of(left, top, right, bottom, width, height):
    """What a rectangle covers of every pixel: (height, width)."""
    shares = []
    for low, high, size in ((top, bottom, height), (left, right, width)):
        at = np.arange(size)
        shares.append(np.clip(np.minimum(at + 1, high) - np.maximum(at, low), 0, 1))
    return torch.from_numpy(np.outer(*shares))


@st.composite
def halves(draw, size):
    """Two ends of an interval on the grid of half pixels, on and around the picture."""
    first = draw(st.integers(-8, 2 * size + 7))
    return first / 2, draw(st.integers(first + 1, 2 * size + 8)) / 2


@st.composite
def rectangles(draw, width, height):
    (left, right), (top, bottom) = draw(halves(width)), draw(halves(height))
    return left, top, right, bottom


@pytest.mark.parametrize("dtype", [F32, F64])
def test_no_chord_crosses_two_grid_lines(dtype):
    """Level and upright edges of every whole length and of places to 2048, both ways."""
    start = torch.randint(-64, 2048, (1500, 2), generator=torch.Generator().manual_seed(0))
    far = torch.arange(1500) % 300 + 1
    ways = torch.tensor([[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, 1]])
    p = start.to(dtype)
    q = p + (far[:, None] * ways[torch.arange(1500) % 6]).to(dtype)
    samples = sample(torch.stack([p, p + (q - p) / 3, p + (q - p) * 2 / 3, q], 1), 0.004)
    crossed = samples.xy.floor().diff(dim=1).abs()
    crossed[:, samples.bridges] = 0
    assert crossed.max() == 1


@pytest.mark.parametrize(("corners", "size"), [((18, 11, 86, 51), 100), ((171, 11, 211, 267), 300)])
def test_a_whole_rectangle_is_whole_pixels(corners, size):
    scene = compound([[box(*corners, dtype=F32)]], black(1, F32), size, size)
    assert torch.equal(coverage(scene)[0], area_of(*corners, size, size).float())


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), FLOATS, RULES)
def test_rectangles_are_their_areas(seed, dtype, rule):
    """Many paths in one picture: a fault in one of them would reach those after it."""
    rng = np.random.default_rng(seed)
    width, height = (int(side) for side in rng.integers(1, 300, 2))
    first = rng.integers(-8, [2 * width + 8, 2 * height + 8], (12, 2)) / 2
    last = first + rng.integers(1, [2 * width + 16, 2 * height + 16], (12, 2)) / 2
    corners = np.concatenate([first, last], 1).tolist()
    rings = [
        [box(*each, reverse=bool(rng.integers(2)), dtype=dtype).roll(3 * k, 0)]
        for k, each in enumerate(corners)
    ]
    scene = compound(rings, black(len(rings), dtype), width, height, rule)
    expected = torch.stack([area_of(*each, width, height) for each in corners])
    torch.testing.assert_close(coverage(scene).double(), expected, atol=1e-6, rtol=0)


@settings(max_examples=25, deadline=None)
@given(st.data(), FLOATS, RULES, st.booleans())
def test_holes_are_left_out(data, dtype, rule, reverse):
    width, height = data.draw(st.integers(4, 300)), data.draw(st.integers(4, 300))
    outer = data.draw(rectangles(width, height))
    left, top, right, bottom = outer
    hole = [
        low + data.draw(st.integers(1, int(4 * (high - low)) - 1)) / 4
        for low, high in ((left, right), (top, bottom))
    ]
    hole = (*hole, right, bottom) if data.draw(st.booleans()) else (left, top, *hole)
    turned = not reverse if rule == "nonzero" else data.draw(st.booleans())
    rings = [box(*outer, reverse=reverse, dtype=dtype), box(*hole, reverse=turned, dtype=dtype)]
    scene = compound([rings], black(1, dtype), width, height, rule)
    expected = area_of(*outer, width, height) - area_of(*hole, width, height)
    torch.testing.assert_close(coverage(scene)[0].double(), expected, atol=1e-6, rtol=0)


@settings(max_examples=25, deadline=None)
@given(st.data(), FLOATS, st.booleans())
def test_edges_have_their_length_as_gradient(data, dtype, reverse):
    """d area / d place of an edge, inside of a picture whose border no edge touches."""
    width, height = data.draw(st.integers(8, 300)), data.draw(st.integers(8, 300))
    left, top = data.draw(st.integers(2, width)) / 2, data.draw(st.integers(2, height)) / 2
    right = data.draw(st.integers(int(2 * left) + 1, 2 * width - 1)) / 2
    bottom = data.draw(st.integers(int(2 * top) + 1, 2 * height - 1)) / 2
    points = box(left, top, right, bottom, reverse=reverse, dtype=dtype).requires_grad_()
    area = coverage(compound([[points]], black(1, dtype), width, height)).sum()
    (gradient,) = torch.autograd.grad(area, points)
    x, y = points.detach().T
    found = [gradient[x == left, 0].sum(), gradient[x == right, 0].sum(),
             gradient[y == top, 1].sum(), gradient[y == bottom, 1].sum()]  # fmt: skip
    wide, high = right - left, bottom - top
    expected = torch.tensor([-high, high, -wide, wide], dtype=dtype)
    torch.testing.assert_close(torch.stack(found), expected, atol=1e-3, rtol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), FLOATS, RULES)
def test_paths_that_cross_themselves_are_their_faces(seed, dtype, rule):
    """Corners on whole and half pixels: crossings, edges that lie on each other, tiny turns."""
    rng = np.random.default_rng(seed)
    size, step = int(rng.integers(2, 16)), 1 / rng.integers(1, 5)
    rings = [
        rng.integers(-2, size / step + 3, (int(rng.integers(3, 8)), 2)) * step
        for _ in range(rng.integers(1, 3))
    ]
    loops = [straight(torch.from_numpy(ring).to(dtype)).requires_grad_() for ring in rings]
    cover = coverage(compound([loops], black(1, dtype), size, size, rule))
    expected = exact_fill(rings, size, size, rule)
    torch.testing.assert_close(cover[0].double(), expected, atol=1e-5, rtol=0)
    weight = torch.from_numpy(rng.standard_normal((size, size))).to(dtype)
    for gradient in torch.autograd.grad((cover[0] * weight).sum(), loops):
        assert gradient.isfinite().all()
        assert gradient.abs().max() < 100 * size


@pytest.mark.parametrize("dtype", [F32, F64])
def test_what_lies_twice_in_a_pixel_counts_once_or_not_at_all(dtype):
    twice = [box(2.5, 2.5, 8.5, 8.5, dtype=dtype)] * 2
    once = area_of(2.5, 2.5, 8.5, 8.5, 12, 12).to(dtype)
    for rule, expected in (("nonzero", once), ("evenodd", 0 * once)):
        cover = coverage(compound([twice], black(1, dtype), 12, 12, rule))[0]
        torch.testing.assert_close(cover, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("rule", ["nonzero", "evenodd"])
def test_gradcheck_of_overlaps(rule):
    """Bars that cross and share pixels, and a loop inside of one pixel."""
    bars = [box(2.3, 0.7, 4.6, 9.2), box(0.6, 4.2, 9.4, 6.7), box(4.8, 5.1, 8.2, 9.1)]
    small = straight(torch.tensor([[7.2, 1.3], [7.8, 1.7], [7.7, 1.2], [7.3, 1.8]], dtype=F64))
    weight = noise(10, 10)

    def weighed(*loops):
        return (coverage(compound([loops], black(1, F64), 10, 10, rule))[0] * weight).sum()

    loops = [loop.clone().requires_grad_() for loop in (*bars, small)]
    assert torch.autograd.gradcheck(weighed, loops, eps=1e-6, atol=1e-5, fast_mode=True)


def test_pixels_resolved_a_few_at_a_time_are_the_same(monkeypatch):
    scene = blobs(8, 30, seed=2, segments=5, radius=(0.15, 0.4), jitter=0.8)
    whole = coverage(scene)
    monkeypatch.setattr("dreamsampler.generators.vector.overlap.PAIRS", 40)
    torch.testing.assert_close(coverage(scene), whole, atol=1e-12, rtol=0)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), FLOATS, st.booleans())
def test_strokes_are_what_lies_near_their_line(seed, dtype, closed):
    """Level and upright lines, on whole and half pixels."""
    rng = np.random.default_rng(seed)
    size, width = int(rng.integers(16, 40)), rng.integers(1, 9) / 2
    # legs are longer than the stroke is wide: else ends and joins overlap as programs like
    x, y = (5 * rng.permutation(size // 5)[:3] + rng.integers(2) / 2 for _ in range(2))
    corners = np.stack([x[[0, 1, 1, 0] if closed else [0, 0, 1, 1, 2]],
                        y[[0, 0, 1, 1] if closed else [0, 1, 1, 2, 2]]], 1)  # fmt: skip
    cap, join = rng.choice(["butt", "round", "square"]), rng.choice(["miter", "round", "bevel"])
    loop = straight(torch.from_numpy(corners).to(dtype)).view(-1, 3, 2)
    curves = torch.cat([loop, loop.roll(-1, 0)[:, :1]], 1)[: None if closed else -1]
    half = torch.tensor(width, dtype=dtype)
    outline = stroke(curves, half, closed=closed, cap=cap, join=join)
    line = shapely.LinearRing(corners) if closed else shapely.LineString(corners)
    styles = {"miter": "mitre", "butt": "flat"}
    near = line.buffer(
        width / 2, quad_segs=64, cap_style=styles.get(cap, cap), join_style=styles.get(join, join)
    )
    u, v = np.meshgrid(np.arange(size), np.arange(size))
    expected = shapely.area(shapely.intersection(near, shapely.box(u, v, u + 1, v + 1)))
    cover = coverage(compound([outline], black(1, dtype), size, size))[0]
    round_parts = "round" in (cap, join)
    assert np.abs(cover.numpy() - expected).max() < (5e-3 if round_parts else 1e-5)


ICONS = {
    "frame": '<rect width="24" height="24" fill="none" stroke="#0a0" stroke-width="2"/>',
    "chart": '<path d="M3 20h18v2H3zM5 10h3v8H5zM10.5 4h3v14h-3zM16 13h3v5h-3z" fill="#05c"/>',
    "menu": '<path d="M3 6H21M3 12H21M3 18H21" stroke="#000" stroke-width="2" fill="none"/>',
    "house": '<path d="M12 3L2 12h3v9h6v-6h2v6h6v-9h3z" fill="#c30"/>',
    "window": '<path d="M2 3h20v18H2z M4 8v11h16V8z" fill-rule="evenodd" fill="#333"/>',
    "cross": '<path d="M10 2h4v8h8v4h-8v8h-4v-8H2v-4h8z" fill="#e00" fill-opacity="0.5"/>',
}


@pytest.mark.parametrize("name", ICONS)
def test_a_viewer_shows_icons_on_the_grid(name):
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">{ICONS[name]}</svg>'
    for size in (96, 100):
        scene = from_svg(svg, size)
        ours = rasterize(scene, torch.ones(3))
        text = to_svg(scene, background=(1, 1, 1), digits=4)
        assert psnr(ours, resvg(text, size, size, 8)) > 52
        if size == 96:  # at 100 the viewer rounds thirds of a pixel to its own grid
            assert psnr(ours, resvg(text, size, size)) > 49
