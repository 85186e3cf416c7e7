"""Forms: every field of every task, read back as the command line would read it."""

import dataclasses

import pytest

from dreamsampler.interfaces.cli.form import described
from dreamsampler.interfaces.studio.fields import Field, fields_of, fill, preset_settings, read
from dreamsampler.interfaces.studio.looks import LOOKS
from dreamsampler.tasks import TASKS, Edit, Inpaint, Restore

PRESETS = [(task, f) for task in TASKS for f in fields_of(task) if f.name == "preset"]


@pytest.mark.parametrize("task", TASKS)
def test_a_form_has_every_field_of_its_task_with_its_help(task):
    fields = fields_of(task)
    assert [f.name for f in fields] == [f.name for f in dataclasses.fields(task)]
    assert {f.name: f.help for f in fields} == described(task)
    assert all(f.required or f.default == getattr(task, f.name) for f in fields)


def test_every_task_has_a_tab():
    assert [look.task for look in LOOKS] == list(TASKS)
    for look in LOOKS:
        names = {f.name for f in fields_of(look.task)}
        assert names.issuperset({*look.front, *look.hidden})
        for example in look.examples:
            assert names.issuperset(example.values)


@pytest.mark.parametrize(("task", "field"), PRESETS)
def test_every_preset_says_when_to_take_it_and_chooses_numbers(task, field):
    for preset, line in field.choices.items():
        assert line, f"{task.__name__} {preset}"
        assert preset_settings(task, preset)["num_inference_steps"] > 0


def test_what_a_form_holds_becomes_the_task():
    asked = {"image": "c.png", "prompt": " dog ", "strength": "0.5", "seed": 7.0, "size": None}
    assert fill(Edit, asked) == Edit(fill(Edit, asked).image, "dog", strength=0.5, seed=7)
    masked = fill(Inpaint, {"image": "c.png", "prompt": "a\n\n b", "expand": "1, 2 3 4"})
    assert (masked.prompt, masked.expand) == (("a", "b"), (1, 2, 3, 4))
    restored = {"image": "c.png", "operator": "blur(2)"}
    assert fill(Restore, restored).noise == fill(Restore, {**restored, "noise": "auto"}).noise
    assert fill(Restore, {**restored, "noise": "0.02"}).noise == 0.02


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"prompt": "x"}, "image is empty"),
        ({"image": "c.png", "prompt": "x", "seed": "1.5"}, "seed is 1.5, but must be a whole"),
        ({"image": "c.png", "prompt": "x", "seed": True}, "must be a number"),
        ({"image": "c.png", "prompt": "x", "seed": [1]}, "must be a number"),
        ({"image": "c.png", "prompt": "x", "seed": float("nan")}, "must be a number"),
        (
            {"image": "c.png", "prompt": "x", "preset": "best"},
            "one of default, ledits, flowedit",
        ),
        ({"image": "c.png", "prompt": ["x"]}, "must be text"),
        ({"image": "c.png", "prompt": "x", "steps": 3}, "no option 'steps'"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(values, match):
    with pytest.raises(ValueError, match=match) as told:
        fill(Edit, values)
    assert "\n" not in str(told.value)


def test_whole_numbers_are_exact():
    field = Field("seed", "number", "", default=0, whole=True)
    assert read(field, 2**63 - 1) == 2**63 - 1
    assert read(field, str(2**60 + 1)) == 2**60 + 1


def test_numbers_have_the_ranges_of_their_task():
    limits = {f.name: f.limits for f in fields_of(Edit)}
    assert limits["strength"] == Edit.LIMITS["strength"] == (0.0, 1.0)
    assert limits["prompt"] is None
