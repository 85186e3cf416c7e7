import contextlib
import dataclasses
import fcntl
import importlib.metadata
import io
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import TINY

from dreamsampler.files import sha256
from dreamsampler.images.save import read_recipe
from dreamsampler.interfaces.cli.command import Output, Record, Where
from dreamsampler.interfaces.cli.demo import show
from dreamsampler.interfaces.cli.form import PLACED, described, form, options_of
from dreamsampler.interfaces.cli.main import COMMANDS, form_of
from dreamsampler.interfaces.errors import unframed
from dreamsampler.interfaces.progress import Bar
from dreamsampler.tasks import TASKS
from dreamsampler.tasks.edit.task import PRESETS
from dreamsampler.tasks.recipe import PACKAGES

COMMAND = str(Path(sys.executable).with_name("dreamsampler"))
HEAVY = ("torch", "numpy", "diffusers", "transformers", "accelerate", "gradio", "ray", "matplotlib")
WORDS = ("--prompt", "dog face", "--model", TINY, "--num-inference-steps", 3, "--size", 64)


def python(code, **options):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, **options
    )


# --- help and imports -----------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["edit", "--help"], ["--version"]])
def test_help_and_import_leave_the_heavy_packages_alone(arguments):
    done = python(
        "import sys, dreamsampler\n"
        "from dreamsampler.interfaces.cli.main import main\n"
        f"code = main({arguments})\n"
        f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)\n"
        "sys.exit(code)"
    )
    assert done.stderr.strip() == "[]"
    assert done.returncode == 0
    assert "dreamsampler" in done.stdout


def test_the_installed_command_knows_its_version():
    done = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"dreamsampler {importlib.metadata.version('dreamsampler')}\n"


def test_help_lists_every_task_and_every_option(cli):
    said = cli("--help")
    assert said.code == 0
    assert cli().out == said.out
    for task in TASKS:
        assert task.__name__.lower() in said.out
        text = cli(task.__name__.lower(), "--help").out
        for field in dataclasses.fields(form("F", [task, Output, Record, Where])):
            name = PLACED.get(field.name) or f"--{field.name.replace('_', '-')}"
            negated = name.replace("--", "--no-", 1) if field.default is True else name
            assert negated in text
    assert "-o" in text
    assert "demo" in said.out


def test_threads_wait_patiently_unless_the_user_says_how(cli, monkeypatch):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    cli("--version")
    assert os.environ["GOMP_SPINCOUNT"] == "1000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "5")
    cli("--version")
    assert os.environ["GOMP_SPINCOUNT"] == "5"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    cli("--version")
    assert "GOMP_SPINCOUNT" not in os.environ


def test_help_tells_ranges_what_presets_choose_and_what_may_come_several_times(cli):
    text = " ".join(cli("edit", "--help").out.replace("│", " ").split())
    assert "(1 to 1000; default 16, ledits 20, flowedit 33, paper 200)" in text
    assert "the source prompt (0 to 100; flowedit 3.5)" in text
    assert "style.safetensors=0.7 (may be given several times)" in text


@pytest.mark.parametrize("part", [*TASKS, Where, Output, Record])
def test_every_option_is_described(part):
    assert set(described(part)) == {field.name for field in dataclasses.fields(part)}


def test_unknown_and_missing_options_are_refused(cli, picture):
    said = cli("edit", picture, "--prompt", "x", "-o", "out.png", "--stile", "3")
    assert (said.code, said.out) == (2, "")
    assert "--stile" in said.err
    assert cli("edit", picture, "--prompt", "x").code == 2
    assert cli("paint", picture).code == 2
    assert cli("edit", picture, "--prompt", "x", "-o", "o.png", "--seed", "x").code == 2


@pytest.mark.parametrize(
    ("typed", "match"),
    [
        ("paint cat.png", "inpaint, restore"),
        ("inpaint", "INPUT -o PATH"),
        ("inpaint cat.png -o o.png --mask-mode grey", "one of white, black, alpha was wanted"),
        ("inpaint cat.png -o o.png --expand 1 2 3", "and INT INT INT INT was wanted"),
        ("edit cat.png --prompt x -o o.png --guidance-scale y", "is 'y', and a number was wanted"),
        ("edit cat.png --prompt x -o o.png --seed 1.5", "is '1.5', and a whole number was wanted"),
        ("restore a.png --operator x -o o.png --noise y", "and a number or auto was wanted"),
        ("edti cat.png", "no command 'edti': did you mean edit?"),
        ("inpaint cat.png -o o.png --seed", "--seed"),
        (
            "inpaint cat.png -o o.png --nunm-images 3",
            "no option --nunm-images: did you mean --num-images",
        ),
        ("edit --promt x", "there is no option --promt: did you mean --prompt?"),
        (
            "edit cat.png --promt=x --sed 1",
            "--promt: did you mean --prompt?; there is no option --",
        ),
        (
            "edit cat.png --guidance_scael 3 -o o.png",
            "--guidance-scael: did you mean --guidance-sc",
        ),
        ("restore cat.png -q", "there is no option -q; for help"),
        ("--versoin", "there is no option --versoin: did you mean --version?"),
        ("restore cat.png -o o.png", "--operator TEXT"),
        ("degrade cat.png -o o.png --operator none --bits 12", "one of 8, 16 was wanted"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(cli, typed, match):
    said = cli(*typed.split())
    assert (said.code, said.out) == (2, "")
    assert len(said.lines) == 1, said.err
    assert said.lines[0].startswith("dreamsampler: ")
    assert match in said.err
    assert "--help" in said.err


def test_what_is_switched_off_is_no_misspelling(cli):
    said = cli("reconstruct", "x", "--no-solid", "--no-deconvolve", "--promt", "y", "-o", "z").err
    assert "--promt: did you mean --prompt?" in said and "solid" not in said
    assert "did you mean --no-solid?" in cli("reconstruct", "x", "--solid", "-o", "z").err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_misspelled_option_comes_before_what_is_missing_for_it(cli, command):
    for name in options_of(form_of(command)):
        if len(name) > 5 and name.startswith("--"):
            typed = name[:-2] + name[-1] + name[-2] if name[-1] != name[-2] else name + "x"
            said = cli(command.name, typed, "x")
            assert said.code == 2
            assert said.lines == [
                f"dreamsampler: there is no option {typed}: did you mean {name}?; for help, run "
                f"dreamsampler {command.name} --help"
            ]
            return


FRAMED = """\
╭─ Required options ───────────────╮
│ Missing from dreamsampler restore:   │
│     --operator TEXT                  │
│         what was done to it          │
│ ──────────────────────────────────── │
│ For full helptext, run:              │
│     dreamsampler restore --help      │
╰──────────────────────────────────────╯
"""


def test_the_frame_that_terminals_get_is_taken_off_as_well():
    """tyro draws it where its stream is UTF-8; here, with what is printed captured, it is not."""
    told = unframed(FRAMED)
    assert told.startswith("missing from dreamsampler restore: --operator TEXT; for help, run")
    assert told.endswith("dreamsampler restore --help")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_complaint_in_a_frame_of_any_encoding_is_told(encoding):
    """Where boxes can be drawn the parser draws them, and elsewhere lines of hyphens."""
    done = subprocess.run(
        [COMMAND, "edit", "--prompt", "dog", "-o", "dog.png"],
        capture_output=True,
        timeout=60,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert done.returncode == 2
    assert b"missing from dreamsampler edit: INPUT" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_every_command_is_one_line_of_the_table(cli):
    for command in COMMANDS:
        assert form_of(command).__doc__.splitlines()[0] in " ".join(
            cli(command.name, "--help").out.split()
        )


def test_a_shell_is_told_every_command_and_every_option(cli):
    for shell in ("bash", "zsh"):
        said = cli("--tyro-print-completion", shell)
        assert said.code == 0
        assert "inpaint" in said.out
        assert "mask-mode" in said.out


# --- an edit --------------------------------------------------------------------------------------


def test_an_edit_writes_its_picture_and_one_line(cli, picture, tmp_path):
    said = cli("edit", picture, *WORDS, "--seed", 7, "-o", "new/out.png")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("new/out.png: ")
    assert "network evaluations" in said.out
    assert said.out.count("\n") == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.png"]
    assert Image.open("new/out.png").size == (48, 40)


def test_the_picture_carries_its_recipe(cli, picture):
    import hashlib

    said = cli(
        "edit", picture, *WORDS, "--source-prompt", "cat", "--seed", 7, "-o", "out.png", "--json"
    )
    document, recipe = json.loads(said.out), read_recipe("out.png")
    assert document["outputs"] == ["out.png"]
    assert {key: document[key] for key in recipe if key not in ("index", "seed")} == {
        key: value for key, value in recipe.items() if key not in ("index", "seed")
    }
    assert (recipe["task"], recipe["seeds"], recipe["seed"]) == ("edit", [7], 7)
    assert recipe["options"]["prompt"] == "dog face"
    assert recipe["options"]["source_prompt"] == "cat"
    assert recipe["settings"]["num_inference_steps"] == 3
    assert recipe["input"]["sha256"] == hashlib.sha256(picture.read_bytes()).hexdigest()
    assert recipe["input"]["files"] == []
    assert recipe["model"]["name"] == str(TINY)
    assert recipe["model"]["revision"]
    assert recipe["model"]["dtype"] == "float32"
    assert set(recipe["versions"]) == {"python", *PACKAGES}
    assert {"load", "encode", "loop", "decode"} <= set(recipe["seconds"])
    assert recipe["evaluations"] > 0


def test_the_same_seed_gives_the_same_bytes(cli, picture):
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        assert cli("edit", picture, *WORDS, "--seed", seed, "-o", name).code == 0
    a, b, c = (np.asarray(Image.open(f"{name}.png")) for name in "abc")
    assert (a == b).all()
    assert (a != c).any()


def test_several_pictures_are_numbered(cli, picture, tmp_path):
    said = cli("edit", picture, *WORDS, "--num-images", 2, "-o", "out.png", "--json")
    assert json.loads(said.out)["outputs"] == ["out-0.png", "out-1.png"]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["out-0.png", "out-1.png"]
    assert [read_recipe(f"out-{i}.png")["seed"] for i in range(2)] == [0, 1]


def test_a_mask_keeps_what_is_black_bit_for_bit(cli, picture):
    mask = np.zeros((40, 48), np.uint8)
    mask[10:30, 10:30] = 255
    Image.fromarray(mask).save("mask.png")
    assert cli("edit", picture, *WORDS, "--mask-image", "mask.png", "-o", "out.png").code == 0
    assert read_recipe("out.png")["input"]["files"] == [
        {"name": "mask.png", "sha256": sha256("mask.png")}
    ]
    before, after = np.asarray(Image.open(picture)), np.asarray(Image.open("out.png"))
    assert (before == after)[mask == 0].all()
    assert (before != after)[mask == 255].any()
    said = cli("edit", picture, *WORDS, "--mask-image", "mask.png", "-o", "out.jpg")
    assert said.lines == ["warning: out.jpg: JPEG changes every pixel a little, masked or not"]


def test_the_run_is_recorded(cli, picture):
    said = cli("edit", picture, *WORDS, "-o", "out.png", "--record", "film", "--json")
    names = ["film/strip.png", "film/film.gif", "film/trace.json"]
    assert json.loads(said.out)["record"] == names
    assert json.loads(Path("film/trace.json").read_text())["steps"] == 3


def test_a_run_without_steps_has_no_record(cli, picture, tmp_path):
    said = cli("edit", picture, *WORDS, "--strength", 0, "-o", "out.png", "--record", "film")
    assert said.code == 0
    assert said.lines == ["warning: no step was taken, so film gets no record"]
    assert not (tmp_path / "film").exists()


# --- the bar, and ways to stop --------------------------------------------------------------------


def test_the_bar_counts_and_passes_through(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for terminal in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", terminal)
        with Bar() as bar:
            bar.stage("loading [x]")
            assert list(bar.steps(iter("abc"), 3, "edit")) == ["a", "b", "c"]
        assert ("3/3" in terminal.getvalue()) == terminal.isatty()


def interrupted(arguments, number, ready, folder):
    """Run the command on a terminal, send a signal once `ready` is on the screen."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = subprocess.Popen(
        [COMMAND, *map(str, arguments)], stderr=slave, stdout=subprocess.PIPE, cwd=folder,
        env={**os.environ, "NO_COLOR": "1", "TERM": "xterm"},
    )  # fmt: skip
    os.close(slave)
    shown, sent, end = b"", False, time.monotonic() + 120
    while time.monotonic() < end:
        try:
            shown += os.read(master, 4096)
        except OSError:  # the terminal's other side is closed
            break
        if not sent and ready in shown:
            process.send_signal(number)
            sent = True
    os.close(master)
    return process.wait(60), process.stdout.read(), shown.decode()


@pytest.mark.parametrize("plain", [True, False])
def test_help_on_a_terminal_honors_no_color(plain):
    master, slave = pty.openpty()
    more = {"TERM": "xterm"} | ({"NO_COLOR": "1"} if plain else {})
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    done = subprocess.Popen([COMMAND, "doctor", "--help"], stdout=slave, env={**kept, **more})
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal's other side is closed
        while piece := os.read(master, 4096):
            shown += piece
    os.close(master)
    assert done.wait(60) == 0
    assert b"--json" in shown
    assert (b"\x1b" in shown) != plain


def test_ctrl_c_leaves_nothing_half_written(picture, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    (tmp_path / "out.png").write_bytes(b"older")
    arguments = ["edit", picture, "--prompt", "dog", "--model", TINY, "--num-inference-steps", 1000]
    code, out, err = interrupted([*arguments, "-o", "out.png"], signal.SIGINT, b"2/1000", tmp_path)
    assert (code, out) == (130, b"")
    assert err.rstrip().endswith("dreamsampler: interrupted")
    assert "Traceback" not in err
    assert (tmp_path / "out.png").read_bytes() == b"older"
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "out.png"])


@pytest.mark.parametrize(("name", "code", "word"), [("SIGTERM", 143, "terminated"),
                                                    ("SIGINT", 130, "interrupted")])  # fmt: skip
def test_signals_are_one_line(name, code, word):
    done = python(
        "import os, signal, sys, time\n"
        "from dreamsampler.interfaces.errors import guarded\n"
        f"sys.exit(guarded(lambda: (os.kill(os.getpid(), signal.{name}), time.sleep(9))))"
    )
    assert (done.returncode, done.stderr) == (code, f"dreamsampler: {word}\n")


def test_a_reader_that_has_enough_is_no_error():
    process = subprocess.Popen(
        [COMMAND, "edit", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == b""


def test_debug_shows_the_traceback(cli, picture):
    arguments = ("edit", "missing.png", "--prompt", "x", "-o", "out.png")
    assert "Traceback" not in cli(*arguments).err
    assert "Traceback" in cli(*arguments, "--debug").err


def test_the_unexpected_is_one_line_too(cli, picture, monkeypatch):
    def broken(self):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(Where, "load", broken)
    said = cli("edit", picture, *WORDS, "-o", "out.png")
    assert said.code == 1
    assert said.lines == ["dreamsampler: unexpected RuntimeError: two lines (--debug shows where)"]


def test_the_demo_shows_before_and_after(cli, monkeypatch):
    load = Where(model=str(TINY)).load
    monkeypatch.setattr(Where, "load", lambda self: load())
    monkeypatch.setattr(show, "EDITS", show.EDITS[:1])
    few = dataclasses.replace(PRESETS["default"], num_inference_steps=1)
    monkeypatch.setitem(PRESETS, "default", few)
    said = cli("demo", "-o", "shown")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("shown/before-after.png: ")
    sheet = np.asarray(Image.open("shown/before-after.png").convert("RGB"))
    assert sheet.std() > 10
    (path,) = Path("shown").glob("*-to-*.png")
    assert read_recipe(path)["task"] == "edit"


def test_the_demo_edits_the_pictures_of_the_examples_folder():
    """They lie in the package as well, so that an installed wheel has them."""
    examples = Path(__file__).parents[2] / "examples"
    for row in show.EDITS:
        assert (show.PICTURES / row.picture).read_bytes() == (examples / row.picture).read_bytes()
