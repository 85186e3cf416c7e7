"""Runs: checked, run, stored, found again, used again; and what they found, in words."""

import json
import time
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from studio_visitor import QUICK

from dreamsampler import from_pretrained
from dreamsampler.cancel import Canceled
from dreamsampler.files import InputError
from dreamsampler.generators.field import read_scene
from dreamsampler.interfaces.studio.app import settings_of
from dreamsampler.interfaces.studio.failures import Refused
from dreamsampler.interfaces.studio.findings import SEAM, measured, sentences
from dreamsampler.interfaces.studio.run_store import RunStore
from dreamsampler.interfaces.studio.scenes import copy_scene, safe_name
from dreamsampler.tasks import Edit, Restore, Vectorize
from dreamsampler.tasks.from_values import task_of

SQUARE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
    '<rect fill="#0a0" x="8" y="8" width="40" height="40"/></svg>'
)


def samples(answer):
    with Image.open(BytesIO(answer.content)) as image:
        return np.asarray(image)


def png(size, color=0, mode="L"):
    file = BytesIO()
    Image.new(mode, size, color).save(file, "PNG")
    return file.getvalue()


def test_a_run_is_what_the_task_itself_makes(studio, model, picture, tmp_path):
    """To the bit, from the recipe that the studio keeps; and its settings can be used again."""
    visitor = studio()()
    image = visitor.upload(picture)
    run = visitor.run("edit", image=image, source_prompt="cat", strength=0.4, seed=3, **QUICK)
    (made,) = run["results"]
    assert (made["download"], made["seed"], made["width"]) == ("edit-dog-face.png", 3, 48)
    recipe = visitor.get(run["recipe"]).json()
    options = recipe["options"]
    assert options["image"] == "cat.png"
    assert str(tmp_path) not in json.dumps([recipe, run])
    again = task_of("edit", {**options, "image": picture})(model, progress=False).images[0]
    first = samples(visitor.get(made["url"]))
    assert np.array_equal(first, np.asarray(again))
    again = visitor.run("edit", **run["values"])
    assert np.array_equal(first, samples(visitor.get(again["results"][0]["url"])))
    assert run["words"][0].startswith("Changed ")
    assert run["evaluations"] == recipe["evaluations"] > 0


def test_several_variants_have_seeds_and_candidates_have_recipes(studio, model, picture, tmp_path):
    visitor = studio()()
    image = visitor.upload(picture)
    run = visitor.run("edit", image=image, num_images=3, seed=5, **QUICK)
    assert [each["seed"] for each in run["results"]] == [5, 6, 7]
    quick = {**QUICK, "num_inference_steps": 3, "method": "anchored"}
    run = visitor.run("edit", image=image, candidates=3, seed=5, **quick)
    kept, *others = run["results"]
    assert {kept["seed"], *(each["seed"] for each in others)} == {5, 6, 7}
    for each in others:
        (tmp_path / "one.png").write_bytes(visitor.get(each["url"]).content)
        task, values = settings_of(tmp_path / "one.png")
        assert each["label"] == f"strength {values['strength']:g}, seed {values['seed']}"
        own = task_of(task, {**values, "image": picture})(model, progress=False).images[0]
        assert np.array_equal(samples(visitor.get(each["url"])), np.asarray(own))


def test_one_goes_on_from_a_result(studio, picture):
    visitor = studio()()
    run = visitor.run("edit", image=visitor.upload(picture), **QUICK)
    made = visitor.post(f"/api/runs/{run['id']}/use", {"name": "result.png"}).json()
    assert (made["kind"], made["width"], made["height"]) == ("picture", 48, 40)
    assert visitor.get(made["url"]).content == visitor.get(run["results"][0]["url"]).content
    assert visitor.run("edit", image=made["id"], **QUICK)["before"]
    answer = visitor.post(f"/api/runs/{run['id']}/use", {"name": "recipe.json"})
    assert (answer.status_code, answer.json()["detail"]["field"]) == (422, "name")


def test_runs_are_listed_searched_kept_and_deleted(studio, picture):
    visitor = studio()()
    image = visitor.upload(picture)
    names = [visitor.run("edit", image=image, **{**QUICK, "prompt": p})["id"] for p in "ab"]
    visitor = studio()()  # another server, on the same folder
    listed = visitor.get("/api/runs").json()
    assert sorted(each["id"] for each in listed) == sorted(names)
    (image,) = {run["values"]["image"].partition("~")[2] for run in listed}
    shown = visitor.get(f"/api/files/{names[0]}~{image}?preview=1")
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/webp")
    assert [run["title"] for run in visitor.get("/api/runs?words=EDIT b").json()] == ["b"]
    assert len(visitor.get("/api/runs?most=1").json()) == 1
    ((event, data),) = visitor.events(names[0])
    assert (event, data["run"]["id"]) == ("done", names[0])
    assert visitor.run("edit", **listed[0]["values"])["title"] == listed[0]["title"]
    assert visitor.client.delete(f"/api/runs/{names[0]}").status_code == 204
    for call, path in ((visitor.get, ""), (visitor.client.delete, ""), (visitor.get, "/events")):
        assert call(f"/api/runs/{names[0]}{path}").status_code == 404
    last = visitor.run("edit", image=visitor.upload(picture), **QUICK)["id"]
    assert visitor.client.delete(f"/api/runs/{last}").status_code == 204
    assert visitor.get(f"/api/runs/{last}/events").status_code == 404


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
    assert run.values["image"] == f"{run.name}~inputs/scene"
    assert (run.values["fit_steps"], run.values["update_steps"]) == (150, 7)
    old = {"task": "restore", "options": {"preset": "paper", "samples": 4, "prompt": "cat"}}
    (tmp_path / "old.json").write_text(json.dumps(old))
    values = {"method": "dreamsampler", "num_images": 4, "prompt": "cat"}
    assert settings_of(tmp_path / "old.json") == ("restore", values)


def test_settings_come_from_what_was_made(studio, picture):
    visitor = studio()()
    few = {"paths": 2, "num_inference_steps": 1, "size": 64}
    image = visitor.upload(("square.svg", SQUARE.encode()))
    run = visitor.run("vectorize", image=image, prompt="square", **few)
    made, recipe = (visitor.get(run[k] if k else run["results"][0]["url"]) for k in ("", "recipe"))
    assert made.text.startswith("<svg")
    for name, data in (("x.svg", made.content), ("recipe.json", recipe.content)):
        answer = visitor.post("/api/recipe", files={"file": (name, data)}).json()
        assert (answer["task"], answer["values"]["prompt"]) == ("vectorize", "square")
        assert "image" not in answer["values"]
    for name, data in (
        ("cat.png", picture.read_bytes()), ("a.json", b"[1]"), ("a.json", b"{"),
        ("a.json", b'{"task": "fly", "options": {}}'), ("a.json", b'{"options": 3, "task": 1}'),
    ):  # fmt: skip
        answer = visitor.post("/api/recipe", files={"file": (name, data)})
        assert answer.status_code == 400, data
    assert visitor.get(f"/api/files/{image}").text == SQUARE


def test_a_drawing_is_the_picture_that_it_shows_where_one_is_needed(studio, tmp_path):
    visit = studio()
    image = visit().upload(("square.svg", SQUARE.encode()))
    values = {**QUICK, "image": image}
    task = visit.services.submissions._task(Edit, values, tmp_path, "everybody")
    with Image.open(task.image) as found:
        assert found.size == (512, 512)
        assert found.convert("RGBA").getpixel((256, 256)) == (0, 170, 0, 255)
        assert found.getpixel((8, 8))[3] == 0


def test_real_runs_are_canceled_within_a_moment(studio, picture):
    """While they are read, while they fit, and in their steps; the next one runs."""
    visitor, submissions = studio()(), studio().services.submissions
    image = submissions.uploads.add("ada", [(picture.name, picture)]).id
    restore = {"image": image, "operator": "blur(sigma=?)", "num_inference_steps": 1000}
    vectorize = {"image": image, "paths": 4, "fit_steps": 10**6}
    for kind, values, stage in (
        (Restore, restore, "reading and encoding"),
        (Restore, {**restore, "operator": "blur(2)"}, "step"),
        (Vectorize, vectorize, "fit"),
    ):
        job = submissions.submit(kind, values, "ada")
        while job.status.stage != stage:
            assert not job.over
            time.sleep(0.005)
        began = time.perf_counter()
        job.cancel()
        with pytest.raises(Canceled):
            job.wait(60)
        assert time.perf_counter() - began < 10
    assert visitor.run("edit", image=visitor.upload(picture), **QUICK)
    assert submissions.store.runs("ada") == []


def test_what_cannot_be_meant_leaves_nothing_and_names_its_field(studio, picture, tmp_path):
    visit = studio(max_megapixels=0.1)
    visitor, store = visit(), visit.services.submissions.store
    image = visitor.upload(picture)
    words = {**QUICK, "image": image}
    for task, values, status, field, match in (
        ("edit", {**words, "prompt": ""}, 422, "prompt", "Edit needs prompt"),
        ("edit", {**words, "strength": 7}, 422, "strength", "Strength is 7"),
        ("edit", {**words, "seed": "many"}, 422, "seed", "whole number"),
        ("edit", {**words, "prompt": ["x"]}, 422, "prompt", "must be text"),
        ("edit", {**words, "method": "magic"}, 422, "method", "no method 'magic'"),
        ("edit", {**words, "imge": 1}, 422, "imge", "did you mean image?"),
        ("edit", {**words, "size": 900}, 413, "size", "megapixels"),
        ("edit", {**words, "size": 200, "num_images": 9}, 413, "num_images", "megapixels"),
        ("edit", {**words, "image": "f" * 32}, 422, "image", "upload it again"),
        ("edit", {**words, "image": str(picture)}, 422, "image", "upload it again"),
        ("edit", {**words, "image": {"path": "x"}}, 422, "image", "upload it again"),
        ("edit", {**words, "image": [image, image]}, 422, "image", "2 files, but must be one"),
        ("edit", {"prompt": "x"}, 422, "image", "Edit needs image"),
        ("inpaint", words, 422, "mask_image", "pass a mask_image"),
        ("restore", {"image": image, "operator": "blurr(3)"}, 422, "operator", "mean blur"),
        ("restore", {"image": image, "operator": "downsample(8)"}, 413, "image", "the result has"),
        ("reconstruct", {"image": image}, 422, "image", "must be a scene"),
        ("fly", {}, 422, "task", "no task 'fly'"),
    ):  # fmt: skip
        found, detail = visitor.refused(task, **values)
        assert (found, detail["field"]) == (status, field), (task, values, detail)
        assert match.lower() in detail["message"].lower(), detail
        assert detail["message"][0].isupper() and "\n" not in detail["message"]
    assert [p for p in store.root.rglob("*") if p.is_file()] == []


def test_an_operator_names_uploads_only(studio, picture, tmp_path):
    visitor = studio()()
    image, lost = visitor.upload(picture), visitor.upload(("lost.png", png((48, 40))))
    secret = tmp_path / "secret.npy"
    np.save(secret, np.ones((3, 3)))
    for operator in (
        f"kernel({secret})",
        "mask(/etc/passwd)",
        "mask(other.png)",
        "mask(../lost.png)",
    ):
        status, detail = visitor.refused(
            "restore", image=image, operator=operator, operator_files=[lost]
        )
        assert (status, detail["field"]) == (422, "operator")
        assert "was not uploaded" in detail["message"]
        assert str(tmp_path) not in detail["message"]
        body = {"image": image, "operator": operator}
        assert visitor.post("/api/degrade", body).status_code == 422
    values = {"operator": "mask(lost.png)", "num_inference_steps": 1, "size": 64}
    run = visitor.run("restore", image=image, operator_files=[lost], **values)
    assert run["title"] == "mask(lost.png)"
    assert run["values"]["operator_files"] == [f"{run['id']}~inputs/operator/lost.png"]
    kernel = visitor.upload(("secret.npy", secret.read_bytes()))
    body = {"image": image, "operator": "kernel(secret.npy)", "operator_files": [kernel]}
    assert visitor.post("/api/degrade", body).headers["content-type"] == "image/png"
    # a regularizer reads no file; the message is the same whether the server has it or not
    said = {
        visitor.refused("edit", image=image, regularize=f"palette({name})", **QUICK)[1]["message"]
        for name in (picture, tmp_path / "none.png")
    }
    assert len(said) == 1 and "a studio does not read" in said.pop()


@pytest.mark.filterwarnings("ignore:.* is CMYK")
@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16", "F"])
def test_pictures_of_every_kind_are_shown(studio, mode):
    """As a WebP with its transparency, also one that browsers do not know."""
    visitor = studio()()
    ramp, file = np.arange(40 * 30).reshape(40, 30) % 256 / 255, BytesIO()
    white, kind = {"I;16": (65535, np.uint16), "F": (1, np.float32)}.get(mode, (255, np.uint8))
    made = Image.fromarray((white * ramp).astype(kind))
    made = made if kind != np.uint8 else made.convert(mode)
    made.save(file, "TIFF")
    name = visitor.upload(("a.tif", file.getvalue()))
    with Image.open(BytesIO(visitor.get(f"/api/files/{name}?preview=1").content)) as shown:
        assert (shown.format, shown.size) == ("WEBP", (30, 40))
        assert np.asarray(shown.convert("L")).std() > 1


def test_a_scene_stays_in_its_folder(tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    files = [tmp_path / "transforms.json", tmp_path / "a.png"]
    for name, match in (("../a", "leaves the folder"), ("b.png", "was not uploaded")):
        files[0].write_text(json.dumps({"frames": [{"file_path": name}]}))
        with pytest.raises(InputError, match=match):
            copy_scene(files, tmp_path / f"out{len(name)}", str)
    files[0].write_text(json.dumps({"frames": [{"file_path": "v/a"}]}))
    assert (copy_scene(files, tmp_path / "s", str) / "v" / "a.png").exists()
    with pytest.raises(InputError, match=r"needs transforms.json"):
        copy_scene([tmp_path / "a.png"], tmp_path / "t", str)
    assert [safe_name(name) for name in ("../../.ssh/id", "...")] == ["id", "file"]


def test_a_scene_of_colmap_finds_its_folders(tmp_path):
    """Names of pictures may have folders, of which a browser sends none."""
    given = tmp_path / "sent"
    given.mkdir()
    (given / "cameras.txt").write_text("1 PINHOLE 32 32 40 40 16 16\n")
    (given / "images.txt").write_text("1 1 0 0 0 0 0 4 1 left/a.png\n\n2 1 0 0 0 1 0 4 1 b.png\n\n")
    for name in ("a.png", "b.png", "b.png.png"):
        Image.new("RGB", (32, 32)).save(given / name)
    shots = read_scene(copy_scene(sorted(given.iterdir()), tmp_path / "scene", str))
    assert [shot.path.relative_to(tmp_path / "scene").as_posix() for shot in shots] == [
        "images/b.png",
        "images/left/a.png",
    ]
    assert shots[0].mask.name == "b.png.png" and shots[1].mask is None


def test_a_scene_is_uploaded_shown_and_reconstructed(studio):
    visitor = studio()()
    filled = visitor.post("/api/examples", {"task": "reconstruct", "label": "Toy duck"}).json()
    values = filled["values"] | {"fit_steps": 3, "resolution": 8, "turntable": 2}
    (file,) = filled["files"].values()
    assert (file["kind"], file["id"], file["width"]) == ("scene", values["image"], 48)
    shown = visitor.get(file["url"], params={"preview": True})
    assert shown.headers["content-type"] == "image/webp"
    run = visitor.run("reconstruct", **values)
    kinds = {each["name"].rpartition(".")[2]: each["kind"] for each in run["results"]}
    assert kinds == {
        "png": "picture", "json": "file", "safetensors": "file", "ply": "file", "glb": "mesh",
        "gif": "video",
    }  # fmt: skip
    mesh = next(each for each in run["results"] if each["kind"] == "mesh")
    assert visitor.get(mesh["url"]).content[:4] == b"glTF"
    assert visitor.get(f"/api/files/{run['values']['image']}?preview=1").status_code == 200


def test_every_example_can_be_submitted(studio):
    """Those of one picture; each degraded, or with its hole painted."""
    visit = studio()
    visitor = visit()
    for task in visitor.get("/api/info").json()["tasks"][:4]:
        for example in task["examples"]:
            assert visitor.get(example["picture"]).headers["content-type"] == "image/png"
            body = {"task": task["name"], "label": example["label"]}
            values = visitor.post("/api/examples", body).json()["values"]
            name = visitor.start(task["name"], **values)
            assert visitor.post(f"/api/runs/{name}/cancel").status_code == 204


def test_the_findings_of_a_run_are_sentences(studio, picture):
    visitor = studio()()
    values = {"image": visitor.upload(picture), "operator": "blur(1)", "num_images": 2}
    run = visitor.run("restore", **values, num_inference_steps=1, size=64)
    labels = [each["label"] for each in run["results"]]
    assert labels == ["0", "1", "mean", "spread"]
    assert run["words"][0].startswith(("Explains the input", "Does not explain"))
    assert run["words"][1].startswith("Sure of ")
    assert {"residual", "residual expected"} <= {each["name"] for each in run["numbers"]}
    mask = visitor.upload(("mask.png", png((48, 40), 255)))
    run = visitor.run("inpaint", **{**QUICK, "image": values["image"], "mask_image": [mask]})
    assert run["words"] == ["Painted 100 % of the picture."]
    assert len(run["notes"]) == 1  # that nothing is left
    report = {"residual": 0.02, "residual_expected": 0.01, "operator": "blur(sigma=2.5)"}
    assert sentences({"task": "restore", "report": report, "studio": {"sure": 0.995}}) == [
        "Does not explain the input: something else happened to it, or there is more noise.",
        "Found out what happened: blur(sigma=2.5).",
        "Sure of all but 1 % of the picture.",
    ]


@pytest.mark.parametrize(("step", "visible"), [(0.0, False), (0.05, True)])
def test_an_edge_is_visible_where_colors_jump_more_than_beside_it(step, visible, tmp_path):
    """On a ramp, whose own steps are no edge."""
    ramp = torch.linspace(0, 2, 40).expand(3, 40, 40)
    mask = torch.zeros(1, 40, 40)
    mask[:, 10:30, 10:30] = 1
    task = SimpleNamespace(name=lambda: "inpaint", OUTPUT="picture")
    canvas = SimpleNamespace(flat=lambda: ramp, size=(40, 40))
    run = SimpleNamespace(
        pictures=lambda: [ramp + step * mask], canvas=canvas, mask=mask, task=task, seeds=[0]
    )
    found = measured(run, tmp_path, [])
    assert (found["seam"] > SEAM) is visible
    assert found["changed"] == (0.25 if visible else 0)


def test_paths_are_drawn_live(studio, picture):
    visitor = studio()()
    few = {"paths": 3, "fit_steps": 40, "update_steps": 1, "num_inference_steps": 1, "size": 64}
    events = visitor.events(visitor.start("vectorize", image=visitor.upload(picture), **few))
    drawn = [data["svg"] for event, data in events if event == "step" and data["svg"]]
    assert events[-1][0] == "done" and drawn[-1].startswith("<svg") and "<path" in drawn[-1]


def test_hints_name_what_the_bundled_model_does_not_know(studio, picture):
    visit = studio(from_pretrained())
    visitor = visit()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    file = BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    strange = visitor.upload(("noise.png", file.getvalue()))
    cat = visitor.post("/api/examples", {"task": "edit", "label": "Cat to dog"}).json()["values"]

    def check(**body):
        return visitor.post("/api/check", body).json()

    assert check(task="edit", image=cat["image"], prompt="dog face") == {
        "picture": None,
        "words": [],
    }
    found = check(task="edit", image=strange, prompt=["a zebbra", "appple"])
    assert found["picture"].startswith("This is unlike the drawings")
    assert found["words"][0]["word"] == "zebbra"
    assert {"word": "appple", "near": ["apple"]} in found["words"]
    assert check(task="vectorize", image=strange)["picture"] is None
    with visit.services.submissions.worker.idle_model():  # as while a run needs it
        assert check(task="edit", image=visitor.upload(picture))["picture"] is None
        assert check(task="edit", image=strange)["picture"]  # which is known by now
    answer = visitor.post("/api/check", {"task": "edit", "image": "f" * 32})
    assert (answer.status_code, answer.json()["detail"]["field"]) == (422, "image")
    with pytest.raises(Refused):
        visit.services.submissions.uploads.find("ada", strange)
