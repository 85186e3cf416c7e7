"""The page: a tab for each task, and one for past runs."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.themes import Base, colors, sizes

from dreamsampler.interfaces.studio.api import interfaces
from dreamsampler.interfaces.studio.looks import LOOKS
from dreamsampler.interfaces.studio.past import Past
from dreamsampler.interfaces.studio.tab import Tab

if TYPE_CHECKING:
    from dreamsampler.interfaces.studio.room import Room

TITLE = "DreamSampler Studio"
_SYSTEM = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
_FIXED = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


def make_page(room: Room) -> gr.Blocks:
    """Everything that the browser shows, and the HTTP interface beside it.

    Args:
        room: what the server shares.
    """
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=False) as page:
        gr.HTML(
            f'<header class="ds-head"><h1>DreamSampler <span>Studio</span></h1>'
            f'<p class="ds-model" title="The loaded model">{escape(room.model)}</p></header>'
        )
        with gr.Tabs(elem_classes="ds-tabs") as tabs:
            made: dict[str, Tab] = {}
            for look in LOOKS:
                with gr.Tab(look.title, id=look.name):
                    made[look.name] = Tab(look, room)
            with gr.Tab("Past runs", id="past") as past:
                Past(room, made, tabs, past)
        if room.card:
            with gr.Accordion("What the loaded model knows", open=False, elem_classes="ds-more"):
                gr.Markdown(room.card)
        interfaces(LOOKS, room, page)
    return page


def theme() -> Any:
    """Colors and fonts; fonts are the visitor's own, so that none is fetched."""
    return Base(
        primary_hue=colors.indigo,
        secondary_hue=colors.indigo,
        neutral_hue=colors.slate,
        radius_size=sizes.radius_md,
        font=_SYSTEM,
        font_mono=_FIXED,
    ).set(
        body_background_fill="*neutral_50",
        block_background_fill="white",
        block_border_width="1px",
        block_shadow="none",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_text_color="white",
    )


def style() -> str:
    """The page's own rules; gradio scopes them to its container."""
    return (Path(__file__).parent / "studio.css").read_text(encoding="utf-8")


def frame() -> str:
    """Rules about that container itself, which go into the page's head."""
    rules = (Path(__file__).parent / "frame.css").read_text(encoding="utf-8")
    return f"<style>{rules}</style>"
