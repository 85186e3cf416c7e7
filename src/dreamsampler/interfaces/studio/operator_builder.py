"""A form that writes operators: choose, set, add; the text box holds the result."""

from __future__ import annotations

from typing import Any

import gradio as gr

from dreamsampler.interfaces.studio.components import QUIET
from dreamsampler.operators.spec import OPERATORS, Parameter, parse

ABOUT = {
    "blur": "out of focus",
    "motion_blur": "camera shake",
    "kernel": "a blur of your own, as a picture",
    "downsample": "fewer pixels",
    "mask": "lost pixels",
    "grey": "no colors",
    "color_matrix": "wrong colors",
    "jpeg": "compression",
}
"""Operator -> what it does."""


def operator_builder(target: Any) -> Any:
    """The form, below an operator's text box; returns the component of the operator's files."""
    with gr.Accordion("Build an operator", open=False, elem_classes="ds-more"):
        choices = [(f"{name}: {ABOUT.get(name, name)}", name) for name in OPERATORS]
        first = next(iter(OPERATORS))
        choice = gr.Dropdown(choices, value=first, label="What was done to the picture")
        groups, boxes = [], []
        for name, entry in OPERATORS.items():
            with gr.Row(visible=name == first) as group:
                boxes += [_box(key, parameter) for key, parameter in entry.parameters.items()]
            groups.append(group)
        with gr.Row():
            add = gr.Button("Add", size="sm", min_width=60)
            clear = gr.Button("Start over", size="sm", min_width=60)
        files = gr.File(
            label="Files that the operator names (a mask, a kernel)",
            file_count="multiple",
            height=100,
        )
    reading = gr.Markdown("")
    choice.change(
        lambda chosen: [gr.update(visible=name == chosen) for name in OPERATORS],
        choice,
        groups,
        **QUIET,
    )
    add.click(added, [target, choice, *boxes], [target, reading], **QUIET)
    clear.click(lambda: ["", ""], None, [target, reading], **QUIET)
    target.blur(read_back, target, reading, **QUIET)
    return files


def added(text: str, chosen: str, *values: Any) -> list[str]:
    """The operator with one more step, and how it is read; or as it was, and what is wrong."""
    left = iter(values)
    filled = {
        name: {key: next(left) for key in entry.parameters} for name, entry in OPERATORS.items()
    }
    given = [f"{key}={value}" for key, value in filled[chosen].items() if str(value or "").strip()]
    step = f"{chosen}({', '.join(given)})" if given else chosen
    longer = step if text.strip() in ("", "none") else f"{text.strip()} | {step}"
    try:
        return [str(parse(longer)), read_back(longer)]
    except ValueError as error:
        return [text, f"⚠ {error}"]


def read_back(text: str) -> str:
    """How an operator is read, or what is wrong with it."""
    if not (text or "").strip():
        return ""
    try:
        operator = parse(text)
    except ValueError as error:
        return f"⚠ {error}"
    unknown = f"; {', '.join(operator.unknown)} will be estimated" if operator.unknown else ""
    return f"Understood: `{operator}`{unknown}"


def _box(key: str, parameter: Parameter) -> Any:
    """The component of one argument."""
    if parameter.choices:
        return gr.Dropdown(
            list(parameter.choices), value=str(parameter.default), label=key, min_width=110
        )
    hint = "a number" + (", or ? to have it estimated" if parameter.fitted is not None else "")
    if parameter.kind is str:
        hint = "the name of the file, which is uploaded below"
    if parameter.kind is tuple:
        hint = "three numbers, such as 1 0 0"
    default = "" if parameter.default is ... else str(parameter.default)
    return gr.Textbox(default, label=key, placeholder=hint, min_width=110)
