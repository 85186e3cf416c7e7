"""Tasks about pictures that an operator has degraded; needs no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dreamsampler.files import InputError
from dreamsampler.images.header import MOST_PIXELS, check_picture
from dreamsampler.tasks.base import Task

if TYPE_CHECKING:
    from dreamsampler.operators.spec import Description


class OperatorTask(Task):
    """A task about pictures that an operator has degraded."""

    operator: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.operator, str):
            object.__setattr__(self, "operator", self.description)

    @property
    def description(self) -> Description:
        """The operator, read.

        Raises:
            ValueError: for what is no operator, with a suggestion.
        """
        from dreamsampler.operators.spec import as_description

        return as_description(self.operator)

    def check_known(self) -> None:
        """Refuse an operator with numbers left open."""
        described = self.description
        if described.unknown:
            raise InputError(
                f"{described} leaves {', '.join(described.unknown)} open: give numbers instead of "
                "?, or find them with `dreamsampler restore`"
            )

    def check_operator_files(self, size_hw: tuple[int, int] | None = None) -> None:
        """Refuse an operator whose files are not there, or not for pictures of that size."""
        for path in self.description.inputs():
            if not path.is_file():
                raise InputError(f"there is no file {path}, which the operator names")
        if size_hw is not None:
            self.description.check_files(size_hw)

    def check_measured(self, image: Any) -> tuple[int, int]:
        """Height and width of the picture that a measured picture is of, from the headers.

        Raises:
            InputError: the picture or a file of the operator cannot be used, or the result would
                be larger than 64 megapixels.
        """
        measured = check_picture(image)
        self.check_operator_files()
        height, width = self.description.input_size(measured)
        if height * width > MOST_PIXELS:
            raise InputError(
                f"{self.operator} makes {width}x{height} pixels of {measured[1]}x{measured[0]}: "
                "crop the picture, or take a smaller factor"
            )
        self.description.check_files((height, width))
        return height, width
