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
from tiny import TINY

from dreamsampler import from_pretrained
from dreamsampler.interfaces.cli.main import main
from dreamsampler.interfaces.studio.server import Studio, opened
from dreamsampler.tasks import TASKS

ROOT = Path(__file__).parents[3]
CAT = str(ROOT / "examples" / "bear.png")
QUICK = {"prompt": "dog face", "num_inference_steps": 2, "size": 64}


@pytest.fixture(scope="module")
def prior():
    return from_pretrained(TINY)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def url(prior, runs):
    studio = Studio(port=0, runs=runs, max_upload_mb=1, max_megapixels=1)
    with opened(studio, prior) as address:
        yield address.rstrip("/")


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
    """What curl does: post, then read the stream of events to its end."""
    status, _, body = get(url, f"/gradio_api/call/{name}", "POST", json.dumps(data).encode())
    if status != 200:
        return status, body.decode()
    _, _, stream = get(url, f"/gradio_api/call/{name}/{json.loads(body)['event_id']}")
    *_, last = [part for part in stream.decode().split("\n\n") if part.strip()]
    event, _, text = last.partition("\n")
    return event.removeprefix("event: "), text.removeprefix("data: ")


def test_every_task_is_an_endpoint_with_its_own_options(client):
    info = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(info) == {f"/{task.__name__.lower()}" for task in TASKS}
    names = [each["parameter_name"] for each in info["/edit"]["parameters"]]
    assert names == [field.name for field in dataclasses.fields(TASKS[0])]
    optional = {
        p["parameter_name"] for p in info["/restore"]["parameters"] if p["parameter_has_default"]
    }
    assert {"noise", "operator_files", "samples"} <= optional
    assert optional.isdisjoint({"image", "operator"})


def test_an_edit_streams_its_steps_and_gives_files(client):
    job = client.submit(image=handle_file(CAT), **QUICK, api_name="/edit")
    recipe, files = job.result(timeout=60)
    assert recipe["options"]["prompt"] == "dog face"
    assert [Path(each).name for each in files] == ["edit-dog-face.png", "recipe.json"]
    assert Image.open(files[0]).size == Image.open(CAT).size
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
    assert Image.open("panda.png").size == Image.open(CAT).size


def test_errors_are_messages(client):
    for options, match in (
        ({**QUICK, "prompt": " "}, "Prompt is empty"),
        ({**QUICK, "strength": 3}, "Strength is 3.0, but must be a number from 0 to 1"),
        ({**QUICK, "size": 5000}, "megapixels"),
    ):
        with pytest.raises(Exception, match=match) as told:
            client.predict(image=handle_file(CAT), **options, api_name="/edit")
        assert "Traceback" not in str(told.value)
    with pytest.raises(Exception, match="is not a picture but text"):
        client.predict(image=handle_file(str(ROOT / "README.md")), **QUICK, api_name="/edit")


def test_many_at_once_are_all_served(client):
    jobs = [
        client.submit(image=handle_file(CAT), **QUICK, seed=seed, api_name="/edit")
        for seed in range(8)
    ]
    assert [job.result(timeout=60)[0]["seeds"] for job in jobs] == [[seed] for seed in range(8)]


def test_cancel_cancels_and_the_next_one_has_its_turn(client, runs):
    long = {**QUICK, "num_inference_steps": 1000}
    job = client.submit(image=handle_file(CAT), **long, api_name="/edit")
    while not any(out[0].get("step") for out in job.outputs()):
        time.sleep(0.05)
    before = len(list(runs.rglob("recipe.json")))
    job.cancel()
    began = time.perf_counter()
    client.predict(image=handle_file(CAT), **QUICK, api_name="/edit")
    assert time.perf_counter() - began < 10
    assert len(list(runs.rglob("recipe.json"))) == before + 1


def test_a_canceled_request_that_waits_is_not_run_and_ends_no_other(client, runs):
    """All in one session, which gradio by itself cancels as a whole."""
    long = {**QUICK, "num_inference_steps": 1000}
    first = client.submit(image=handle_file(CAT), **long, api_name="/edit")
    while not any(out[0].get("step") for out in first.outputs()):
        time.sleep(0.05)
    before = len(list(runs.rglob("recipe.json")))
    later = [
        client.submit(image=handle_file(CAT), **QUICK, seed=i, api_name="/edit") for i in range(3)
    ]
    while later[1].communicator.event_id is None:
        time.sleep(0.02)
    later[1].cancel()
    seen = len(first.outputs())
    while len(first.outputs()) < seen + 3:  # the first one goes on
        assert not first.done()
        time.sleep(0.02)
    first.cancel()
    assert [later[i].result(timeout=60)[0]["seeds"] for i in (0, 2)] == [[0], [2]]
    assert len(list(runs.rglob("recipe.json"))) == before + 2


def test_programs_are_forgotten_when_they_have_their_answer(url):
    """Each would keep the state of 479 components otherwise."""
    from gradio.state_holder import SessionState

    def remembered():
        gc.collect()
        return sum(type(each) is SessionState for each in gc.get_objects())

    before = remembered()
    for seed in range(4):
        each = Client(url, verbose=False, download_files=False)
        each.predict(image=handle_file(CAT), **QUICK, seed=seed, api_name="/edit")
    assert remembered() <= before + 1


def test_no_place_of_the_server_is_shown(url):
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    body = part + Path(CAT).read_bytes() + b"\r\n--x--\r\n"
    kind = "multipart/form-data; boundary=x"
    _, _, uploaded = get(url, "/gradio_api/upload", "POST", body, kind)
    (path,) = json.loads(uploaded)
    assert path.startswith("/received/")
    assert get(url, f"/gradio_api/file={path}")[2] == Path(CAT).read_bytes()
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    data = {"image": file, "prompt": "dog", "num_inference_steps": 2, "size": 64}
    _, _, asked = get(url, "/gradio_api/call/v2/edit", "POST", json.dumps(data).encode())
    _, _, events = get(url, f"/gradio_api/call/edit/{json.loads(asked)['event_id']}")
    page = get(url, "/")[2] + get(url, "/config")[2] + get(url, "/gradio_api/info")[2]
    for each in (uploaded, events, page):
        assert tempfile.gettempdir().encode() + b"/" not in each
        assert str(ROOT).encode() not in each
        assert str(Path.home()).encode() + b"/" not in each
    assert b"/received/" in events


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd", str(ROOT / "pyproject.toml"), "pyproject.toml", "../../etc/passwd", "RUN",
        "..%2f..%2f..%2fetc%2fpasswd", "/received/../../../etc/passwd", "file:///etc/passwd",
        "http://127.0.0.1:1/", "ftp://x/y", "http:%2f%2f127.0.0.1:1/", "//127.0.0.1/x",
    ],
)  # fmt: skip
def test_no_file_of_the_server_is_read_and_nothing_fetched(url, client, runs, path):
    if path == "RUN":
        client.predict(image=handle_file(CAT), **QUICK, api_name="/edit")
        path = str(next(runs.rglob("result.png")))
    assert get(url, f"/gradio_api/file={path}")[0] in (403, 404)
    assert get(url, f"/gradio_api/proxy={path}")[0] in (403, 404)
    data = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}, "dog"]}
    for file in (data["data"][0], path):
        event, told = call(url, "edit", {"data": [file, *[None] * 12, 1][:14]})
        assert event in (400, "error")
        assert "root:" not in told
        assert str(ROOT) not in told.replace(path, "")


def test_an_operator_cannot_name_a_file_of_the_server(client):
    with pytest.raises(Exception, match="passwd, which was not uploaded"):
        client.predict(image=handle_file(CAT), operator="kernel(/etc/passwd)", api_name="/restore")


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


def test_users_see_their_own_runs_only(prior, tmp_path):
    studio = Studio(port=0, runs=tmp_path, auth=("ada:engine", "eve:apple"))
    with opened(studio, prior) as url:
        assert get(url.rstrip("/"), "/config")[0] == 401
        with pytest.raises(Exception, match="Could not login"):
            Client(url, verbose=False, auth=("ada", "apple"))
        ada = Client(url, verbose=False, auth=("ada", "engine"))
        recipe, _ = ada.predict(image=handle_file(CAT), **QUICK, api_name="/edit")
        (folder,) = [path for path in tmp_path.iterdir() if path.is_dir()]
        assert len(list(folder.iterdir())) == 1
        assert recipe["task"] == "edit"


@pytest.mark.parametrize(
    ("typed", "match"),
    [
        ("--host 0.0.0.0", "pass --auth USER:PASS"),
        ("--auth ada", "auth must be USER:PASS"),
        ("--port 70000", "port is 70000"),
        ("--max-queue 0", "max_queue is 0"),
        ("--share-nothing --runs x", "drop one"),
        ("--model nowhere/at/all --local-files-only", "nowhere"),
    ],
)
def test_the_command_refuses_in_one_line(cli, typed, match):
    said = cli("studio", *typed.split())
    assert (said.code, said.out) == (2, "")
    assert len(said.lines) == 1, said.err
    assert match in said.err


def test_a_taken_port_is_one_line(cli, url):
    said = cli("studio", "--port", url.rsplit(":", 1)[1], "--model", TINY, "--runs", "r")
    assert said.code == 2
    assert "is taken" in said.err
    assert main(["studio", "--help"]) == 0
