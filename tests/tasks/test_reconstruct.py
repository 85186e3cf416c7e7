"""The tasks MakeScene and Reconstruct, end to end: known geometry in, a scene out."""

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from dreamsampler.files import InputError, OutputError
from dreamsampler.generators.field import Camera, load_field, read_transforms
from dreamsampler.images.animation import gif, mp4
from dreamsampler.images.picture import open_picture
from dreamsampler.images.save import read_recipe
from dreamsampler.maths import generators
from dreamsampler.models import GaussianMixture
from dreamsampler.tasks import Reconstruct
from dreamsampler.tasks.inputs import is_scene_file as own
from dreamsampler.tasks.make_scene import NAMES, MakeScene
from dreamsampler.tasks.reconstruct.run import between


@pytest.fixture(scope="module")
def blocks(tmp_path_factory):
    """Ten sharp views of 32 x 32, two held out."""
    folder = tmp_path_factory.mktemp("blocks")
    MakeScene("blocks", views=10, held_out=2, size=32)().save(folder)
    return folder


def quick(scene, **options):
    given = {"fit_steps": 10, "resolution": 12, "update_steps": 2, "num_inference_steps": 2}
    return Reconstruct(scene, **{**given, "turntable": 0, **options})


def few(scene, folder, count=3):
    """The first views of a scene."""
    told = json.loads((scene / "transforms.json").read_text())
    told["frames"] = told["frames"][:count]
    for frame in told["frames"]:
        frame["file_path"] = str(scene / frame["file_path"])
    (folder / "transforms.json").write_text(json.dumps(told))
    return folder


def shade_of(image):
    return np.asarray(image).astype(float) / 255


@pytest.fixture(scope="module")
def finished(blocks, prior):
    task = Reconstruct(blocks, prompt="blocks", beta=0.0, fit_steps=120, turntable=3, mp4=True)
    return task.start(prior).run()


def test_clean_views_give_the_held_out_ones_back(finished):
    """No model; the fit of 32-pixel views alone."""
    assert finished.total == 0 and finished.evaluations == 0
    told = finished.report
    assert told["held_out_psnr"] > 26
    assert told["residual"] < 0.04
    truth = open_picture(finished.task.shots()[-1].path).flat()
    error = ((truth - finished.pictures()[-1]) ** 2).mean()
    assert -10 * math.log10(error) > 25


def test_depths_are_those_of_the_geometry(finished):
    """Against the distances that the rays of the toy's own renderer travel."""
    from dreamsampler.generators.toy import Scene, render
    from dreamsampler.generators.toy.catalog import TOYS

    scene = Scene(TOYS["blocks"].parts)
    angles = MakeScene("blocks", views=10, held_out=2).angles(held_out=True)
    for (azimuth, elevation), depth in zip(angles, finished.depths(), strict=True):
        at = Camera.orbit(azimuth, elevation, 5.0, target=(0.0, 0.0, 0.8), size=(32, 32))
        truth = torch.from_numpy(render(scene, at).depth)
        both = truth.isfinite() & depth[0].isfinite()
        assert both.sum() > 0.8 * truth.isfinite().sum()
        pixel = 2 * 5 * math.tan(math.radians(18)) / 32  # in the middle of the scene
        assert (depth[0] - truth)[both].abs().median() < 1.5 * pixel
        assert depth[0, 0].isinf().all(), "the background has no depth"


def test_every_output_is_written_and_read_again(finished, tmp_path):
    paths = finished.save(tmp_path / "out")
    assert paths == finished.task.outputs(tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in paths)
    view = shade_of(Image.open(tmp_path / "out" / "view_000.png"))
    expected = finished.pictures()[0].permute(1, 2, 0).numpy()
    assert np.abs(view - expected).max() <= 0.5 / 255 + 1e-6
    depth = np.asarray(Image.open(tmp_path / "out" / "depth_000.png")) * 1e-3
    there = finished.depths()[0][0].isfinite().numpy()
    assert np.abs(depth - finished.depths()[0][0].numpy())[there].max() <= 5.1e-4
    assert (depth[~there] == 0).all() and there.any()
    shots = read_transforms(tmp_path / "out")
    for shot, camera in zip(shots, finished.targets, strict=True):
        found = torch.tensor(shot.camera((32, 32)).matrix, dtype=torch.float64)
        torch.testing.assert_close(found, torch.tensor(camera.matrix, dtype=torch.float64))
    grid = load_field(tmp_path / "out" / "field.safetensors")
    assert torch.equal(grid.raw_density, finished.field.grid.raw_density)
    assert (tmp_path / "out" / "mesh.ply").read_bytes().startswith(b"ply\n")
    assert (tmp_path / "out" / "mesh.glb").read_bytes().startswith(b"glTF")
    assert Image.open(tmp_path / "out" / "turntable.gif").n_frames == 3
    with av.open(tmp_path / "out" / "turntable.mp4") as movie:
        frames = [frame.to_ndarray(format="rgb24") for frame in movie.decode(video=0)]
    turned = finished.rendered(finished.turntable()[0])[0].permute(1, 2, 0).numpy()
    assert len(frames) == 3 and np.abs(frames[0] / 255 - turned).mean() < 0.03
    recipe = read_recipe(tmp_path / "out" / "view_000.png")
    assert recipe["task"] == "reconstruct" and recipe["report"]["held_out_psnr"] > 26


def test_a_scene_takes_the_place_of_an_older_one_and_of_nothing_else(tmp_path):
    """Also where the older one had more files; what is not a scene's own is left alone."""
    task, folder = MakeScene("blocks", views=4, held_out=1, size=16), tmp_path / "scene"
    task().save(folder)
    fewer = MakeScene("duck", views=2, held_out=0, size=16)
    assert sorted(fewer().save(folder)) == sorted(folder.iterdir())
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds notes\.txt"):
        task().save(folder)
    assert len(list(folder.iterdir())) == 4


def test_a_scene_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    task, fresh, old = (
        MakeScene(views=2, held_out=0, size=16),
        tmp_path / "new/scene",
        tmp_path / "old",
    )
    task().save(old)
    before = {p.name: p.read_bytes() for p in old.iterdir()}
    monkeypatch.setattr("dreamsampler.generators.field.write_transforms", stopped)
    for folder in (fresh, old):
        with pytest.raises(KeyboardInterrupt):
            MakeScene("duck", views=3, held_out=0, size=16)().save(folder)
    assert {p.name: p.read_bytes() for p in old.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["old"]


def stopped(*_):
    raise KeyboardInterrupt


def test_every_name_of_a_scene_is_known_as_its_own(finished):
    made = MakeScene(masked=0.5, views=1001)
    for path in [*finished.task.outputs(Path("o")), *made.outputs(Path("o"))]:
        assert own(path.name)
    assert not any(map(own, ("view_000.jpg", "notes.txt", "view_1.png", "x-mesh.ply")))


def test_an_mp4_without_its_package_is_refused_before_anything_starts(monkeypatch):
    monkeypatch.setattr("dreamsampler.images.animation.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'pip install "dreamsampler\[video\]"'):
        Reconstruct("scene", mp4=True).check()
    with pytest.raises(ValueError, match="needs a turntable"):
        Reconstruct("scene", mp4=True, turntable=0).check()


def test_the_ground_of_a_gif_keeps_its_color():
    rng = torch.Generator().manual_seed(0)
    noisy = 0.97 + 0.03 * torch.rand(3, 24, 24, generator=rng)
    noisy[:, :8] = 1.0
    with Image.open(io.BytesIO(gif([noisy, noisy.flip(2)]))) as animation:
        assert np.asarray(animation.convert("RGB"))[:8].min() == 255


def test_odd_pictures_make_an_mp4_too():
    red = torch.tensor([1.0, 0, 0]).view(3, 1, 1).expand(3, 21, 33)
    with av.open(io.BytesIO(mp4([red, 1 - red]))) as movie:
        one, two = [frame.to_ndarray(format="rgb24") for frame in movie.decode(video=0)]
    assert one.shape == (22, 34, 3)
    assert (
        np.abs(one[5, 5] - [255, 0, 0]).max() < 12 and np.abs(two[5, 5] - [0, 255, 255]).max() < 12
    )


def test_the_model_is_asked_about_all_views_at_every_level(blocks, prior, tmp_path):
    told = {"prompt": "blocks", "guidance_scale": 2.0, "new_views": 1, "size": 64}
    run = quick(few(blocks, tmp_path), **told).start(prior)
    before = run.evaluations
    moments = list(run)
    assert len(moments) == run.total == 2
    assert moments[0].z.shape[0] == 4 and run.evaluations - before == 2 * 4 * 2
    assert moments[0].level.s > moments[1].level.s
    assert not torch.equal(moments[0].noise, moments[1].noise), "a walk draws its own"
    assert not torch.equal(moments[0].before, moments[1].before), "the field has moved"
    assert run.preview(moments[-1]).shape[0] == 1
    words = {id(each) for each in run._guided()}
    views = {camera.view(run.views.center) for camera in run.field.cameras}
    assert len(words) == len(views) > 1


def test_the_same_seed_is_the_same_scene(blocks):
    prior = Pixels(torch.zeros(1, 3, 32, 32), std=1.0)
    one, same, other = (quick(blocks, seed=seed).start(prior).run() for seed in (0, 0, 1))
    assert torch.equal(one.field.grid.raw_color, same.field.grid.raw_color)
    assert not torch.equal(one.field.grid.raw_color, other.field.grid.raw_color)


class Pixels(GaussianMixture):
    """A prior on 32 x 32 pixels that knows one picture: black."""

    native_size, multiple, factor, latent_channels = 32, 1, 1, 3


def test_what_the_model_believes_arrives_where_the_data_leave_room(blocks, tmp_path):
    """A model that knows only black darkens lost pixels, the more the larger beta is.

    What was measured nearly without noise it cannot darken.
    """
    black = Pixels(torch.full((1, 3, 32, 32), -1.0), std=0.05)
    MakeScene("blocks", masked=0.9, views=4, held_out=0, size=32)().save(tmp_path)

    def light(scene, beta):
        options = {
            "fit_steps": 30,
            "update_steps": 10,
            "strength": 0.9,
            "noise": 0.01,
        }
        pictures = quick(scene, beta=beta, **options)(black).run.pictures()
        return float(torch.stack(pictures).mean())

    lost = [light(tmp_path, beta) for beta in (1e-6, 0.1, 1.0)]
    assert lost[0] > lost[1] + 0.01 > lost[2] + 0.02
    assert light(blocks, 1.0) > light(blocks, 1e-6) - 0.01


def test_smoothness_grows_with_the_voxels_unless_it_is_asked_for(blocks):
    """A surface is a share of the voxels that falls as they become more."""
    prior = Pixels(torch.zeros(1, 3, 32, 32), std=1.0)

    def smoothness(**options):
        return quick(blocks, **options).start(prior).smoothness

    assert smoothness(resolution=72) == pytest.approx(0.005)
    assert smoothness(resolution=36) == pytest.approx(0.0025)
    assert smoothness(resolution=36, smoothness=0.1) == 0.1


def test_noise_that_no_view_tells_is_asked_for(tmp_path):
    MakeScene("blocks", masked=0.99, views=2, held_out=0, size=16)().save(tmp_path)
    prior = Pixels(torch.zeros(1, 3, 32, 32), std=1.0)
    with pytest.raises(ValueError, match="pass noise"):
        quick(tmp_path).start(prior).run()
    assert quick(tmp_path, noise=0.02).start(prior).run().pictures()
    assert quick(tmp_path, beta=0.0).start(prior).run().pictures(), "nobody asks for it there"


def test_the_model_is_bent_to_the_data(tmp_path):
    """What it believes is moved to the pictures that explain the views; new views stay."""
    scene = MakeScene("duck", "blur(sigma=1.5)", 0.01, views=3, held_out=0, size=32)
    scene().save(tmp_path)
    prior = Pixels(torch.zeros(1, 3, 32, 32), std=1.0)
    run = quick(tmp_path, operator=scene.operator, new_views=1).start(prior)
    next(run.fitting())
    _, sharp = scene.rendered()
    wrong = (torch.cat([sharp, sharp[:1]]) + 0.1).clamp(0, 1)
    bent = run._corrected(wrong, 0.1)
    assert torch.equal(bent[3:], wrong[3:])
    assert ((bent[:3] - sharp) ** 2).mean() < 0.2 * ((wrong[:3] - sharp) ** 2).mean()
    torch.testing.assert_close(run._corrected(wrong, 0.0), wrong)


def test_masked_pixels_do_not_count(tmp_path):
    scene = MakeScene("car", masked=0.5, noise=0.01, views=3, held_out=0, size=32)
    scene().save(tmp_path)
    run = quick(tmp_path, beta=0.0).start(Pixels(torch.zeros(1, 3, 32, 32), std=1.0))
    _, sharp = scene.rendered()
    assert run.views.known.mean() == pytest.approx(0.5, abs=0.05)
    exact = run.views.misfit([0, 1, 2], sharp).sqrt().item()
    assert exact < 0.012
    spoiled = torch.where(run.views.known.bool(), sharp, 0.3)
    assert run.views.misfit([0, 1, 2], spoiled).sqrt().item() == pytest.approx(exact)


def test_the_operator_sees_the_renders(tmp_path):
    """Views of 8 x 8 pixels are renders of 32 x 32 behind downsample(4)."""
    MakeScene("duck", operator="downsample(4)", views=3, held_out=1, size=64)().save(tmp_path)
    task = quick(tmp_path, operator="downsample(4)", beta=0.0)
    assert task.check_files() == (64, 64)
    run = task.start(Pixels(torch.zeros(1, 3, 32, 32), std=1.0)).run()
    assert run.views.y.shape == (3, 3, 16, 16) and run.pictures()[0].shape == (3, 64, 64)
    assert run.report["held_out_psnr"] > 5


def test_the_fit_follows_what_each_view_can_tell_alone(tmp_path):
    """Under a blur there are guesses, nearer to the truth than the views; without one, none."""
    scene = MakeScene("duck", "blur(sigma=1.5)", 0.01, views=3, held_out=0, size=32)
    scene().save(tmp_path)
    run = quick(tmp_path, operator=scene.operator, beta=0.0).start(
        Pixels(torch.zeros(1, 3, 32, 32), std=1.0)
    )
    _, sharp = scene.rendered()
    guesses = run._guessed()
    assert ((guesses - sharp) ** 2).mean() < 0.5 * ((run.views.y - sharp) ** 2).mean()
    assert quick(tmp_path, beta=0.0).start(run.model)._guessed() is None


@pytest.mark.parametrize("toy", NAMES)
def test_a_toy_stands_in_the_middle_of_every_view(toy):
    cameras, pictures = MakeScene(toy, views=3, size=32).rendered()
    assert len({c.matrix for c in cameras}) == 3
    covered = (pictures - 1).abs().amax(1) > 0.02
    assert 0.05 < covered.float().mean() < 0.5
    assert not covered[:, [0, -1]].any() and not covered[:, :, [0, -1]].any()


def test_a_made_scene_is_what_was_asked(tmp_path):
    task = MakeScene("blocks", "blur(sigma=1)", 0.1, views=4, held_out=2, size=32, seed=3)
    paths = task().save(tmp_path / "scene")
    assert paths == task.outputs(tmp_path / "scene")
    assert sorted(p.name for p in (tmp_path / "scene").iterdir()) == sorted(p.name for p in paths)
    shots = read_transforms(tmp_path / "scene")
    assert [shot.held_out for shot in shots] == [False] * 4 + [True] * 2
    cameras, sharp = task.rendered()
    y, _ = task.degraded(sharp)
    seen = open_picture(shots[1].path).rgb
    assert (seen - y[1].clamp(0, 1)).abs().max() <= 0.5 / 255 + 1e-6
    assert 0.09 < (y - task.description.build((32, 32)).A(sharp)).std() < 0.11
    assert sum(shots[1].camera((32, 32)).matrix, ()) == pytest.approx(sum(cameras[1].matrix, ()))
    truth = open_picture(shots[-1].path).rgb
    assert (truth - task.rendered(held_out=True)[1][-1]).abs().max() <= 0.5 / 255 + 1e-6


def test_renders_and_cameras_agree():
    """A tiny ball lies where the field's camera projects it."""
    from dreamsampler.generators.toy import Part, Scene, render

    ball = Scene((Part("sphere", (0.5, 1.1, -0.3), (0.06, 0.06, 0.06), (0, 0, 0)),))
    for azimuth, elevation in ((0, 0), (90, 30), (200, -20), (300, 80)):
        camera = Camera.orbit(azimuth, elevation, 5.0, target=(0.0, 0.0, 0.8), size=(64, 64))
        dark = 1 - torch.from_numpy(render(ball, camera).picture).mean(-1).double()
        rows, columns = torch.meshgrid(
            torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij"
        )
        found = torch.stack([(dark * x).sum() / dark.sum() for x in (rows, columns)])
        where = camera.project(torch.tensor([[0.5, 0.3, 1.1]], dtype=torch.float64))[0]
        torch.testing.assert_close(found, where, atol=0.1, rtol=0)


def test_new_views_lie_between_the_others():
    cameras = [Camera.orbit(a, e, 4.0, size=(20, 30)) for a, e in ((0, 0), (120, 20), (240, 40))]
    new = between(cameras, (0.0, 0.0, 0.0), 6)
    assert len(new) == 6 and between(cameras, (0.0, 0.0, 0.0), 0) == []
    for camera in new:
        assert 0 <= round(camera.angles()[1], 6) <= 40 and camera.size == (20, 30)
        assert camera.focal == pytest.approx(cameras[0].focal)
        assert math.dist(camera.position, (0, 0, 0)) == pytest.approx(4)


def other_size(folder):
    Image.new("RGB", (40, 32)).save(folder / "view_001.png")


def missing(folder):
    (folder / "view_001.png").unlink()


def rewrite(change):
    def apply(folder):
        told = json.loads((folder / "transforms.json").read_text())
        change(told["frames"][1]["transform_matrix"])
        (folder / "transforms.json").write_text(json.dumps(told))

    return apply


def symmetry(matrix):
    for row in matrix[:3]:
        row[0] = -row[0]


def sheared(matrix):
    matrix[0][0] += 0.2


def not_a_number(folder):
    pixels = np.full((32, 32), np.nan, np.float32)
    Image.fromarray(pixels).save(folder / "view_001.tif")
    told = json.loads((folder / "transforms.json").read_text())
    told["frames"][1]["file_path"] = "view_001.tif"
    (folder / "transforms.json").write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("spoil", "options", "what"),
    [
        (missing, {}, "view_001.png is missing"),
        (other_size, {}, "views of one size|in that proportion"),
        (rewrite(symmetry), {}, "mirrors"),
        (rewrite(sheared), {}, "not orthonormal"),
        (not_a_number, {}, "nan|NaN"),
        (lambda folder: None, {"radius": 6.0}, "stands inside the scene"),
        (lambda folder: None, {"operator": "mask(gone.png)"}, "no file gone.png"),
    ],
)
def test_bad_scenes_are_refused_before_anything_starts(blocks, tmp_path, spoil, options, what):
    for path in blocks.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    spoil(tmp_path)
    with pytest.raises(InputError, match=what):
        quick(tmp_path, **options).start(Pixels(torch.zeros(1, 3, 32, 32), std=1.0))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"operator": "blur(sigma=?)"}, "leaves sigma open"),
        ({"operator": "blurr(2)"}, "did you mean blur"),
        ({"beta": -1.0}, "beta is -1"),
        ({"beta": math.nan}, "beta is nan"),
        ({"fit_steps": 0}, "steps is 0"),
        ({"fit_steps": 2.5}, "a whole number"),
        ({"degree": 3}, "no degree 3"),
        ({"background": "red"}, "one of white, black"),
        ({"strength": 1.5}, "strength is 1.5"),
        ({"negative_prompt": "fog"}, "without a prompt"),
        ({"negative_prompt": "fog", "prompt": "car"}, "does nothing at guidance_scale 1"),
    ],
)
def test_options_that_cannot_be_meant(options, what):
    with pytest.raises(ValueError, match=what):
        Reconstruct("scene", **options).check()


@pytest.mark.parametrize(
    "options",
    [
        {"toy": "horse"},
        {"operator": "blur(?)"},
        {"views": 1},
        {"size": 8},
        {"masked": 1.0},
        {"noise": math.inf},
        {"seed": True},
    ],
)
def test_scenes_that_cannot_be_made(options):
    with pytest.raises(
        ValueError, match=next(iter(options)) if "operator" not in options else "open"
    ):
        MakeScene(**options).check()


def test_results_of_an_unfinished_run_are_refused(blocks, prior):
    run = quick(blocks).start(prior)
    with pytest.raises(ValueError, match="not finished"):
        run.pictures()


def test_levels_that_rise_are_refused(blocks):
    from dreamsampler.guidance import conditional
    from dreamsampler.methods.reconstruction import by_view, fitted, reconstruct

    black = Pixels(torch.zeros(1, 3, 32, 32), std=1.0)
    run = quick(blocks).start(black)
    denoise = by_view([conditional(black, None)] * 10)
    levels = black.schedule.grid(3)
    with pytest.raises(ValueError, match="must fall"):
        list(reconstruct(denoise, run.field, [levels[::-1]], generators(list(range(10)))))
    with pytest.raises(ValueError, match="no stages"):
        list(fitted(run.field, []))
    with pytest.raises(ValueError, match="2 views came"):
        denoise(torch.zeros(2, 3, 32, 32), levels[0])


def test_views_walk_alone_and_the_field_follows_where_they_end(blocks):
    """Levels of a walk go on from each other; the field takes all its steps at the end of each."""
    prior = Pixels(torch.zeros(1, 3, 32, 32), std=1.0)
    run = quick(blocks, num_inference_steps=5).start(prior)
    before = None
    turned, moved = [], []
    for _ in run:
        grid = run.field.grid.raw_color.detach().clone()
        moved.append(before is None or not torch.equal(grid, before))
        turned.append(run.field.axes)
        before = grid
    assert moved[1:] == [False, True, False, True], moved
    assert turned == [()] * 3 + [(-1,)] * 2
    for operator, first in (("none", 0.1), ("blur(sigma=1)", 0.3)):  # whole, sharp views say it all
        walks = quick(blocks, operator=operator).start(prior)._levels(5)
        starts = [walk[0].flow for walk in walks]
        assert starts == pytest.approx([first, 2 / 3 * first], rel=0.05)


def test_a_mirrored_walk_moves_the_field_as_it_stands(blocks):
    """What changes in the mirror image changes in the picture, not in its mirror image."""
    prior = Pixels(torch.zeros(1, 3, 32, 32), std=1.0)
    field = quick(blocks).start(prior).field
    field.correct, field.axes = None, (-1,)
    look = field.latent()
    darker = look.clone()
    darker[..., :8] -= 0.5  # the left of the mirror image
    change = field._aim(darker) - field.pictures().detach()
    assert change[..., :24].abs().max() < 1e-5
    assert change[..., 24:].mean() == pytest.approx(-0.25 * field.share, abs=1e-3)


def test_views_are_asked_together_and_come_back_in_order():
    """One prompt a view, in any order and any batches: the same as each on its own."""
    from dreamsampler.guidance import conditional
    from dreamsampler.methods.reconstruction import by_view

    means = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 3, 2, 2).clone()
    prior = GaussianMixture(means, std=0.3)
    kinds = [conditional(prior, i) for i in range(3)]
    order = [2, 0, 1, 0, 2]
    z = torch.randn(5, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    level = prior.schedule(0.5)
    for batch in (1, 2, 5, 32):
        found = by_view([kinds[i] for i in order], batch)(z, level)
        for row, i in enumerate(order):
            alone = kinds[i](z[row : row + 1], level)
            torch.testing.assert_close(found.z0[row : row + 1], alone.z0)
            torch.testing.assert_close(found.eps[row : row + 1], alone.eps)


def test_outputs_are_named_before_anything_runs(blocks):
    names = [path.name for path in quick(blocks, turntable=2).outputs(Path("out"))]
    assert names == [
        *("view_000.png", "view_001.png", "depth_000.png", "depth_001.png"),
        *("transforms.json", "field.safetensors", "mesh.ply", "mesh.glb", "turntable.gif"),
    ]
    assert len(quick(blocks).inputs()) == 13


def test_a_pale_wall_is_no_fog(tmp_path):
    """Before a white ground all views agree to both; matter is taken to be opaque unless told."""
    MakeScene("house", views=5, held_out=0, size=32)().save(tmp_path)
    prior = Pixels(torch.zeros(1, 3, 32, 32), std=1.0)

    def light(solid):
        run = quick(tmp_path, beta=0.0, fit_steps=80, solid=solid).start(prior).run()
        inside = run.views.solid(1.0)
        assert 0.05 < float(inside.mean()) < 0.5
        passed = torch.stack([1 - run.field.rendering(i).opacity for i in range(5)]).detach()
        return float((passed * inside.flatten(1)).sum() / inside.sum())

    fog, wall = light(False), light(True)
    assert wall < 0.1 and fog > 2 * wall, (fog, wall)


def test_what_is_certain_of_views(tmp_path):
    """Amid five pixels that differ from the ground; lost pixels say nothing, all lost ones too."""
    MakeScene("blocks", views=2, held_out=0, size=32)().save(tmp_path)
    prior = Pixels(torch.zeros(1, 3, 32, 32), std=1.0)
    views = quick(tmp_path).start(prior).views
    y, known = torch.ones(2, 3, 32, 32), torch.ones(2, 1, 32, 32)
    y[0, :, 8:20, 8:20] = 0.9
    y[1, :, 8:20, 8:20] = 0.96
    found = replace(views, y=y, known=known).solid(1.0)
    expected = torch.zeros(1, 32, 32)
    expected[:, 10:18, 10:18] = 1
    assert torch.equal(found[0], expected) and not bool(found[1].any())
    known[0, :, 12, 12], y[0, :, 12, 12] = 0, 1.0
    assert torch.equal(replace(views, y=y, known=known).solid(1.0)[0], expected)
    assert not bool(replace(views, y=y, known=torch.zeros_like(known)).solid(1.0).any())
    assert not bool(replace(views, y=y, known=known).solid(1.0, torch.ones(2, 3, 32, 32)).any())
    known[0, :, 12, 12] = 1
    small = replace(views, y=y[..., 1::2, 1::2], known=known[..., 1::2, 1::2]).solid(1.0)
    expected = torch.zeros(1, 32, 32)
    expected[:, 10:18, 10:18] = 1  # scaled down: cells 4 to 9 differ, one of them is the rim
    assert torch.equal(small[0], expected)


def test_blurred_views_say_what_is_solid_only_once_they_are_sharp(tmp_path):
    MakeScene("blocks", "blur(sigma=2)", 0.01, views=2, held_out=0, size=32)().save(tmp_path)
    prior = Pixels(torch.zeros(1, 3, 32, 32), std=1.0)

    def solid(**options):
        run = quick(tmp_path, beta=0.0, operator="blur(sigma=2)", **options).start(prior).run()
        return run.field.solid

    assert solid() is not None
    assert solid(deconvolve=False) is None and solid(solid=False) is None
