"""The file of a run's figures, and what is said of two of them."""

import copy
import json
import socket

import pytest
import torch

from benchmarks.protocol import Item, Protocol, frozen
from benchmarks.records import Records, Result, Row
from benchmarks.results import (
    COMMITTED,
    check_comparable,
    comparison,
    figures,
    read_results,
    results_of,
    rounded,
    summary,
    text_of,
)
from benchmarks.suites import collapse
from benchmarks.suites.cost import Cost
from dreamsampler.files import InputError

ITEMS = tuple(Item(str(i), "a.png", "", i) for i in range(4))
ROW = Row("a", "A", "published", {"steps": 3})
MODEL = {"name": "m", "revision": "r", "dtype": "torch.float32", "weights": "w"}


def results(folder, figures_of=lambda i: {"dB": 30 + i / 3}, rows=(ROW,), items=ITEMS, model=MODEL):
    records = Records(folder, Protocol("editing", 1, {}, "", ITEMS), model)
    for row in rows:
        for i, item in enumerate(items):
            records.write(row, item, Result(figures_of(i), 48, 0.123456, torch.zeros(3, 4, 4)))
    return results_of(records, rows, ITEMS)


def test_the_file_has_every_figure_and_nothing_of_a_person_or_a_place(tmp_path):
    stated = results(tmp_path, lambda i: {"dB": 30 + i / 3} | ({"first": 1.0} if i == 0 else {}))
    text = text_of(stated)
    assert json.loads(text) == stated and text == text_of(json.loads(text))
    (row,) = stated["rows"]
    assert row["items"] == ["0", "1", "2", "3"] and row["settings"] == {"steps": 3}
    assert row["measures"] == {"dB": [30.0, 30.333, 30.667, 31.0], "first": [1.0, None, None, None]}
    assert row["evaluations"] == [48] * 4 and row["seconds"] == [0.123] * 4
    assert stated["made"][0]["records"] == 4 and stated["made"][0]["machine"]["device"] == "cpu"
    assert str(tmp_path) not in text and socket.gethostname() not in text
    assert '"dB": [30.0, 30.333, 30.667, 31.0]' in text, "a list is one line"


def test_rows_come_by_their_keys_and_what_is_not_recorded_is_left_out(tmp_path):
    rows = [Row(k, k, "published") for k in "ba"]
    stated = results(tmp_path, rows=rows, items=ITEMS[:2])
    assert [row["key"] for row in stated["rows"]] == ["a", "b"]
    assert stated["rows"][0]["items"] == ["0", "1"]
    assert rounded(0.000123456789) == 0.00012346


def moved(stated, by, measure="dB"):
    """The same figures, one measure moved."""
    other = copy.deepcopy(stated)
    for row in other["rows"]:
        row["measures"][measure] = [x + by for x in row["measures"][measure]]
    return other


def test_a_figure_is_within_up_to_half_the_stated_interval(tmp_path):
    theirs = results(tmp_path)
    (figure, *_) = figures(theirs, theirs)
    half = figure.theirs.half
    assert figure.within and half > 0.2
    for by, within in ((0.9 * half, True), (1.1 * half, False), (-1.1 * half, False)):
        (figure, *_) = figures(theirs, moved(theirs, by))
        assert figure.within == within, by
    said = summary(figures(theirs, moved(theirs, 2 * half)))
    assert said.startswith("1 of 2 figures within the stated intervals; largest excess ")
    assert f"A, dB: {2 * half:.3g} apart, ± {half:.3g} stated" in said
    assert "all are equal" in summary(figures(theirs, theirs))


def test_equal_figures_without_an_interval_are_within_and_others_not(tmp_path):
    theirs = results(tmp_path, lambda i: {"top-1": 1.0})
    assert all(figure.within for figure in figures(theirs, theirs))
    assert not figures(theirs, moved(theirs, -0.01, "top-1"))[0].within
    assert figures(theirs, moved(theirs, 1e-6, "top-1"))[0].within, "rounded away"


def test_seconds_are_shown_and_never_judged(tmp_path):
    theirs = results(tmp_path)
    slow = copy.deepcopy(theirs)
    slow["rows"][0]["seconds"] = [99.0] * 4
    assert "2 of 2 figures within" in summary(figures(theirs, slow))
    assert "| A | seconds | 4 | 0.123 ± 0 | 99 | +98.9 | not judged |" in comparison(
        "x", theirs, slow
    )


def test_means_are_of_the_items_that_both_have(tmp_path):
    theirs = results(tmp_path / "a")
    ours = results(tmp_path / "b", items=ITEMS[:2])
    (figure, *_) = figures(theirs, ours)
    assert figure.items == 2 and figure.theirs.mean == pytest.approx(30.1665)
    assert figure.within


def test_rows_with_other_settings_are_named_and_not_compared(tmp_path):
    theirs = results(tmp_path / "a", rows=(ROW, Row("c", "C", "published")))
    other = Row("a", "A", "published", {"steps": 4})
    said = comparison("x", theirs, results(tmp_path / "b", rows=(other, Row("d", "D", "ours"))))
    assert "Rows with other settings: a." in said
    assert "Rows only here: d." in said and "Rows only there: c." in said
    assert "nothing was compared" in said


def test_other_protocols_and_other_weights_are_refused_and_other_precision_is_not(tmp_path):
    theirs = results(tmp_path)
    path, digest = "editing.json", theirs["protocol"]
    check_comparable(path, theirs, digest, MODEL)
    check_comparable(path, theirs, digest, MODEL | {"dtype": "torch.bfloat16", "weights": "v"})
    with pytest.raises(InputError, match="figures of two protocols cannot be compared"):
        check_comparable(path, theirs, "0" * 64, MODEL)
    for other in ({"revision": "s"}, {"revision": None}):
        with pytest.raises(InputError, match="figures of two models cannot be compared"):
            check_comparable(path, theirs, digest, MODEL | {"weights": "v"} | other)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "holds no figures"),
        ("[]", "holds no figures"),
        ('{"schema": 1, "suite": "editing", "rows": [{}]}', "holds no figures"),
        ("SHORT", "row a has more figures than items"),
        ("OTHER", "but it must hold 'editing' in schema 1"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, text, line):
    stated = results(tmp_path)
    if text == "SHORT":
        stated["rows"][0]["items"].pop()
    if text == "OTHER":
        stated["suite"] = "restoration"
    path = tmp_path / "x.json"
    path.write_text(text_of(stated) if text in ("SHORT", "OTHER") else text)
    with pytest.raises(InputError, match=line):
        read_results(str(path), "editing")
    with pytest.raises(InputError, match="there is no file"):
        read_results(str(tmp_path / "nowhere.json"), "editing")


def test_what_is_committed_can_be_checked_by_a_run_of_today():
    """Whoever freezes a protocol anew has to measure anew what is committed, or to take it out."""
    made = {"collapse": collapse.freeze, "cost": lambda: Cost(None).protocol}
    for path in sorted(COMMITTED.glob("*.json")):
        name, stated = read_results("committed", path.stem)
        today = made[path.stem]() if path.stem in made else frozen(path.stem)
        check_comparable(name, stated, today.digest, stated["model"])
        known = {item.id for item in today.items}
        assert all(known.issuperset(row["items"]) for row in stated["rows"]), name
        assert path.read_text() == text_of(stated), f"{name}: as a run writes it"
