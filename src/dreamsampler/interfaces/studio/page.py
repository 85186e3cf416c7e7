"""The page: a tab for each task, and one for earlier runs."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.themes import Base, colors, sizes

from dreamsampler.interfaces.studio.api import add_endpoints
from dreamsampler.interfaces.studio.history import History
from dreamsampler.interfaces.studio.specs import TABS
from dreamsampler.interfaces.studio.tab import Tab

if TYPE_CHECKING:
    from dreamsampler.interfaces.studio.session import Sessions

_HERE = Path(__file__).parent
_SYSTEM = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
_FIXED = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


def make_page(sessions: Sessions) -> gr.Blocks:
    """Everything that the browser shows, and the HTTP interface beside it."""
    with gr.Blocks(title="DreamSampler Studio", analytics_enabled=False, fill_width=False) as page:
        gr.HTML(
            f'<header class="ds-head"><h1>DreamSampler <span>Studio</span></h1>'
            f'<p class="ds-model" title="The loaded model">{escape(sessions.model)}</p></header>'
        )
        with gr.Tabs(elem_classes="ds-tabs") as choice:
            tabs: dict[str, Tab] = {}
            for spec in TABS:
                with gr.Tab(spec.title, id=spec.name):
                    tabs[spec.name] = Tab(spec, sessions)
            with gr.Tab("History", id="history") as history:
                History(sessions, tabs, choice, history)
        if sessions.card:
            with gr.Accordion("What the loaded model knows", open=False, elem_classes="ds-more"):
                gr.Markdown(sessions.card)
        add_endpoints([spec.task for spec in TABS], sessions, page)
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
    return (_HERE / "studio.css").read_text(encoding="utf-8")


def head() -> str:
    """Rules about that container itself, for the page's head."""
    return f"<style>{(_HERE / 'container.css').read_text(encoding='utf-8')}</style>"
