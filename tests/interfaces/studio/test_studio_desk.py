"""Runs behind the page: checked, watched, canceled, kept."""

import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tiny import TINY

from dreamsampler import from_pretrained
from dreamsampler.files import InputError
from dreamsampler.interfaces.studio import uploads
from dreamsampler.interfaces.studio.desk import Desk
from dreamsampler.interfaces.studio.past import options_only, recipe_of, with_files
from dreamsampler.interfaces.studio.room import Room
from dreamsampler.interfaces.studio.shelf import Shelf
from dreamsampler.interfaces.studio.uploads import Limits, take, take_scene
from dreamsampler.interfaces.studio.worker import Canceled, Worker
from dreamsampler.tasks import Edit, Inpaint, Restore

WORDS = {"prompt": "dog face", "num_inference_steps": 3, "size": 64}


@pytest.fixture(scope="module")
def worker():
    return Worker(from_pretrained(TINY))


@pytest.fixture
def desk(worker, tmp_path):
    return Desk(worker, Shelf(tmp_path / "runs"), Limits(1_000_000, 100_000))


@pytest.fixture
def picture(tmp_path):
    y, x = np.mgrid[:40, :48]
    rgb = np.stack([x * 5, y * 6, (x * y) % 256], -1).astype(np.uint8)
    Image.fromarray(rgb).save(tmp_path / "cat.png")
    return tmp_path / "cat.png"


def wait(job):
    return list(job.follow())


def test_a_run_is_told_step_by_step_and_kept_without_places(desk, picture, tmp_path):
    job = desk.order(Edit, {**WORDS, "image": picture, "source_prompt": "cat"}, "ada")
    told = wait(job)
    assert told[-1].stage == "decoding and writing"
    assert told[-1].preview[:2] == b"\xff\xd8"
    kept = job.result
    assert Image.open(kept.results[0]).size == (48, 40)
    assert kept.recipe["options"]["image"] == "cat.png"
    assert str(tmp_path) not in json.dumps(kept.recipe)
    assert desk.shelf.runs("ada") == [kept]
    assert desk.shelf.runs("ada", "DOG edit") == [kept]
    assert desk.shelf.runs("ada", "zebra") == desk.shelf.runs("eve") == []
    assert with_files(kept)["image"].read_bytes() == picture.read_bytes()
    with pytest.raises(InputError, match="no longer there"):
        desk.shelf.find("eve", kept.name)
    with pytest.raises(InputError, match="no longer there"):
        desk.shelf.find("ada", f"../{kept.folder.parent.name}/{kept.name}")
    desk.shelf.delete("ada", kept.name)
    assert desk.shelf.runs("ada") == []
    assert not kept.folder.exists()


def test_the_recipe_of_a_result_fills_the_form_again(desk, picture):
    class Tab:
        from dreamsampler.interfaces.studio.fields import fields_of

        fields = {f.name: f for f in fields_of(Edit)}  # noqa: RUF012

    job = desk.order(Edit, {**WORDS, "image": picture, "strength": 0.4}, "ada")
    wait(job)
    for path in (job.result.results[0], job.result.folder / "recipe.json"):
        values = options_only(recipe_of(path), {"edit": Tab})
        assert (values["prompt"], values["strength"]) == ("dog face", 0.4)
        assert "image" not in values
    with pytest.raises(InputError, match="no recipe"):
        recipe_of(picture)


@pytest.mark.parametrize("after", [0.0, 0.3])
def test_cancel_stops_a_run_anywhere_and_the_next_one_runs(desk, picture, after):
    """In the first case it waits or encodes, in the second it is in a loop that asks nobody."""
    values = {"image": picture, "operator": "blur(2)", "num_inference_steps": 1000}
    job = desk.order(Restore, values, "ada")
    following = desk.order(Edit, {**WORDS, "image": picture}, "ada")
    time.sleep(after)
    began = time.perf_counter()
    desk.worker.cancel(job)
    with pytest.raises(Canceled):
        wait(job)
    assert time.perf_counter() - began < 3
    wait(following)
    assert [kept.recipe["task"] for kept in desk.shelf.runs("ada")] == ["edit"]


def test_what_fails_leaves_nothing_behind(desk, picture, tmp_path):
    for values, match in (
        ({"image": picture, "prompt": ""}, "prompt is empty"),
        ({"image": picture, "prompt": "x", "strength": 7}, "strength"),
        ({"image": picture, "prompt": "x", "size": 900}, "megapixels"),
        ({"image": picture, "prompt": "x", "size": 200, "num_images": 9}, "megapixels"),
    ):
        with pytest.raises(ValueError, match=match):
            desk.order(Edit, values, "ada")
    Image.new("RGB", (400, 400)).save(tmp_path / "large.png")
    with pytest.raises(InputError, match=r"400x400 pixels.*0\.1 megapixels"):
        desk.order(Edit, {**WORDS, "image": tmp_path / "large.png"}, "ada")
    with pytest.raises(InputError, match="the result has"):
        desk.order(Restore, {"image": picture, "operator": "downsample(8)"}, "ada")
    assert [p for p in desk.shelf.root.rglob("*") if p.is_file()] == []


def test_an_operator_names_uploads_only(desk, picture, tmp_path):
    Image.new("L", (48, 40)).save(tmp_path / "lost.png")
    secret = tmp_path / "secret.npy"
    np.save(secret, np.ones((3, 3)))
    for operator in (f"kernel({secret})", "mask(/etc/passwd)", "mask(lost.png)"):
        with pytest.raises(InputError, match="was not uploaded") as told:
            desk.order(Restore, {"image": picture, "operator": operator}, "ada")
        assert str(tmp_path) not in str(told.value)
    asked = {"image": picture, "operator": "mask(lost.png)", "num_inference_steps": 1, "size": 64}
    job = desk.order(Restore, asked, "ada", files=[tmp_path / "lost.png"])
    wait(job)
    assert job.result.recipe["options"]["operator"] == "mask(path=lost.png)"


def test_warnings_come_along(desk, picture, tmp_path):
    Image.new("L", (48, 40), 255).save(tmp_path / "all.png")
    asked = {**WORDS, "image": picture, "mask_image": [tmp_path / "all.png"]}
    job = desk.order(Inpaint, asked, "ada")
    wait(job)
    assert len(job.result.recipe["notes"]) == 1


def test_uploads_get_harmless_names_and_are_limited(tmp_path):
    (tmp_path / "x").write_bytes(bytes(100))
    with pytest.raises(InputError, match="larger than"):
        take(tmp_path / "x", tmp_path / "in", Limits(99, 1))
    assert take(tmp_path / "x", tmp_path / "in", Limits(100, 1), None).name == "x"
    assert uploads.harmless("../../.ssh/id") == "id"
    assert uploads.harmless("...") == "file"


def test_a_scene_stays_in_its_folder(tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    limits = Limits(10**6, 10**6)
    for name, match in (("../a", "leaves the folder"), ("b.png", "was not uploaded")):
        table = {"frames": [{"file_path": name}]}
        (tmp_path / "transforms.json").write_text(json.dumps(table))
        files = [tmp_path / "transforms.json", tmp_path / "a.png"]
        with pytest.raises(InputError, match=match):
            take_scene(files, tmp_path / f"out{len(name)}", limits)
    (tmp_path / "transforms.json").write_text(json.dumps({"frames": [{"file_path": "v/a"}]}))
    scene = take_scene([tmp_path / "transforms.json", tmp_path / "a.png"], tmp_path / "s", limits)
    assert (scene / "v" / "a.png").exists()
    with pytest.raises(InputError, match=r"needs its transforms.json"):
        take_scene([tmp_path / "a.png"], tmp_path / "t", limits)


def test_who_owns_a_run(desk, tmp_path):
    def request(session, user=None):
        return SimpleNamespace(session_hash=session, username=user)

    shared, apart = (Room(desk, tmp_path, each, "") for each in (False, True))
    assert shared.owner(request("1")) == shared.owner(request("2"))
    assert shared.owner(request("1", "ada")) != shared.owner(request("1", "eve"))
    assert apart.owner(request("1", "ada")) != apart.owner(request("2", "ada"))


def test_only_what_was_sent_or_received_is_read(desk, tmp_path, picture):
    cache = tmp_path / "cache"
    cache.mkdir()
    room = Room(desk, cache, False, "")
    copy = Path(room.hand_out(picture))
    assert room.uploaded(str(copy)).read_bytes() == picture.read_bytes()
    (cache / "link").symlink_to("/etc/passwd")
    for path in (picture, "/etc/passwd", cache / "link", cache / ".." / "cat.png", cache, None, 3):
        with pytest.raises(InputError, match="no longer there"):
            room.uploaded(path)


def test_a_palette_reads_no_file_of_the_server(desk, picture, tmp_path):
    """Neither one that is there nor one that is not, and both are told the same."""
    told = []
    for name in (picture, tmp_path / "none.png"):
        with pytest.raises(InputError, match="a studio does not read") as caught:
            desk.order(Edit, {**WORDS, "image": picture, "regularize": f"palette({name})"}, "ada")
        told.append(str(caught.value))
    assert told[0] == told[1]
    job = desk.order(Edit, {**WORDS, "image": picture, "regularize": "symmetry"}, "ada")
    assert wait(job)[-1].stage == "decoding and writing"
