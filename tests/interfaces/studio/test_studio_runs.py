"""Submissions: checked, run, stored, found again."""

import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dreamsampler.cancel import Canceled
from dreamsampler.files import InputError
from dreamsampler.interfaces.studio.history import recipe_of, settings_of
from dreamsampler.interfaces.studio.run_store import RunStore
from dreamsampler.interfaces.studio.session import Sessions
from dreamsampler.interfaces.studio.submission import Submissions
from dreamsampler.interfaces.studio.uploads import Limits, copy, copy_scene, safe_name
from dreamsampler.interfaces.studio.worker import Worker
from dreamsampler.tasks import Edit, Inpaint, Restore, Vectorize

WORDS = {"prompt": "dog face", "num_inference_steps": 3, "size": 64}


@pytest.fixture(scope="module")
def worker(model):
    return Worker(model)


@pytest.fixture
def submissions(worker, tmp_path):
    return Submissions(worker, RunStore(tmp_path / "runs"), Limits(1_000_000, 100_000))


def finished(job):
    """The statuses of a job, and its stored run."""
    return list(job.follow()), job.result


def test_a_run_reports_its_steps_and_is_stored_without_paths(submissions, picture, tmp_path):
    values = {**WORDS, "image": picture, "source_prompt": "cat", "strength": 0.4}
    statuses, run = finished(submissions.submit(Edit, values, "ada"))
    assert statuses[-1].stage == "decoding and writing"
    assert statuses[-1].preview[:2] == b"\xff\xd8"
    assert Image.open(run.results[0]).size == (48, 40)
    assert run.recipe["options"]["image"] == "cat.png"
    assert str(tmp_path) not in json.dumps(run.recipe)
    store = submissions.store
    assert store.runs("ada") == store.runs("ada", "DOG edit") == [run]
    assert store.runs("ada", "zebra") == store.runs("eve") == []
    assert run.values["image"].read_bytes() == picture.read_bytes()
    for path, name in run.downloads:  # the result, and the recipe
        assert name in ("edit-dog-face.png", "recipe.json")
        task, loaded = settings_of(recipe_of(path))
        assert (task, loaded["prompt"], loaded["strength"]) == ("edit", "dog face", 0.4)
        assert "image" not in loaded
    with pytest.raises(InputError, match="no recipe"):
        recipe_of(picture)
    for owner, name in (("eve", run.name), ("ada", f"../{run.folder.parent.name}/{run.name}")):
        with pytest.raises(InputError, match="no longer there"):
            store.find(owner, name)
    store.delete("ada", run.name)
    assert store.runs("ada") == []
    assert not run.folder.exists()


def test_runs_and_recipes_of_version_0_1_0_are_read(tmp_path):
    """Their options had other names, and so had the task's picture of a scene."""
    store = RunStore(tmp_path / "runs")
    folder = store.new("ada")
    (folder / "inputs" / "scene" / "views").mkdir(parents=True)
    for name in ("inputs/scene/views/a.png", "inputs/scene/transforms.json", "view_000.png"):
        (folder / name).write_bytes(b"")
    options = {"scene": "scene", "steps": 150, "inner_steps": 7, "operator": "blur(sigma=1)"}
    studio = {"results": ["view_000.png"]}
    store.add(folder, {"task": "reconstruct", "options": options, "studio": studio})
    (run,) = store.runs("ada", "blur")
    assert [p.name for p in run.values["image"]] == ["transforms.json", "a.png"]
    assert (run.values["fit_steps"], run.values["update_steps"]) == (150, 7)
    old = {"task": "restore", "options": {"preset": "paper", "samples": 4, "prompt": "cat"}}
    (tmp_path / "old.json").write_text(json.dumps(old))
    values = {"method": "dreamsampler", "num_images": 4, "prompt": "cat"}
    assert settings_of(recipe_of(tmp_path / "old.json")) == ("restore", values)
    with pytest.raises(InputError, match="no task"):
        settings_of({"task": "fly", "options": {}})


def test_real_runs_are_canceled_within_a_moment(submissions, picture):
    """While they are read, while they fit, and in their steps; the next one runs."""
    restore = {"image": picture, "operator": "blur(sigma=?)", "num_inference_steps": 1000}
    vectorize = {"image": picture, "paths": 4, "fit_steps": 10**6}
    for kind, values, stage in (
        (Restore, restore, "reading and encoding"),
        (Restore, {**restore, "operator": "blur(2)"}, "step"),
        (Vectorize, vectorize, "fit"),
    ):
        job = submissions.submit(kind, values, "ada")
        statuses = job.follow(0.01)
        while next(statuses).stage != stage:
            pass
        began = time.perf_counter()
        job.cancel()
        with pytest.raises(Canceled):
            list(statuses)
        assert time.perf_counter() - began < 3
    _, run = finished(submissions.submit(Edit, {**WORDS, "image": picture}, "ada"))
    assert submissions.store.runs("ada") == [run]


def test_what_fails_leaves_nothing_behind(submissions, picture, tmp_path):
    for values, match in (
        ({"image": picture, "prompt": ""}, "edit needs prompt"),
        ({"image": picture, "prompt": "x", "strength": 7}, "strength"),
        ({"image": picture, "prompt": "x", "size": 900}, "megapixels"),
        ({"image": picture, "prompt": "x", "size": 200, "num_images": 9}, "megapixels"),
    ):
        with pytest.raises(ValueError, match=match):
            submissions.submit(Edit, values, "ada")
    Image.new("RGB", (400, 400)).save(tmp_path / "large.png")
    with pytest.raises(InputError, match=r"400x400 pixels.*0\.1 megapixels"):
        submissions.submit(Edit, {**WORDS, "image": tmp_path / "large.png"}, "ada")
    with pytest.raises(InputError, match="the result has"):
        submissions.submit(Restore, {"image": picture, "operator": "downsample(8)"}, "ada")
    assert [p for p in submissions.store.root.rglob("*") if p.is_file()] == []


def test_an_operator_names_uploads_only(submissions, picture, tmp_path):
    Image.new("L", (48, 40)).save(tmp_path / "lost.png")
    secret = tmp_path / "secret.npy"
    np.save(secret, np.ones((3, 3)))
    for operator in (f"kernel({secret})", "mask(/etc/passwd)", "mask(lost.png)"):
        with pytest.raises(InputError, match="was not uploaded") as caught:
            submissions.submit(Restore, {"image": picture, "operator": operator}, "ada")
        assert str(tmp_path) not in str(caught.value)
    values = {"image": picture, "operator": "mask(lost.png)", "num_inference_steps": 1, "size": 64}
    values["operator_files"] = [tmp_path / "lost.png"]
    job = submissions.submit(Restore, values, "ada")
    _, run = finished(job)
    assert run.recipe["options"]["operator"] == "mask(lost.png)"


def test_warnings_come_along(submissions, picture, tmp_path):
    Image.new("L", (48, 40), 255).save(tmp_path / "all.png")
    values = {**WORDS, "image": picture, "mask_image": [tmp_path / "all.png"]}
    job = submissions.submit(Inpaint, values, "ada")
    assert len(finished(job)[1].recipe["notes"]) == 1


def test_uploads_get_harmless_names_and_are_limited(tmp_path):
    (tmp_path / "x").write_bytes(bytes(100))
    with pytest.raises(InputError, match="larger than"):
        copy(tmp_path / "x", tmp_path / "in", Limits(99, 1))
    assert copy(tmp_path / "x", tmp_path / "in", Limits(100, 1), None).name == "x"
    assert safe_name("../../.ssh/id") == "id"
    assert safe_name("...") == "file"


def test_a_scene_stays_in_its_folder(tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    limits = Limits(10**6, 10**6)
    for name, match in (("../a", "leaves the folder"), ("b.png", "was not uploaded")):
        table = {"frames": [{"file_path": name}]}
        (tmp_path / "transforms.json").write_text(json.dumps(table))
        files = [tmp_path / "transforms.json", tmp_path / "a.png"]
        with pytest.raises(InputError, match=match):
            copy_scene(files, tmp_path / f"out{len(name)}", limits)
    (tmp_path / "transforms.json").write_text(json.dumps({"frames": [{"file_path": "v/a"}]}))
    scene = copy_scene([tmp_path / "transforms.json", tmp_path / "a.png"], tmp_path / "s", limits)
    assert (scene / "v" / "a.png").exists()
    with pytest.raises(InputError, match=r"needs its transforms.json"):
        copy_scene([tmp_path / "a.png"], tmp_path / "t", limits)


def test_who_owns_a_run(submissions, tmp_path):
    def request(session, user=None):
        return SimpleNamespace(session_hash=session, username=user)

    shared, apart = (Sessions(submissions, tmp_path, each, "") for each in (False, True))
    assert shared.owner(request("1")) == shared.owner(request("2"))
    assert shared.owner(request("1", "ada")) != shared.owner(request("1", "eve"))
    assert apart.owner(request("1", "ada")) != apart.owner(request("2", "ada"))


def test_only_what_was_sent_or_received_is_read(submissions, tmp_path, picture):
    cache = tmp_path / "cache"
    cache.mkdir()
    sessions = Sessions(submissions, cache, False, "")
    sent = Path(sessions.hand_out(picture))
    assert sessions.uploaded(str(sent)).read_bytes() == picture.read_bytes()
    assert sessions.received({"image": str(sent), "seed": 3}, ["image", "mask_image"]) == {
        "image": [sent],
        "seed": 3,
    }
    (cache / "link").symlink_to("/etc/passwd")
    for path in (picture, "/etc/passwd", cache / "link", cache / ".." / "runs", cache, None, 3):
        with pytest.raises(InputError, match="no longer there"):
            sessions.uploaded(path)


def test_a_regularizer_reads_no_file_of_the_server(submissions, picture, tmp_path):
    """Whether the server has the file or not, the message is the same."""
    messages = set()
    for name in (picture, tmp_path / "none.png"):
        values = {**WORDS, "image": picture, "regularize": f"palette({name})"}
        with pytest.raises(InputError, match="a studio does not read") as caught:
            submissions.submit(Edit, values, "ada")
        messages.add(str(caught.value))
    assert len(messages) == 1
    values = {**WORDS, "image": picture, "regularize": "symmetry"}
    assert finished(submissions.submit(Edit, values, "ada"))[0][-1].stage == "decoding and writing"
