import contextlib
import fcntl
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
from dreamsampler.images.record import FILES
from dreamsampler.images.save import read_recipe
from dreamsampler.interfaces.cli import demo
from dreamsampler.interfaces.cli.main import COMMANDS, load, parsed
from dreamsampler.interfaces.errors import unframed
from dreamsampler.interfaces.model_options import ModelOptions
from dreamsampler.interfaces.progress import Bar
from dreamsampler.methods.registry import METHODS
from dreamsampler.tasks import Edit
from dreamsampler.tasks.options import options_of
from dreamsampler.tasks.recipe import PACKAGES
from dreamsampler.version import __version__

COMMAND = str(Path(sys.executable).with_name("dreamsampler"))
HEAVY = (
    "torch",
    "numpy",
    "diffusers",
    "transformers",
    "accelerate",
    "fastapi",
    "ray",
    "matplotlib",
)
WORDS = ("--prompt", "dog face", "--model", TINY, "--num-inference-steps", 3, "--size", 64)


def python(code, **options):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, **options
    )


# --- help and imports -----------------------------------------------------------------------------


def test_help_and_lists_leave_the_heavy_packages_alone():
    commands = [["--help"], ["--version"], ["methods"], ["schema", "edit"]]
    commands += [[each.name, "--help"] for each in COMMANDS]
    done = python(
        "import sys, dreamsampler\n"
        "from dreamsampler.interfaces.cli.main import main\n"
        f"codes = [main(each) for each in {commands}]\n"
        f"print(any(codes), [m for m in {HEAVY} if m in sys.modules], file=sys.stderr)\n"
    )
    assert done.stderr.strip() == "False []"


def test_the_installed_command_knows_its_version():
    done = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"dreamsampler {__version__}\n"


def test_help_lists_every_command_and_every_option(cli):
    result = cli("--help")
    assert result.code == 0
    assert cli().out == cli("-h").out == result.out
    for command in COMMANDS:
        parts, text = [load(part) for part in command.parts], cli(command.name, "--help").out
        first = parts[0].__doc__.strip().splitlines()[0]
        words = " ".join(result.out.split())
        assert f" {command.name} " in words and first in words, command.name
        assert first in text
        for option in [each for part in parts for each in options_of(part).values()]:
            name = option.name.replace("_", "-")
            typed = f"--no-{name}" if option.default is True else f"--{name}"
            placed = {"image": "INPUT", "task": "{", "toy": "{"}.get(option.name, name.upper())
            assert typed in text or placed in text, (command.name, option.name)
            assert option.help, (command.name, option.name)


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


def test_help_has_ranges_defaults_and_what_may_come_several_times(cli):
    text = " ".join(cli("edit", "--help").out.replace("│", " ").split())
    assert "(1 to 1000; by default 16)" in text
    assert "(0 to 100; by default 5)" in text
    assert "style.safetensors=0.7 (may be given several times)" in text
    assert "Example" not in text


def test_methods_lists_all_of_the_registry(cli):
    listed = json.loads(cli("methods", "--json").out)
    assert [(each["task"], each["name"]) for each in listed] == [(m.task, m.name) for m in METHODS]
    assert listed[0]["settings"]["num_inference_steps"] == 16
    text = cli("methods", "restore").out
    for each in METHODS:
        assert (f"\n  {each.name}\n" in text) == (each.task == "restore") or each.task != "restore"
        if each.task == "restore":
            words = " ".join(text.split())
            for part in (each.use, each.paper, f"{each.evaluations} network evaluations"):
                assert part in words


def test_unknown_and_missing_options_are_refused(cli, picture):
    result = cli("edit", picture, "--prompt", "x", "-o", "out.png", "--stile", "3")
    assert (result.code, result.out) == (2, "")
    assert "--stile" in result.err
    assert cli("edit", picture, "--prompt", "x").code == 2


UNREADABLE = {
    "paint cat.png": "inpaint, restore",
    "inpaint": "INPUT -o PATH",
    "restore cat.png -o o.png": "--operator TEXT",
    "inpaint cat.png -o o.png --prompt x --mask-mode grey": "no mask_mode 'grey'",
    "inpaint cat.png -o o.png --expand 1 2 3": "--expand",
    "inpaint cat.png -o o.png --prompt x --expand 1 2 3 y": "expand is 'y', but must be a whole",
    "edit cat.png --prompt x -o o.png --guidance-scale y": "is 'y', but must be a number",
    "edit cat.png --prompt x -o o.png --seed 1.5": "is '1.5', but must be a whole number",
    "edit cat.png --prompt x -o o.png --dtype half": "no dtype 'half'",
    "edit cat.png --prompt x -o o.png --method flowedti": "did you mean flowedit?",
    "restore a.png --operator x -o o.png --noise y": "must be a number, or auto",
    "degrade cat.png -o o.png --operator none --bits 12": "choose one of 8, 16",
    "edti cat.png": "no command 'edti': did you mean edit?",
    "inpaint cat.png -o o.png --seed": "--seed",
    "inpaint cat.png -o o.png --nunm-images 3": "--nunm-images: did you mean --num-images",
    "edit --promt x": "there is no option --promt: did you mean --prompt?",
    "edit cat.png --promt=x --sed 1": "--promt: did you mean --prompt?; there is no option --",
    "edit cat.png --guidance_scael 3 -o o.png": "--guidance-scael: did you mean --guidance-sc",
    "restore cat.png -q": "there is no option -q; for help",
    "--versoin": "there is no option --versoin: did you mean --version?",
    "-- edit": "name a command",
}


def test_what_cannot_be_read_is_refused_in_one_line(cli):
    for typed, match in UNREADABLE.items():
        result = cli(*typed.split())
        assert (result.code, result.out) == (2, ""), typed
        assert len(result.lines) == 1, result.err
        assert result.lines[0].startswith("dreamsampler: ")
        assert match in result.err
        assert "--help" in result.err


def test_a_text_may_begin_with_a_dash():
    typed = ["--prompt", "-a dog", "--negative-prompt", "--ugly, blurred", "-o", "out.png"]
    _, (task, *_) = parsed(["edit", "cat.png", *typed])
    assert (task.prompt, task.negative_prompt) == ("-a dog", "--ugly, blurred")
    with pytest.raises(ValueError, match=r"--prompt.*Expected 1"):
        parsed(["edit", "cat.png", "--prompt", "-o", "out.png"])
    with pytest.raises(ValueError, match="did you mean --model"):
        parsed(["edit", "cat.png", "-o", "out.png", "--prompt", "--modle", "x"])


def test_what_is_switched_off_is_no_misspelling(cli):
    result = cli("reconstruct", "x", "--no-solid", "--no-deconvolve", "--promt", "y", "-o", "z").err
    assert "--promt: did you mean --prompt?" in result and "solid" not in result
    assert "did you mean --no-solid?" in cli("reconstruct", "x", "--solid", "-o", "z").err


def test_a_misspelled_option_comes_before_what_is_missing_for_it(cli):
    for command in COMMANDS:
        options = [option for part in command.parts for option in options_of(load(part)).values()]
        name = next(each.name for each in options if each.default in (None, False))
        name = f"--{name.replace('_', '-')}"
        typed = name[:-2] + name[-1] + name[-2] if name[-1] != name[-2] else name + "x"
        result = cli(command.name, typed, "x")
        assert result.code == 2
        assert result.lines == [
            f"dreamsampler: there is no option {typed}: did you mean {name}?; for help, run "
            f"dreamsampler {command.name} --help"
        ]


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
    message = unframed(FRAMED)
    assert message.startswith("missing from dreamsampler restore: --operator TEXT; for help, run")
    assert message.endswith("dreamsampler restore --help")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_an_error_in_a_frame_of_any_encoding_is_one_line(encoding):
    """ModelOptions boxes can be drawn the parser draws them, and elsewhere lines of hyphens."""
    done = subprocess.run(
        [COMMAND, "edit", "--prompt", "dog", "-o", "dog.png"],
        capture_output=True,
        timeout=60,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert done.returncode == 2
    assert b"missing from dreamsampler edit: INPUT" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_completion_knows_every_command_option_and_choice(cli):
    for shell in ("bash", "zsh"):
        result = cli("--tyro-print-completion", shell)
        assert result.code == 0
        assert "inpaint" in result.out
        assert "mask-mode" in result.out
        assert "flowedit" in result.out


# --- an edit --------------------------------------------------------------------------------------


def test_an_edit_writes_its_picture_and_one_line(cli, picture, tmp_path):
    result = cli("edit", picture, *WORDS, "--seed", 7, "-o", "new/out.png")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("new/out.png: ")
    assert "network evaluations" in result.out
    assert result.out.count("\n") == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.png"]
    assert Image.open("new/out.png").size == (48, 40)


def test_the_picture_carries_its_recipe(cli, picture):
    import hashlib

    result = cli(
        "edit", picture, *WORDS, "--source-prompt", "cat", "--seed", 7, "-o", "out.png", "--json"
    )
    document, recipe = json.loads(result.out), read_recipe("out.png")
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
    result = cli("edit", picture, *WORDS, "--num-images", 2, "-o", "out.png", "--json")
    assert json.loads(result.out)["outputs"] == ["out-0.png", "out-1.png"]
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
    result = cli("edit", picture, *WORDS, "--mask-image", "mask.png", "-o", "out.jpg")
    assert result.lines == ["warning: out.jpg: JPEG changes every pixel a little, masked or not"]


def test_the_run_is_recorded(cli, picture):
    result = cli("edit", picture, *WORDS, "-o", "out.png", "--record", "film", "--json")
    assert json.loads(result.out)["record"] == [f"film/{name}" for name in FILES]
    assert json.loads(Path("film", FILES[-1]).read_text())["steps"] == 3


def test_a_run_without_steps_has_no_record(cli, picture, tmp_path):
    result = cli("edit", picture, *WORDS, "--strength", 0, "-o", "out.png", "--record", "film")
    assert result.code == 0
    assert result.lines == ["warning: no step was taken, so film gets no record"]
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

    monkeypatch.setattr(ModelOptions, "load", broken)
    result = cli("edit", picture, *WORDS, "-o", "out.png")
    assert result.code == 1
    assert result.lines == [
        "dreamsampler: unexpected RuntimeError: two lines (--debug shows where)"
    ]


def test_the_demo_shows_before_and_after(cli, monkeypatch):
    load = ModelOptions(model=str(TINY)).load
    monkeypatch.setattr(ModelOptions, "load", lambda self: load())
    monkeypatch.setattr(demo, "EDITS", demo.EDITS[:1])
    few = {**METHODS[0].settings, "num_inference_steps": 1}
    monkeypatch.setattr(Edit, "settings", few)
    result = cli("demo", "-o", "shown")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("shown/before-after.png: ")
    sheet = np.asarray(Image.open("shown/before-after.png").convert("RGB"))
    assert sheet.std() > 10
    (path,) = Path("shown").glob("*-to-*.png")
    assert read_recipe(path)["task"] == "edit"


def test_the_demo_edits_the_pictures_of_the_examples_folder():
    """They lie in the package as well, so that an installed wheel has them."""
    examples = Path(__file__).parents[2] / "examples"
    for row in demo.EDITS:
        assert (demo.PICTURES / row.picture).read_bytes() == (examples / row.picture).read_bytes()


def test_a_file_that_is_called_like_an_option(cli, tmp_path):
    (tmp_path / "-cat.png").write_bytes(b"")
    assert (
        "no option -cat.png: if the file is meant, write ./-cat.png"
        in cli("edit", "-cat.png", "--prompt", "x").err
    )
