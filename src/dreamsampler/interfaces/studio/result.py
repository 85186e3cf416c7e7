"""Where a run is shown: its steps while it goes on, then before and after, figures and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import gradio as gr

from dreamsampler.interfaces.studio.shelf import RECIPE
from dreamsampler.interfaces.studio.views import captions, facts, finished, idle, names

if TYPE_CHECKING:
    from dreamsampler.interfaces.studio.room import Room
    from dreamsampler.interfaces.studio.shelf import Kept


@final
class Result:
    """The right side of a tab; made inside a `gr.Blocks`.

    Args:
        name: makes its elements findable.
        words: what is shown before there is anything.
    """

    def __init__(self, name: str, words: str) -> None:
        self.stage = gr.HTML(idle(words), elem_id=f"stage-{name}")
        self.slider = gr.ImageSlider(
            label="Before and after: move the line",
            visible=False,
            elem_id=f"slider-{name}",
            image_mode=None,
            type="filepath",
            max_height=640,
            buttons=["fullscreen"],
        )
        self.gallery = gr.Gallery(
            label="All pictures of this run",
            visible=False,
            columns=4,
            height="auto",
            object_fit="contain",
            elem_id=f"gallery-{name}",
            elem_classes="ds-gallery",
        )
        self.facts = gr.HTML("", elem_id=f"facts-{name}")
        self.files = gr.File(
            label="Download: the result, and the recipe that makes it again",
            visible=False,
            file_count="multiple",
            interactive=False,
            elem_id=f"files-{name}",
            elem_classes="ds-files",
            height=170,
        )

    @property
    def outputs(self) -> list[Any]:
        """In the order of `show`."""
        return [self.stage, self.slider, self.gallery, self.facts, self.files]

    @staticmethod
    def cleared(stage: str) -> list[Any]:
        """Values of the outputs where there is no result (yet)."""
        gone = gr.update(visible=False, value=None)
        return [stage, gone, gone, "", gone]

    @staticmethod
    def show(kept: Kept, room: Room) -> list[Any]:
        """Values of the outputs for a run that is over."""
        out, several = room.hand_out, captions(kept)
        first = next((path for path in kept.results if path.suffix == ".png"), None)
        stage = finished(kept)
        slider = gr.update(visible=False, value=None)
        if first is not None and not stage:
            slider = gr.update(visible=True, value=(out(kept.before), out(first)))
        gallery = [(out(path), words) for path, words in several]
        files = [*kept.results, kept.folder / RECIPE]
        copies = [out(path, name) for path, name in zip(files, names(kept, files), strict=True)]
        return [
            stage,
            slider,
            gr.update(visible=bool(gallery), value=gallery or None),
            facts(kept),
            gr.update(visible=True, value=copies),
        ]
