"""What requests and answers hold; the OpenAPI document is made from it."""

from __future__ import annotations

from typing import Any, Literal, final

from pydantic import BaseModel, ConfigDict, Field


class Schema(BaseModel):
    """A JSON object that has no other keys."""

    model_config = ConfigDict(extra="forbid")


@final
class Detail(Schema):
    """What is wrong, and the option that it is about, if it is about one."""

    message: str
    field: str | None


@final
class Failure(Schema):
    """The answer to a request that is not done."""

    detail: Detail


@final
class RunRequest(Schema):
    """What to run: the options of a task, as `dreamsampler schema TASK` has them.

    Files are ids of /api/files; `operator_files`, `call` and `call_files` are taken as well.
    """

    task: str = Field(description="edit, inpaint, restore, vectorize or reconstruct")
    values: dict[str, Any]


@final
class CheckRequest(Schema):
    """What shall be looked at before it is run."""

    task: str
    image: str | None = None
    prompt: str | list[str] | None = None


@final
class UnknownWord(Schema):
    """A word that the model was not trained on, and those like it that it knows."""

    word: str
    near: list[str]


@final
class CheckAnswer(Schema):
    """What the model does not know; nothing where that is not found out at once."""

    picture: str | None
    words: list[UnknownWord]


@final
class DegradeRequest(Schema):
    """What an operator shall be shown on.

    A preview has at most 1024 pixels a side: of a larger picture it is the whole, scaled with the
    operator's lengths, or where an operator holds on to the pixels (JPEG) the middle.
    """

    image: str
    operator: str
    noise: float = 0.0
    operator_files: list[str] = []
    preview: bool = True


@final
class File(Schema):
    """An uploaded file, a scene, or a file of a run."""

    id: str
    name: str
    kind: Literal["picture", "svg", "scene", "file"]
    width: int
    height: int
    url: str
    megapixels: float


@final
class Filled(Schema):
    """The values of a form, and the files that they name by id."""

    task: str
    values: dict[str, Any]
    files: dict[str, File] = {}


@final
class Started(Schema):
    """A run that waits for its turn."""

    id: str


@final
class Made(Schema):
    """One file of a run."""

    name: str
    label: str
    kind: Literal["picture", "svg", "mesh", "video", "file"]
    url: str
    download: str
    width: int | None
    height: int | None
    seed: int | None


@final
class Number(Schema):
    """A figure of the report."""

    name: str
    value: str | float | int


@final
class RunAnswer(Schema):
    """A finished run: `words` is what was found, in sentences; `notes` are warnings."""

    id: str
    task: str
    title: str
    created: str
    thumb: str
    before: str | None
    results: list[Made]
    values: dict[str, Any]
    words: list[str]
    notes: list[str]
    numbers: list[Number]
    recipe: str
    seconds: float
    evaluations: int
