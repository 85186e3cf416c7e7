"""Operators without remembering their words: choose, set, add; the text box holds the result."""

from __future__ import annotations

from typing import Any

import gradio as gr

from dreamsampler.operators.spec import OPERATORS, Parameter, parse


def operator_builder(target: Any) -> Any:
    """A fold below an operator's text box.

    Args:
        target: the text box that is written to.

    Returns:
        The component that holds the files an operator names.
    """
    quiet: Any = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    with gr.Accordion("Build an operator", open=False, elem_classes="ds-more"):
        choices = [(f"{name}: {entry.title}", name) for name, entry in OPERATORS.items()]
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
    heard = gr.Markdown("", elem_classes="ds-heard")
    choice.change(
        lambda chosen: [gr.update(visible=name == chosen) for name in OPERATORS],
        choice,
        groups,
        **quiet,
    )
    add.click(added, [target, choice, *boxes], [target, heard], **quiet)
    clear.click(lambda: ["", ""], None, [target, heard], **quiet)
    target.blur(understood, target, heard, **quiet)
    return files


def added(text: str, chosen: str, *values: Any) -> list[str]:
    """The operator with one more step, and how it reads; or as it was, and what is wrong."""
    given = iter(values)
    told = {
        name: {key: next(given) for key in entry.parameters} for name, entry in OPERATORS.items()
    }
    said = [f"{key}={value}" for key, value in told[chosen].items() if str(value or "").strip()]
    step = f"{chosen}({', '.join(said)})" if said else chosen
    before = "" if text.strip() in ("", "none") else f"{text.strip()} | "
    try:
        return [str(parse(before + step)), understood(before + step)]
    except ValueError as error:
        return [text, f"⚠ {error}"]


def understood(text: str) -> str:
    """How an operator is read, or what is wrong with it."""
    if not (text or "").strip():
        return ""
    try:
        described = parse(text)
    except ValueError as error:
        return f"⚠ {error}"
    found = f"; {', '.join(described.unknown)} will be found out" if described.unknown else ""
    return f"Understood: `{described}`{found}"


def _box(key: str, parameter: Parameter) -> Any:
    """The component of one argument."""
    if parameter.choices:
        words = list(parameter.choices)
        return gr.Dropdown(words, value=str(parameter.default), label=key, min_width=110)
    free = parameter.fitted is not None
    hint = "a number" + (", or ? to have it found out" if free else "")
    if parameter.kind is str:
        hint = "the name of the file, which is uploaded below"
    if parameter.kind is tuple:
        hint = "three numbers, such as 1 0 0"
    default = "" if parameter.default is ... else str(parameter.default)
    return gr.Textbox(default, label=key, placeholder=hint, min_width=110)
