"""SVG files: what a viewer shows is what was drawn."""

import json
import re
import xml.etree.ElementTree as ET

import pytest
import torch
from outlines import blobs, box, psnr, resvg

from dreamsampler.generators.vector import Scene, compound, rasterize, to_svg

WHITE = torch.ones(3)


def eight_bit(scene):
    """With colors that an SVG can hold."""
    color = scene.color.clone()
    color[:, :3] = (color[:, :3] * 255).round() / 255
    return scene.moved(scene.points, color)


def test_a_viewer_shows_what_was_drawn():
    """resvg at the same size (its own antialiasing), and averaged from eight times the size."""
    scene = eight_bit(Scene.random(64, 128, 128, torch.Generator().manual_seed(0)))
    ours, svg = rasterize(scene, WHITE), to_svg(scene, background=(1, 1, 1), digits=4)
    assert psnr(ours, resvg(svg, 128, 128)) > 45
    assert psnr(ours, resvg(svg, 128, 128, 8)) > 48


def test_a_viewer_shows_holes_and_both_rules():
    rings = [[box(4, 4, 40, 40), box(10.5, 12, 30, 33)], [box(20, 20, 44, 44), box(25, 25, 39, 39)]]
    color = torch.tensor([[1.0, 0.2, 0, 1], [0, 0.4, 1, 0.6]], dtype=torch.float64)
    scene = compound(rings, color, 48, 48, ("nonzero", "evenodd"))
    picture = rasterize(scene, WHITE.double())
    assert psnr(picture, resvg(to_svg(scene, background=(1, 1, 1)), 48, 48, 8)) > 48


def test_it_is_one_element_a_path_in_their_order():
    scene = eight_bit(blobs(5, 32, seed=2))
    root = ET.fromstring(to_svg(scene))
    assert root.attrib["viewBox"] == "0 0 32 32"
    found = [element.attrib["fill"] for element in root]
    levels = (scene.color[:, :3] * 255).round().int().tolist()
    assert found == ["#{:02x}{:02x}{:02x}".format(*row) for row in levels]


def test_numbers_are_rounded_and_short():
    scene = blobs(3, 32, seed=2)
    for digits in (0, 1, 3):
        numbers = re.findall(r"-?\d+(?:\.(\d+))?(?=[ CZ])", to_svg(scene, digits=digits))
        assert max(map(len, numbers)) == digits
    with pytest.raises(ValueError, match="digits is -1"):
        to_svg(scene, digits=-1)


def test_title_and_recipe_survive_any_text():
    words = 'cat & "dog" <face> \x00 \U0001f98a ]]>'
    recipe = {"prompt": words, "seed": 3}
    root = ET.fromstring(to_svg(blobs(1, 9), title=words, recipe=recipe))
    title, metadata = root[0].text, root[1].text
    assert title == words.replace("\x00", "")
    assert json.loads(metadata) == recipe
