"""What the rasterizer is compared with: exact areas, a scanline fill, another program."""

import io

import numpy as np
import shapely
import torch
from PIL import Image

from dreamsampler.generators.vector import Scene

F64 = torch.float64


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def blobs(paths, size, seed=0, dtype=F64, **options):
    """A random scene on a square canvas."""
    scene = Scene.random(paths, size, size, rng(seed), **options)
    return scene.moved(scene.points.to(dtype), scene.color.to(dtype))


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=rng(seed), dtype=F64)


def box(left, top, right, bottom, *, reverse=False, dtype=F64):
    """A rectangle's twelve points: straight segments as cubics."""
    corners = torch.tensor(
        [[left, top], [right, top], [right, bottom], [left, bottom]], dtype=dtype
    )
    if reverse:
        corners = corners.flip(0)
    after = corners.roll(-1, 0)
    thirds = [corners, corners + (after - corners) / 3, corners + (after - corners) * 2 / 3]
    return torch.stack(thirds, 1).view(-1, 2)


def polygons(scene, steps=400):
    """Every path as one dense polygon in float64; for paths of one contour."""
    t = torch.linspace(0, 1, steps + 1, dtype=F64)[:-1, None]
    weights = torch.cat([(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3], 1)
    curves = scene.curves().detach().to(F64)
    return [
        (weights @ curves[scene.path_of_segment == k]).reshape(-1, 2).numpy()
        for k in range(scene.paths)
    ]


def exact_coverage(polygon, height, width):
    """The area of a polygon without self-crossings in every pixel."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    cells = shapely.box(x, y, x + 1, y + 1)
    return shapely.area(shapely.intersection(shapely.Polygon(polygon), cells))


def scanline_coverage(polygon, height, width, rule, rows=64):
    """Any polygon by crossings: exact along x, `rows` lines a pixel along y."""
    p, q = polygon, np.roll(polygon, -1, 0)
    out = np.zeros((height, width + 1))
    for line in range(height * rows):
        y = (line + 0.5) / rows
        hit = (p[:, 1] <= y) != (q[:, 1] <= y)
        a, b = p[hit], q[hit]
        x = a[:, 0] + (y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
        turns = np.where(b[:, 1] > a[:, 1], 1, -1)[np.argsort(x)].cumsum()
        x = np.sort(x).clip(0, width)
        inside = turns != 0 if rule == "nonzero" else turns % 2 != 0
        for left, right in zip(x[:-1][inside[:-1]], x[1:][inside[:-1]], strict=True):
            edges = np.clip(np.arange(width + 2), left, right)
            out[line // rows] += np.diff(edges)
    return out[:, :width] / rows


def exact_fill(rings, height, width, rule):
    """Any polygons: the faces that they divide the plane into, each filled or not as a whole."""
    lines = shapely.union_all([shapely.LineString([*ring, ring[0]]) for ring in rings])
    faces = shapely.get_parts(shapely.polygonize([lines]))
    edges = np.concatenate([np.stack([ring, np.roll(ring, -1, 0)], 1) for ring in rings])
    (x0, y0), (x1, y1) = edges[:, 0].T, edges[:, 1].T
    filled = []
    for face in faces:
        x, y = face.representative_point().coords[0]
        hit = (y0 <= y) != (y1 <= y)
        at = x0[hit] + (y - y0[hit]) / (y1[hit] - y0[hit]) * (x1[hit] - x0[hit])
        winding = int(np.sign(y1 - y0)[hit][at < x].sum())
        if winding % 2 if rule == "evenodd" else winding:
            filled.append(face)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    cells = shapely.box(x, y, x + 1, y + 1)
    return torch.from_numpy(shapely.area(shapely.intersection(shapely.union_all(filled), cells)))


def psnr(a, b):
    """Peak signal-to-noise ratio of numbers in [0, 1], dB."""
    a, b = (torch.as_tensor(x, dtype=F64) for x in (a, b))
    return float(-10 * torch.log10(((a - b) ** 2).mean()))


def resvg(svg, width, height, scale=1, background=None):
    """(3, height, width) of an SVG of that size as resvg draws it, averaged over scale^2 pixels."""
    import resvg_py

    size = {"width": width * scale, "height": height * scale, "dpi": 96, "languages": ["en"]}
    size["background"] = background
    png = resvg_py.svg_to_bytes(svg_string=svg, **size)
    picture = np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGB"), dtype=np.float64) / 255
    cells = picture.reshape(height, scale, width, scale, 3)
    return torch.from_numpy(cells.mean((1, 3))).permute(2, 0, 1)
