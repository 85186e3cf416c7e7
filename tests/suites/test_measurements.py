"""Every suite: found, described, its options read."""

import pytest

from benchmarks.__main__ import PROGRAMS, SUITES, main, parsed


def test_every_suite_says_what_it_measures_and_what_it_takes(capsys):
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    for name, words in (SUITES | PROGRAMS).items():
        assert f"  {name} " in listed and words in listed
        assert main([name, "--help"]) == 0
        text = capsys.readouterr().out
        assert f"python -m benchmarks {name}" in text and len(text) > 200, name


def test_options_are_read_without_running_anything(capsys):
    assert callable(parsed(["kills", "--kills", "3", "--ray", "--folder", "x"]))
    assert callable(parsed(["editing", "-o", "out", "--methods", "SDEdit", "--methods", "DDS"]))
    for wrong in (["nothing"], ["kills", "--kill", "3"], ["editing"]):
        with pytest.raises(SystemExit):
            parsed(wrong)
    assert main(["nothing"]) == 2 and "there is no suite 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "columns"),
    [
        (["golden"], "| reference | table | negligible |"),
        (["one_loop", "--seeds", "8", "--out", "out"], "| method | share in each mode |"),
        (["fuzz", "--cases", "24"], "| kind | accepted | one line | traceback | hang |"),
        (
            ["gpu", "--device", "cpu", "--tiny", "--rows", "sd15, batch 1", "--seconds", "0.1"],
            "| network, batch | diffusers s/step |",
        ),
    ],
    ids=lambda each: each[0],
)
def test_measurements_print_their_tables(command, columns, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(command) == 0
    assert columns in capsys.readouterr().out
