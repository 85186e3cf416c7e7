"""The server as its visitors meet it: who may do what, how much, and what answers say."""

import base64
import json
import re
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features
from studio_visitor import QUICK

from dreamsampler.interfaces.studio.server import Studio, opened
from dreamsampler.tasks import MODEL_TASKS
from dreamsampler.tasks.options import options_of

ROOT = Path(__file__).parents[3]
SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{}<path d="M0 0h5v5z"/></svg>'
LONG = {**QUICK, "num_inference_steps": 1000}


def login(name, password):
    word = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"authorization": f"Basic {word}"}


def fields(task):
    return {field["name"]: field for field in task["fields"]}


def stepping(visit, name):
    """The job of a run, which has taken a step."""
    job = next(j for j in visit.services.submissions.worker._jobs.values() if j.name == name)
    while not job.status.done:
        assert not job.over, job.error
        time.sleep(0.005)
    return job


def test_every_task_has_a_form_with_its_own_options(studio):
    """Nothing is typed twice: names, kinds, defaults, ranges and helps are the dataclass's."""
    info = studio()().get("/api/info").json()
    assert [task["name"] for task in info["tasks"]] == [task.name() for task in MODEL_TASKS]
    for task, kind in zip(info["tasks"], MODEL_TASKS, strict=True):
        found = fields(task)
        for name, option in options_of(kind).items():
            made = found[name]
            assert made["optional"] is not option.required, name
            assert made["help"][1:] == option.help[1:]
            if option.default is not ... and option.default != ():
                value = made["default"]
                assert (option.read(value) if value is not None else None) == option.default
            assert [made["minimum"], made["maximum"]] == list(option.limits or (None, None))
            words = [choice["value"] for choice in made["choices"] or ()]
            assert words == list(option.words)
        for example in task["examples"]:
            assert found.keys() >= example["values"].keys()
    edit = fields(info["tasks"][0])
    method = {each["value"]: each for each in edit["method"]["choices"]}
    assert method["default"]["settings"]["guidance_scale"] == 5.0
    assert edit["gamma"]["methods"] == ["dreamsampler"]
    kinds = {name: field["kind"] for name, field in edit.items()}
    assert (kinds["image"], kinds["mask_image"], kinds["seed"]) == ("picture", "mask", "integer")
    paint, restore, scene = (fields(info["tasks"][i]) for i in (1, 2, 4))
    assert (paint["prompt"]["kind"], paint["mask_image"]["kind"]) == ("lines", "masks")
    assert (paint["expand"]["kind"], paint["expand"]["count"]) == ("numbers", 4)
    assert (restore["operator"]["kind"], restore["operator_files"]["kind"]) == ("operator", "files")
    assert (scene["image"]["kind"], restore["noise"]["choices"][0]["value"]) == ("scene", "auto")
    assert (info["user"], info["photo"], info["keeps"]) == (None, False, True)


def test_operators_say_what_they_need(studio):
    known = {each["name"]: each for each in studio()().get("/api/operators").json()}
    (sigma, boundary) = known["blur"]["parameters"]
    assert (sigma["kind"], sigma["minimum"], sigma["optional"]) == ("number", 0, False)
    assert len(sigma["fitted"]) == 2
    assert [each["value"] for each in boundary["choices"]] == ["reflect", "circular", "zero"]
    assert known["kernel"]["parameters"][0]["kind"] == "file"
    assert known["blur"]["text"]


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_pictures_of_phones_are_taken_or_it_is_said_what_to_do(studio, picture):
    visitor, file = studio()(), BytesIO()
    Image.open(picture).save(file, "AVIF")
    preview = visitor.get(f"/api/files/{visitor.upload(('a.avif', file.getvalue()))}?preview=1")
    assert Image.open(BytesIO(preview.content)).size == (48, 40)
    heic = b"\0\0\0\x18ftypheic\0\0\0\0"
    answer = visitor.post("/api/files", files={"file": ("IMG_1.HEIC", heic)})
    said = "IMG_1.HEIC is a HEIC picture: save it as JPEG or PNG, or pip install pillow-heif"
    assert (answer.status_code, answer.json()["detail"]["message"]) == (400, said)


def test_an_operator_is_shown_at_once(studio, picture):
    visitor = studio(max_megapixels=0.1)()
    image = visitor.upload(picture)

    def degrade(**body):
        return visitor.post("/api/degrade", {"image": image, **body})

    with Image.open(BytesIO(degrade(operator="downsample(2)", noise=0.02).content)) as found:
        assert found.size == (24, 20)
    for body, field in (
        ({"operator": "blurr(3)"}, "operator"), ({"operator": "blur(?)"}, "operator"),
        ({"operator": "none", "noise": -1}, "noise"), ({"operator": "none", "image": "0"}, "image"),
        ({"operator": "kernel(/etc/passwd)"}, "operator"),
    ):  # fmt: skip
        answer = degrade(**body)
        assert (answer.status_code, answer.json()["detail"]["field"]) == (422, field), body


def test_a_preview_of_a_large_picture_shows_what_happens_to_all_of_it(studio, monkeypatch):
    """Lengths are scaled with it, noise is averaged as pixels are; JPEG shows its middle."""
    monkeypatch.setattr("dreamsampler.interfaces.studio.app.MEASURED", 128)
    visitor, side, file = studio()(), np.arange(512), BytesIO()
    rings = np.hypot(side[:384, None] - 150, side - 260)
    rgb = np.stack([np.sin(rings / w) for w in (7, 17, 37)], -1) * 90 + 128
    Image.fromarray(rgb.astype(np.uint8)).save(file, "PNG")
    image = visitor.upload(("large.png", file.getvalue()))

    def degrade(operator, noise=0.0, **more):
        body = {"image": image, "operator": operator, "noise": noise, **more}
        return Image.open(BytesIO(visitor.post("/api/degrade", body).content)).convert("RGB")

    def apart(one, other):
        return np.abs(np.subtract(one, other, dtype=float)).mean()

    whole = visitor.get(f"/api/files/{image}")
    small = Image.open(BytesIO(whole.content)).resize((128, 96), Image.Resampling.LANCZOS)
    for operator in ("none", "grey", "blur(8)", "motion_blur(40, 30)", "downsample(4)",
                     "downsample(2) | blur(3)"):  # fmt: skip
        shown, meant = degrade(operator), degrade(operator, preview=False)
        meant = meant.resize((128, 96), Image.Resampling.LANCZOS)
        assert shown.size == (128, 96)
        assert apart(shown, meant) < 2.5, operator
        assert "blur" not in operator or apart(shown, small) > 5
    noisy = {n: np.subtract(degrade("none", 0.2, preview=n), degrade("none", preview=n), dtype=int)
             for n in (True, False)}  # fmt: skip
    ratio = noisy[True].std() / noisy[False].std()
    assert 0.2 < ratio < 0.3  # a mean of 4 x 4 pixels
    middle = degrade("jpeg(5)", preview=False).crop((192, 128, 320, 256))
    assert apart(degrade("jpeg(5)"), middle) < 0.5  # but for colors at its edge


def test_visitors_without_a_name_share_runs_and_others_do_not(studio, picture):
    """Of one server each: everybody's, each session's own, each user's own."""
    for options, shared in (({}, True), ({"share_nothing": True}, False)):
        visit = studio(**options)
        ada, eve = visit(), visit()
        image = ada.upload(picture)
        run = ada.run("edit", image=image, **QUICK)
        cookie = ada.client.cookies["dreamsampler"]
        assert re.fullmatch("[0-9a-f]{32}", cookie)
        assert ada.get("/api/info").headers.get("set-cookie") is None
        seen = [eve.get(f"/api/files/{image}"), eve.get(f"/api/runs/{run['id']}")]
        seen += [eve.get(run["recipe"]), eve.get(run["results"][0]["url"])]
        assert {answer.status_code for answer in seen} == {200 if shared else 404}
        assert bool(eve.get("/api/runs").json()) is shared
        if shared:
            continue
        other = {"task": "edit", "values": {**QUICK, "image": image}}
        again = {"task": "edit", "values": run["values"]}
        for body in (other, again):
            assert eve.post("/api/runs", body).status_code == 422
        name = ada.start("edit", image=image, **LONG)
        job = stepping(visit, name)
        for path in (f"/api/runs/{name}/cancel", f"/api/runs/{name}/use"):
            assert eve.post(path, {"name": "result.png"}).status_code == 404
        assert eve.get(f"/api/runs/{name}/events").status_code == 404
        assert not job.over
        assert ada.post(f"/api/runs/{name}/cancel").status_code == 204
        assert ada.events(name)[-1] == ("canceled", {})


def test_users_log_in_and_see_their_own_runs_only(studio, picture):
    visit = studio(auth=("ada:engine", "eve:ap:ple"))
    for headers in ({}, login("ada", "ap:ple"), login("bob", "engine"), login("", ""),
                    {"authorization": "Basic %%%"}, {"authorization": "Bearer engine"},
                    {"authorization": "Basic /w=="}):  # fmt: skip
        for path in ("/", "/static/x.js", "/api/info", "/api/openapi.json"):
            answer = visit(**headers).get(path)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Basic ")
    ada, eve = visit(**login("ada", "engine")), visit(**login("eve", "ap:ple"))
    run = ada.run("edit", image=ada.upload(picture), **QUICK)
    assert ada.get("/api/info").json()["user"] == "ada"
    assert eve.get(f"/api/runs/{run['id']}").status_code == 404
    assert (len(ada.get("/api/runs").json()), eve.get("/api/runs").json()) == (1, [])


def test_a_wrong_password_takes_as_long_as_a_wrong_name(studio, monkeypatch):
    """Both are compared to the end, as digests."""
    compared = []
    monkeypatch.setattr(
        "secrets.compare_digest", lambda a, b: compared.append((len(a), len(b))) or a == b
    )
    visit = studio(auth=("ada:engine",))
    for name, password in (("ada", "x"), ("bob", "engine"), ("ada", "engine")):
        visit(**login(name, password)).get("/api/operators")
    assert compared == [(32, 32)] * 3


def test_pages_of_other_sites_change_nothing_and_read_nothing(studio):
    visit = studio()
    body = {"task": "edit", "image": None}
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1.evil"):
        answer = visit(origin=origin).post("/api/check", body)
        assert (answer.status_code, "another site" in answer.text) == (403, True), origin
    assert visit(origin="http://127.0.0.1:7860").post("/api/check", body).status_code == 200
    for host, status in (
        ("evil.example:7860", 403), ("127.0.0.1.evil.example", 403), ("", 403), ("[::1", 403),
        ("localhost:7860", 200), ("[::1]:7860", 200), ("127.0.0.1", 200),
    ):  # fmt: skip
        assert visit(host=host).get("/api/operators").status_code == status, host
    # behind a proxy, names are the proxy's; a password is asked for
    visit = studio(host="0.0.0.0", auth=("ada:engine",))
    headers = {**login("ada", "engine"), "host": "studio.example"}
    assert visit(**headers).get("/api/operators").status_code == 200
    assert (
        visit(**headers, origin="https://studio.example").post("/api/check", body).status_code
        == 200
    )
    assert (
        visit(**headers, origin="https://evil.example").post("/api/check", body).status_code == 403
    )


def test_answers_say_that_nothing_comes_from_elsewhere(studio, picture):
    visitor = studio()()
    drawing = SQUARE.format("<script>1</script>").encode()
    uploaded = f"/api/files/{visitor.upload(('a.svg', drawing))}"
    for path in ("/", "/api/info", "/static/none.js", "/api/nothing", uploaded):
        headers = visitor.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith(("default-src 'self'", "default-src 'none'"))
        assert "unsafe-inline" not in policy.replace(
            "style-src 'self' 'unsafe-inline'", ""
        ).replace("style-src 'unsafe-inline'", "")
        assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in visitor.get(uploaded).headers["content-security-policy"]
    assert visitor.get("/docs").status_code == 404
    page = visitor.get("/").text
    assert re.findall(r"""(?:src|href)=["'](https?:|//)""", page) == []


def test_no_file_of_the_server_is_read_and_no_path_of_it_shown(studio, picture, tmp_path):
    visitor = studio()()
    run = visitor.run("edit", image=visitor.upload(picture), **QUICK)
    paths = (
        "/etc/passwd", str(ROOT / "pyproject.toml"), "..%2f..%2f..%2fetc%2fpasswd", "../../x",
        "%2e%2e/%2e%2e/etc/passwd", "inputs/../../../x", "inputs", "inputs/%2e%2e", "x%00y",
        "a" * 300, "file:///etc/passwd", "http://127.0.0.1:1/",
    )  # fmt: skip
    texts = []
    for path in paths:
        for place in (
            "/api/files/",
            f"/api/files/{run['id']}~",
            f"/api/runs/{run['id']}/",
            "/static/",
        ):
            answer = visitor.get(f"{place}{path}")
            assert answer.status_code in (400, 404, 405), (place, path)
            texts.append(answer.text.replace(path, ""))
        answer = visitor.post("/api/runs", {"task": "edit", "values": {**QUICK, "image": path}})
        assert answer.status_code == 422
        texts.append(answer.text)
    damaged = picture.read_bytes()[:300]
    for name, data in (("a.png", damaged), ("b.png", b"text"), ("c.svg", b"<svg"), ("d.png", b"")):
        answer = visitor.post("/api/files", files={"file": (name, data)})
        assert answer.status_code == 400, name
        texts.append(answer.text)
    texts += [visitor.get(path).text for path in ("/api/info", "/api/runs", "/", run["recipe"])]
    for text in texts:
        for folder in (tempfile.gettempdir(), str(tmp_path), str(ROOT), str(Path.home())):
            assert f"{folder}/" not in text, text[:300]


def test_uploads_are_limited_in_bytes_pixels_and_number(studio, picture, tmp_path):
    visitor = studio(max_upload_mb=0.1, max_megapixels=0.1)()

    def sent(*files, **more):
        answer = visitor.post("/api/files", files=[("file", each) for each in files], **more)
        return answer.status_code, answer.json()["detail"]["message"] if answer.is_error else ""

    def png(width, height):
        file = BytesIO()
        Image.new("L", (width, height)).save(file, "PNG")
        return file.getvalue()

    assert sent(("a.png", bytes(130_000)))[0] == 413
    assert sent(("a.png", bytes(2_000_000)))[0] == 413  # before all of it has come
    status, text = sent(("a.png", png(400, 400)))
    assert (status, "400x400 pixels" in text) == (413, True)
    status, text = sent(("bomb.png", png(9000, 9000)))  # 11 kB
    assert status in (400, 413) and "megapixels" in text
    assert sent(("a.png", png(8, 8)))[0] == 400
    assert sent(*[(f"{i}.png", b"x") for i in range(600)])[0] == 413
    status, text = sent(("a.png", png(20, 20)), ("b.png", png(20, 20)))
    assert (status, "needs transforms.json" in text) == (400, True)
    status, text = sent(("a.png", b"x"), ("../a.png", b"x"))
    assert (status, "Two files are called a.png" in text) == (400, True)
    assert visitor.post("/api/check", {"task": "x" * 1_100_000}).status_code == 413
    chunks = (bytes(100_000) for _ in range(20))
    answer = visitor.post("/api/check", content=chunks)
    assert answer.status_code == 413
    assert visitor.post("/api/files").status_code == 422
    files = visitor.client.app.app.state.services.submissions.uploads.root
    assert not files.exists() or list(files.iterdir()) == []  # nothing of all this is kept


@pytest.mark.filterwarnings("ignore:not drawn from this SVG")
def test_a_drawing_fetches_and_expands_nothing(studio):
    visitor = studio()()
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "ha"}">' for i in range(12))
    for head, body in (
        (f"<!DOCTYPE svg [{laughs}]>", "<text>&l11;</text>"),
        ('<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "<text>&x;</text>"),
        ("", '<image href="http://127.0.0.1:1/x.png" width="9" height="9"/>'),
        ("", '<use href="file:///etc/passwd#a"/>'),
    ):  # fmt: skip
        answer = visitor.post("/api/files", files={"file": ("a.svg", head + SQUARE.format(body))})
        assert answer.status_code in (201, 400)
        assert "root:" not in answer.text


def test_a_file_of_a_visitor_is_forgotten_after_hours(studio, picture, monkeypatch):
    visit = studio()
    visitor, uploads = visit(), visit.services.submissions.uploads
    first = visitor.upload(picture)
    later = time.monotonic() + 3600 * 7
    monkeypatch.setattr("time.monotonic", lambda: later)
    second = visitor.upload(picture)
    assert visitor.get(f"/api/files/{first}").status_code == 404
    assert visitor.get(f"/api/files/{second}").status_code == 200
    assert not (uploads.root / first).exists()


def test_a_full_queue_and_a_full_disk_are_said(studio, picture, monkeypatch):
    visit = studio(max_queue=2)
    visitor = visit()
    image = visitor.upload(picture)
    first = visitor.start("edit", image=image, **LONG)
    stepping(visit, first)
    waiting = [visitor.start("edit", image=image, **QUICK) for _ in range(2)]
    status, detail = visitor.refused("edit", image=image, **QUICK)
    assert (status, detail["message"]) == (429, "Too many runs are waiting: try again in a moment")
    visitor.post(f"/api/runs/{waiting[1]}/cancel")
    visitor.post(f"/api/runs/{first}/cancel")
    assert visitor.events(waiting[0])[-1][0] == "done"
    assert visitor.events(waiting[1]) == [("canceled", {})]

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dreamsampler.files._write", full)
    event, data = visitor.events(visitor.start("edit", image=image, **QUICK))[-1]
    assert (event, data["field"]) == ("failed", None)
    assert "the disk is full" in data["message"] and "/" not in data["message"]
    monkeypatch.setattr("shutil.copyfileobj", full)
    answer = visitor.post("/api/files", files={"file": ("a.png", picture.read_bytes())})
    assert (answer.status_code, "Traceback" in answer.text) == (500, False)
    assert "No space left" in answer.json()["detail"]["message"]


def test_an_unexpected_error_is_logged_and_not_shown(studio, picture, monkeypatch, capsys):
    visitor = studio()()
    monkeypatch.setattr("dreamsampler.interfaces.studio.describe.operators", lambda: {}["a secret"])
    visitor.client = type(visitor.client)(
        visitor.client.app, "http://127.0.0.1:7860", raise_server_exceptions=False
    )
    answer = visitor.get("/api/operators")
    assert answer.status_code == 500
    assert answer.json()["detail"]["message"] == "Unexpected KeyError; the server's log says where."
    assert "a secret" in capsys.readouterr().err


@pytest.fixture(scope="module")
def url(model, tmp_path_factory):
    """A server of its own, whose streams can be read while it works."""
    with opened(Studio(port=0, runs=tmp_path_factory.mktemp("runs")), model) as address:
        yield address


def test_many_at_once_are_all_served(url, picture):
    """32 requests, each with its own seed, and a stream each: none is lost or mixed up."""
    kind = "multipart/form-data; boundary=x"
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'

    def asked(path, data=None, kind="application/json"):
        request = urllib.request.Request(url + path, data, {"Content-Type": kind} if data else {})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.read()

    body = head + picture.read_bytes() + b"\r\n--x--\r\n"
    image = json.loads(asked("/api/files", body, kind))["id"]
    few = {**QUICK, "num_inference_steps": 1, "image": image}

    def one(seed):
        run = {"task": "edit", "values": {**few, "seed": seed}}
        name = json.loads(asked("/api/runs", json.dumps(run).encode()))["id"]
        *_, last = asked(f"/api/runs/{name}/events").decode().strip().split("\n\n")
        event, _, data = last.partition("\ndata: ")
        assert event == "event: done"
        return json.loads(data)["run"]["results"][0]["seed"]

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(one, range(32))) == list(range(32))


def test_a_stream_can_be_left_and_read_again(url, picture, tmp_path):
    """The run goes on without a reader; whoever comes later sees its present state first."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("needs curl")
    sent = subprocess.run(
        [curl, "-s", "-F", f"file=@{picture}", f"{url}/api/files"], capture_output=True, check=True
    )
    values = {**LONG, "image": json.loads(sent.stdout)["id"]}
    body = json.dumps({"task": "edit", "values": values}).encode()
    request = urllib.request.Request(f"{url}/api/runs", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        events = f"{url}/api/runs/{json.loads(answer.read())['id']}/events"

    def read_until(words):
        with urllib.request.urlopen(events, timeout=120) as stream:
            for line in stream:
                if words in line:
                    return line
        raise AssertionError("the stream ended")

    first = json.loads(read_until(b'"total": 1000').partition(b"data: ")[2])
    again = json.loads(read_until(b'"preview": "data:image/webp').partition(b"data: ")[2])
    assert again["step"] > first["step"] and again["seconds_left"] > 0
    threading.Timer(
        0.1, lambda: urllib.request.urlopen(events.replace("events", "cancel"), b"")
    ).start()
    assert read_until(b"event: canceled")
    assert read_until(b"event: canceled")  # who comes too late hears it, too


def test_the_page_of_the_studio_is_true(url, tmp_path, monkeypatch):
    """What docs/studio.md shows in Python and with curl, against this server."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "studio.md").read_text().replace("http://127.0.0.1:7860", url)
    python, curl = (
        re.search(rf"```{kind}\n(.*?)```", text, re.S)[1] for kind in ("python", "bash")
    )
    exec(compile(python, "studio.md", "exec"), {})
    size = Image.open("examples/bear.png").size
    assert Image.open("panda.png").size == size
    Path("panda.png").unlink()
    subprocess.run(["bash", "-euo", "pipefail", "-c", curl], check=True, timeout=300)
    assert Image.open("panda.png").size == size


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
