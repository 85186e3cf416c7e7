"""The server as its visitors meet it: over HTTP, with gradio's client and without."""

import dataclasses
import gc
import json
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from PIL import Image

from dreamsampler.interfaces.studio.server import Studio, opened
from dreamsampler.tasks import MODEL_TASKS, Edit

ROOT = Path(__file__).parents[3]
QUICK = {"prompt": "dog face", "num_inference_steps": 2, "size": 64}
LONG = {**QUICK, "num_inference_steps": 1000}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def url(model, runs):
    studio = Studio(port=0, runs=runs, max_upload_mb=1, max_megapixels=1)
    with opened(studio, model) as address:
        yield address.rstrip("/")


@pytest.fixture(scope="module")
def cat(picture):
    return handle_file(str(picture))


@pytest.fixture(scope="module")
def client(url, tmp_path_factory):
    return Client(url, verbose=False, download_files=str(tmp_path_factory.mktemp("got")))


def get(url, path, method="GET", data=None, kind="application/json"):
    """Status, headers and body, as curl shows them."""
    request = urllib.request.Request(url + path, data, {"Content-Type": kind}, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def call(url, name, data):
    """What curl does: post, then read the stream of events to its end; the last event."""
    status, _, body = get(url, f"/gradio_api/call/v2/{name}", "POST", json.dumps(data).encode())
    if status != 200:
        return status, body.decode(), ""
    _, _, stream = get(url, f"/gradio_api/call/{name}/{json.loads(body)['event_id']}")
    *_, last = [part for part in stream.decode().split("\n\n") if part.strip()]
    event, _, text = last.partition("\n")
    return event.removeprefix("event: "), text.removeprefix("data: "), stream.decode()


def file_data(path):
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def started(client, cat):
    """A long run, which has taken a step."""
    job = client.submit(image=cat, **LONG, api_name="/edit")
    while not any(out[0].get("step") for out in job.outputs()):
        time.sleep(0.02)
    return job


def stored(runs):
    return len(list(runs.rglob("recipe.json")))


def test_every_task_is_an_endpoint_with_its_own_options(client):
    info = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(info) == {f"/{task.name()}" for task in MODEL_TASKS}
    names = [each["parameter_name"] for each in info["/edit"]["parameters"]]
    own = [field.name for field in dataclasses.fields(Edit)]
    assert names == [*own, "call", "call_files"]
    optional = {
        p["parameter_name"] for p in info["/restore"]["parameters"] if p["parameter_has_default"]
    }
    assert {"noise", "operator_files", "num_images"} <= optional
    assert optional.isdisjoint({"image", "operator"})


def test_an_edit_streams_its_steps_and_gives_files(client, cat, picture):
    job = client.submit(image=cat, **QUICK, api_name="/edit")
    recipe, files = job.result(timeout=60)
    assert recipe["options"]["prompt"] == "dog face"
    assert [Path(each).name for each in files] == ["edit-dog-face.png", "recipe.json"]
    assert Image.open(files[0]).size == Image.open(picture).size
    assert {out[0].get("total") for out in job.outputs()[:-1]} == {0, 2}


def test_the_page_of_the_studio_is_true(url, tmp_path, monkeypatch):
    """What docs/studio.md shows in Python and with curl, against this server."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "studio.md").read_text().replace("http://127.0.0.1:7860", url)
    python, curl = (
        re.search(rf"```{kind}\n(.*?)```", text, re.S)[1] for kind in ("python", "bash")
    )
    scope = {}
    exec(compile(python, "studio.md", "exec"), scope)
    assert [Path(each).name for each in scope["files"]] == ["edit-panda.png", "recipe.json"]
    subprocess.run(["bash", "-euo", "pipefail", "-c", curl], check=True, timeout=60)
    assert Image.open("panda.png").size == Image.open("examples/bear.png").size


def test_errors_are_messages(client, cat):
    for options, match in (
        ({**QUICK, "prompt": " "}, "Edit needs prompt"),
        ({**QUICK, "strength": 3}, "Strength is 3.0, but must be"),
        ({**QUICK, "size": 5000}, "megapixels"),
        ({**QUICK, "image": handle_file(str(ROOT / "README.md"))}, "is not a picture but text"),
    ):
        with pytest.raises(Exception, match=match) as caught:
            client.predict(**{"image": cat, **options}, api_name="/edit")
        assert "Traceback" not in str(caught.value)
    with pytest.raises(Exception, match="passwd, which was not uploaded"):
        client.predict(image=cat, operator="kernel(/etc/passwd)", api_name="/restore")


def test_many_at_once_are_all_served(client, cat):
    jobs = [client.submit(image=cat, **QUICK, seed=seed, api_name="/edit") for seed in range(6)]
    assert [job.result(timeout=60)[0]["seeds"] for job in jobs] == [[seed] for seed in range(6)]


def test_a_canceled_run_is_not_stored_and_the_next_one_runs(client, cat, runs):
    job, before = started(client, cat), stored(runs)
    job.cancel()
    began = time.perf_counter()
    client.predict(image=cat, **QUICK, api_name="/edit")
    assert time.perf_counter() - began < 10
    assert stored(runs) == before + 1


def test_a_canceled_request_that_waits_is_not_run_and_ends_no_other(client, cat, runs):
    """All in one session, which gradio by itself cancels as a whole."""
    first, before = started(client, cat), stored(runs)
    later = [client.submit(image=cat, **QUICK, seed=i, api_name="/edit") for i in range(3)]
    while later[1].communicator.event_id is None:
        time.sleep(0.02)
    later[1].cancel()
    seen = len(first.outputs())
    while len(first.outputs()) < seen + 3:  # the first one goes on
        assert not first.done()
        time.sleep(0.02)
    first.cancel()
    assert [later[i].result(timeout=60)[0]["seeds"] for i in (0, 2)] == [[0], [2]]
    assert stored(runs) == before + 2


def test_programs_are_forgotten_when_they_have_their_answer(url, cat):
    """Each would keep the state of 479 components otherwise."""
    from gradio.state_holder import StateHolder

    holders = [each for each in gc.get_objects() if type(each) is StateHolder]
    before = sum(len(each.session_data) for each in holders)
    for _ in range(3):
        each = Client(url, verbose=False, download_files=False)
        each.predict(image=cat, **QUICK, api_name="/edit")
    assert sum(len(each.session_data) for each in holders) <= before + 1


def test_no_path_of_the_server_is_shown(url, picture):
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    body = part + picture.read_bytes() + b"\r\n--x--\r\n"
    kind = "multipart/form-data; boundary=x"
    _, _, uploaded = get(url, "/gradio_api/upload", "POST", body, kind)
    (path,) = json.loads(uploaded)
    assert path.startswith("/received/")
    assert get(url, f"/gradio_api/file={path}")[2] == picture.read_bytes()
    event, _, events = call(url, "edit", {"image": file_data(path), **QUICK})
    assert event == "complete"
    page = get(url, "/")[2] + get(url, "/config")[2] + get(url, "/gradio_api/info")[2]
    for each in (uploaded.decode(), events, page.decode()):
        assert f"{tempfile.gettempdir()}/" not in each
        assert str(ROOT) not in each
        assert f"{Path.home()}/" not in each
    assert "/received/" in events


def test_no_file_of_the_server_is_read_and_nothing_fetched(url, client, cat, runs):
    client.predict(image=cat, **QUICK, api_name="/edit")
    for path in (
        "/etc/passwd", str(ROOT / "pyproject.toml"), "pyproject.toml", "../../etc/passwd",
        str(next(runs.rglob("result.png"))), "..%2f..%2f..%2fetc%2fpasswd", "//127.0.0.1/x",
        "/received/../../../etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/", "ftp://x/y",
        "http:%2f%2f127.0.0.1:1/",
    ):  # fmt: skip
        assert get(url, f"/gradio_api/file={path}")[0] in (403, 404), path
        assert get(url, f"/gradio_api/proxy={path}")[0] in (403, 404), path
        for image in (file_data(path), path):
            event, message, _ = call(url, "edit", {"image": image, **QUICK})
            assert event in (400, "error"), path
            assert "root:" not in message
            assert str(ROOT) not in message.replace(path, "")


def test_answers_say_that_nothing_comes_from_elsewhere(url):
    status, headers, page = get(url, "/")
    assert status == 200
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    config = json.loads(page.split(b"window.gradio_config = ")[1].split(b";</script>")[0])
    assert config["analytics_enabled"] is False
    assert b"fonts.googleapis" not in page + get(url, "/theme.css")[2]
    assert get(url, "/docs")[0] == 404


def test_uploads_and_requests_are_limited(url):
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    body = part + bytes(1_100_000) + b"\r\n--x--\r\n"
    kind = "multipart/form-data; boundary=x"
    assert get(url, "/gradio_api/upload", "POST", body, kind)[0] == 413
    assert get(url, "/gradio_api/call/edit", "POST", bytes(25_000_000))[0] == 413


def test_users_see_their_own_runs_only(model, tmp_path, cat):
    studio = Studio(port=0, runs=tmp_path, auth=("ada:engine", "eve:apple"))
    with opened(studio, model) as url:
        assert get(url.rstrip("/"), "/config")[0] == 401
        with pytest.raises(Exception, match="Could not login"):
            Client(url, verbose=False, auth=("ada", "apple"))
        ada = Client(url, verbose=False, auth=("ada", "engine"))
        recipe, _ = ada.predict(image=cat, **QUICK, api_name="/edit")
        (folder,) = [path for path in tmp_path.iterdir() if path.is_dir()]
        assert len(list(folder.iterdir())) == 1
        assert recipe["task"] == "edit"


def test_the_command_refuses_in_one_line(cli, url):
    for typed, match in (
        ("--host 0.0.0.0", "pass --auth USER:PASS"),
        ("--auth ada", "auth must be USER:PASS"),
        ("--port 70000", "port is 70000"),
        (f"--port {url.rsplit(':', 1)[1]}", "is taken"),
        ("--max-queue 0", "max_queue is 0"),
        ("--share-nothing --runs x", "drop one"),
        ("--model nowhere/at/all --local-files-only --runs x", "nowhere"),
    ):
        said = cli("studio", *typed.split())
        assert (said.code, said.out) == (2, "")
        assert len(said.lines) == 1, said.err
        assert match in said.err


def test_calls_that_cannot_be_meant_get_a_sentence_and_a_status(url):
    """Whatever comes: no error of the server, no traceback, no path."""
    lists, names = "/gradio_api/call/edit", "/gradio_api/call/v2/edit"
    cases = [
        (lists, b"{", 400, "no JSON"),
        (lists, b"[]", 400, "must be a JSON object"),
        (lists, b'{"data": 3}', 400, "data must be a list"),
        (lists, b'{"data": []}', 400, "edit needs image"),
        (lists, json.dumps({"data": [1] * 99}).encode(), 400, "a list of at most"),
        (lists, b'{"data": ["cat.png", "dog"]}', 400, "image must be an uploaded file"),
        (names, b"[]", 400, "must be a JSON object"),
        (names, b"{}", 400, "edit needs image"),
        (names, b'{"imge": 1}', 400, "no option 'imge' (did you mean image?)"),
        (names, b'{"image": {"path": "/received/x.png"}, "prompt": "x"}', 400, "upload it again"),
        ("/gradio_api/call/nope", b'{"data": []}', 404, "no call 'nope'"),
        ("/gradio_api/call/v2/nope", b"{}", 404, "no call 'nope'"),
        ("/gradio_api/run/edit", b'{"data": []}', 400, "edit needs image"),
        ("/gradio_api/run/predict", b'{"data": []}', 404, "no call 'predict'"),
        ("/gradio_api/run/predict", b'{"data": [], "fn_index": 9999}', 404, "no function 9999"),
        ("/gradio_api/queue/join", b'{"data": [], "fn_index": 9999}', 404, "no function 9999"),
    ]
    for path, body, status, words in cases:
        found, _, answer = get(url, path, "POST", body)
        assert (found, words in json.loads(answer)["detail"]) == (status, True), (
            path,
            body,
            answer,
        )
    found, _, answer = get(url, f"{lists}/none")
    assert (found, json.loads(answer)["detail"][:21]) == (404, "there is no such call")


def test_what_the_page_calls_by_number_is_answered(url):
    """The page asks for what needs no queue (painting a mask) through run/predict."""
    functions = json.loads(get(url, "/config")[2])["dependencies"]
    direct = next(f for f in functions if not f["queue"] and f["backend_fn"] and not f["inputs"])
    body = {"data": [], "fn_index": direct["id"], "session_hash": "a-visitor"}
    status, _, answer = get(url, "/gradio_api/run/predict", "POST", json.dumps(body).encode())
    assert (status, "data" in json.loads(answer)) == (200, True), answer


def test_values_are_read_as_the_command_reads_them(url, client, cat, tmp_path):
    """An SVG file, a file in place of a list, a list in place of a file, numbers as text."""
    drawing = tmp_path / "square.svg"
    drawing.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
        '<rect fill="#0a0" width="40" height="40"/></svg>'
    )
    few = {"size": 64, "paths": 2, "num_inference_steps": 1}
    out = client.predict(handle_file(str(drawing)), prompt="square", **few, api_name="/vectorize")
    assert out[0]["input"]["mode"] == "SVG"
    quick = {"prompt": "x", "num_inference_steps": "1", "size": "64"}
    out = client.predict(cat, mask_image=cat, **{**quick, "prompt": ["x"]}, api_name="/inpaint")
    assert len(out[0]["options"]["mask_image"]) == 1
    assert client.predict([cat], **quick, api_name="/edit")[0]["options"]["size"] == 64
    for wrong, words in (({"prompt": ["x"]}, "must be text"), ({"seed": "many"}, "whole number")):
        with pytest.raises(Exception, match=words):
            client.predict(cat, **{**quick, **wrong}, api_name="/edit")
