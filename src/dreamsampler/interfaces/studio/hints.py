"""What is said while one still types: what the model does not know of a picture and a prompt."""

from __future__ import annotations

from collections import OrderedDict
from typing import final

from dreamsampler.interfaces.studio.schemas import UnknownWord
from dreamsampler.interfaces.studio.uploads import Upload
from dreamsampler.interfaces.studio.worker import Worker

REMEMBERED = 200
"""Pictures whose answer is kept."""
SEEN = 512
"""Longest side at which a picture is looked at, in pixels."""
EDIT_SAYS = (
    "This is unlike the drawings that the bundled model knows, so expect little: edit photographs "
    "with a larger model, such as sd15."
)
RESTORE_SAYS = "This looks like a photograph, for which there is a bundled model of its own."


@final
class Hints:
    """What the bundled models know of pictures and words; asked while no run needs the model."""

    def __init__(self, worker: Worker) -> None:
        from dreamsampler.models.alias import BUNDLED
        from dreamsampler.models.bundled_models import BundledModels

        self.both = isinstance(worker.model, BundledModels)
        named = worker.model.named(BUNDLED) if self.both else worker.model
        self._drawings = named if getattr(named, "name", "") == BUNDLED else None
        self.words: frozenset[str] = getattr(named, "words", frozenset())
        self._worker, self._errors = worker, OrderedDict[str, float]()

    def of_picture(self, task: str, upload: Upload | None) -> str | None:
        """That a picture is none that the model of a task knows; None where that is unknown."""
        if self._drawings is None or upload is None or upload.kind not in ("picture", "svg"):
            return None
        if task not in ("edit", "inpaint") and not (task == "restore" and self.both):
            return None
        error = self._error(upload)
        from dreamsampler.models.familiar import STRANGE

        if error is None or error <= STRANGE:
            return None
        return RESTORE_SAYS if task == "restore" else EDIT_SAYS

    def of_prompt(self, prompt: str | list[str] | None) -> list[UnknownWord]:
        """The words of a prompt, or of several, that the model was not trained on."""
        from dreamsampler.models.words import unknown_words

        text = prompt if isinstance(prompt, str) else " ".join(prompt or [])
        found = unknown_words(text[:2000], self.words) if self.words else {}
        return [UnknownWord(word=word, near=[n] if n else []) for word, n in found.items()]

    def _error(self, upload: Upload) -> float | None:
        """The denoising error of the model of drawings on a picture; None while it is busy."""
        if upload.id in self._errors:
            return self._errors[upload.id]
        from dreamsampler.images.memory import picture_of
        from dreamsampler.models.familiar import strangeness

        with self._worker.idle_model() as model:
            if model is None:
                return None
            image = upload.picture()
            image.thumbnail((SEEN, SEEN))
            x = 2 * picture_of(image).flat()[None] - 1
            error = self._errors[upload.id] = strangeness(self._drawings, x)  # type: ignore[arg-type]
            if len(self._errors) > REMEMBERED:
                self._errors.popitem(last=False)
            return error
