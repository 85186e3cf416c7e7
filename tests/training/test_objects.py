"""Training pictures of objects: labels, captions, what is in the picture."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamsampler.generators.field.camera import VIEWS, Camera, view_word
from dreamsampler.generators.toy.scene import render
from dreamsampler.generators.toy.shape import TUBE
from training.data import catalog as objects_catalog
from training.data.captions import BACKGROUNDS, object_caption
from training.data.objects import draw_camera, picture, sample


def test_equal_seeds_give_equal_pictures():
    one, label = picture(7)
    again, same = picture(7)
    other, _ = picture(8)
    assert np.array_equal(one, again) and label == same and not np.array_equal(one, other)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**9))
def test_labels_and_captions_name_what_is_there(seed):
    scene, camera, label = sample(seed)
    assert camera == Camera.orbit(**label["camera"], size=camera.size)
    assert label["view"] == view_word(label["camera"]["azimuth"], label["camera"]["elevation"])
    assert label["background"] not in label["words"].split(" ")
    named = [c for c in objects_catalog.COLORS if c in label["words"].split(" ")]
    shown = {part.color for part in scene.parts}
    assert named and all(objects_catalog.COLORS[c] in shown for c in named)
    near = np.array(BACKGROUNDS[label["background"]][0]) / 255
    assert np.abs(np.array(scene.background) - near).max() < 0.026
    text = object_caption(label, random.Random(seed))
    assert label["words"] in text
    said = [view for view in VIEWS if view in text]
    assert said in ([], [label["view"]])
    assert "background" not in text or f"{label['background']} " in text


@settings(max_examples=30)
@given(seed=st.integers(0, 10**9))
def test_things_stand_on_the_ground_inside_the_picture(seed):
    scene, camera, _ = sample(seed)
    for part in scene.parts:
        reach = np.abs(part.rotation()) @ np.array(part.size)
        if part.kind == "torus":
            reach = np.abs(part.rotation()) @ (np.array(part.size) * (1, TUBE, 1))
        assert part.at[1] - reach[1] > -0.06
    border = render(scene, camera.resized((48, 48)), samples=1).alpha
    border[1:-1, 1:-1] = 0
    assert border.max() == 0


def test_every_view_and_every_kind_of_thing_is_drawn():
    rng = random.Random(0)
    cameras = [draw_camera(rng) for _ in range(600)]
    views = [view_word(each["azimuth"], each["elevation"]) for each in cameras]
    assert all(0.15 < views.count(view) / 600 < 0.4 for view in VIEWS)
    words = " ".join(sample(seed)[2]["words"] for seed in range(400))
    for name in (*objects_catalog.SHAPES, "capsule", "house", "car", "rocket", "duck", "mug"):
        assert name in words
