"""Forms: a tab for every task, a component for every option, and values there and back."""

import pytest

from dreamsampler.interfaces.studio.components import (
    component,
    method_options,
    methods,
    placeholder,
    shown,
)
from dreamsampler.interfaces.studio.specs import TABS
from dreamsampler.tasks import MODEL_TASKS, Edit
from dreamsampler.tasks.options import options_of

pytest.importorskip("gradio")


def test_every_task_has_a_tab():
    assert [spec.task for spec in TABS] == list(MODEL_TASKS)
    for spec in TABS:
        names = set(options_of(spec.task))
        assert names.issuperset({*spec.front, *spec.hidden})
        for example in spec.examples:
            assert names.issuperset(example.values)


def test_every_option_has_a_component_that_holds_its_default():
    for task in MODEL_TASKS:
        for option in options_of(task).values():
            made = component(option, task)
            if option.default not in (..., None, (), ""):
                assert option.read(made.value) == option.default, (task, option.name)
            help_ = getattr(made, "info", None) or made.label
            assert made.label
            assert option.help[1:9] in help_ or option.kind in ("choice", "file"), option.name


def test_values_are_shown_as_they_are_read():
    for task, name, value in (
        (Edit, "strength", 0.5),
        (Edit, "seed", 7),
        (MODEL_TASKS[1], "prompt", ("a", "b")),
        (MODEL_TASKS[1], "expand", (1, 2, 3, 4)),
        (MODEL_TASKS[2], "noise", "auto"),
        (MODEL_TASKS[2], "noise", 0.02),
    ):
        option = options_of(task)[name]
        assert option.read(shown(option, value)) == value


def test_every_method_can_be_chosen_and_says_what_it_takes():
    for task in MODEL_TASKS:
        known = methods(task)
        if not known:
            continue
        option = options_of(task)["method"]
        choices = component(option, task).choices
        assert [value for _, value in choices] == list(known)
        for (label, name), method in zip(choices, known.values(), strict=True):
            assert label == (f"{name}: {method.use}" if method.use else name)
    steps, default = options_of(Edit)["num_inference_steps"], methods(Edit)["default"]
    number = default.settings["num_inference_steps"]
    assert placeholder(steps, default) == f"{number}, as the method has it"
    assert placeholder(options_of(Edit)["size"], default) == "automatic"


def test_options_that_a_method_does_not_have_are_hidden():
    for task in MODEL_TASKS:
        known = methods(task)
        for name in method_options(task):
            made = component(options_of(task)[name], task)
            assert made.visible == (name in known["default"].settings), (task, name)
    assert "gamma" in method_options(Edit)
