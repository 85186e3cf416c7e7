"""Measurements y = A x, their transpose, and the picture nearest to z that explains y."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeGuard, cast, final, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dreamsampler.maths import conjugate_gradient
from dreamsampler.operators.registry import OPERATORS

PROBE = 64
"""Pixels along the side of the picture that shows how an operator changes sizes."""


@runtime_checkable
class Operator(Protocol):
    """Anything that measures a picture: y = A(x), perhaps not linear in x."""

    def A(self, x: Tensor) -> Tensor:
        """Measure pictures, (b, 3, h, w) in [0, 1], every row on its own."""
        ...


@runtime_checkable
class LinearOperator(Protocol):
    """A linear measurement and its exact transpose, under deepinv's names.

        <A x, y> = <x, A^T y>

    Any of deepinv's linear physics fits as it is, and so does an object of yours with these two
    methods. Capabilities that are used where an operator has them: `prox_l2(z, y, gamma)`
    (`Proximal`), `input_size(y_size)` and `measured(shape)` (`Sized`).
    """

    def A(self, x: Tensor) -> Tensor:
        """Measure pictures, (b, 3, h, w) in [0, 1], every row on its own."""
        ...

    def A_adjoint(self, y: Tensor) -> Tensor:
        """The transpose of A, from measurements to pictures."""
        ...


@runtime_checkable
class Proximal(Protocol):
    """An operator that knows its own prox in closed form."""

    def prox_l2(self, z: Tensor, y: Tensor, gamma: float | Tensor) -> Tensor | None:
        """As the function `prox_l2`; None where this instance has no closed form."""
        ...


@runtime_checkable
class Sized(Protocol):
    """An operator whose measurement has another size or other channels than the picture."""

    def input_size(self, y_size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the picture that a measurement of this height and width is of."""
        ...

    def measured(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Channels, height and width of the measurement of a picture (c, h, w)."""
        ...


def is_linear(op: Operator) -> TypeGuard[LinearOperator]:
    """Whether the operator is linear: whether it has `A_adjoint`."""
    return isinstance(op, LinearOperator)


def prox_l2(
    op: Operator,
    z: Float[Tensor, "b c h w"],
    y: Tensor,
    gamma: float | Tensor,
    *,
    steps: int = 100,
    tol: float = 1e-5,
) -> Float[Tensor, "b c h w"]:
    """The picture nearest to z among those that explain y.

        argmin_x  gamma/2 |A x - y|^2 + 1/2 |x - z|^2

    The operator's own closed form where it has one; otherwise conjugate gradients on
    (gamma A^T A + I) x = gamma A^T y + z, from z. Gradients reach z, y, gamma and the operator's
    parameters either way (once; the second solution is implicit in the first).

    Args:
        z: where to stay near.
        y: the measurement, the shape of `op.A(z)`.
        gamma: trust in the measurement, >= 0 and finite; 0 returns z. With noise of variance
            s^2 in y and variance r^2 of z it is r^2 / s^2. A number, or a tensor
            (b, 1, 1, 1) with one for each row.
        steps: most steps of conjugate gradients; a closed form needs none.
        tol: their relative residual; about 1e-6 is the least that float32 can reach.

    Raises:
        ValueError: if the operator is not linear, gamma is negative, or y belongs to pictures of
            another size than z.

    Example:
        >>> import torch
        >>> from dreamsampler.operators import Mask
        >>> op = Mask(torch.tensor([1.0, 0.0]).view(1, 1, 1, 2))
        >>> one = torch.ones(1, 1, 1, 2)
        >>> prox_l2(op, z=0 * one, y=one, gamma=3.0).tolist()
        [[[[0.75, 0.0]]]]
    """
    if not is_linear(op):
        raise ValueError(
            f"{type(op).__name__} has no A_adjoint, so it is not linear and has no prox in closed "
            "form: follow the gradient of |A x - y|^2 instead"
        )
    if not (gamma >= 0 if isinstance(gamma, float | int) else bool((gamma >= 0).all())):
        raise ValueError(f"gamma is {gamma}, but trust in a measurement is a number >= 0")
    if isinstance(op, Proximal) and (x := op.prox_l2(z, y, gamma)) is not None:
        return x

    back = op.A_adjoint(y)
    if back.shape != z.shape:
        raise ValueError(
            f"the measurement is of pictures {tuple(back.shape)}, but z is {tuple(z.shape)}: "
            "start from a picture of `input_size`, or give the operator its size"
        )

    def normal(x: Tensor) -> Tensor:
        return gamma * op.A_adjoint(op.A(x)) + x

    def solve(b: Tensor, start: Tensor | None = None) -> Tensor:
        with torch.no_grad():
            return conjugate_gradient(normal, b.detach(), start, steps=steps, tol=tol)

    goal = gamma * back + z
    x = solve(goal, z.detach())
    misfit = goal - normal(x)
    return cast(Tensor, _Implicit.apply(x, misfit, solve)) if misfit.requires_grad else x


@final
class _Implicit(torch.autograd.Function):
    """The solution x of M x = b, with the gradient of M^-1 (b - M x) and the value of x.

    The steps that found x need no graph: by the implicit function theorem a gradient g at x is the
    gradient M^-1 g at the misfit, and so reaches whatever b and M were made of.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, misfit: Tensor, solve: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.solve = solve
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, None]:
        return None, ctx.solve(gradients[0]), None


def input_size(op: Operator, y_size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the picture that a measurement of this height and width is of.

    As the operator says (`Sized`). Of another package's operator it is the size of A^T(0), or, if
    that has no transpose, in proportion to the size of A(0) of 64 x 64 zeros.

    Raises:
        ValueError: if neither can be computed.
    """
    if isinstance(op, Sized):
        return op.input_size(y_size)
    if _keeps_size(op):
        return y_size
    if not is_linear(op):
        _, height, width = shape_of_zeros(op, (3, PROBE, PROBE))
        return round(y_size[0] * PROBE / height), round(y_size[1] * PROBE / width)
    for channels in (3, 1):
        try:
            picture = op.A_adjoint(_zeros(op, (channels, *y_size)))
            return picture.shape[-2], picture.shape[-1]
        except Exception as error:  # whatever another package raises
            failure = error
    raise ValueError(_refused(op, "A_adjoint", y_size, failure)) from failure


def measured(op: Operator, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Channels, height and width of the measurement of a picture (c, h, w).

    As the operator says (`Sized`); of another package's operator, those of A(0).

    Raises:
        ValueError: if that cannot be computed.
    """
    if isinstance(op, Sized):
        return op.measured(shape)
    return shape if _keeps_size(op) else shape_of_zeros(op, shape)


def shape_of_zeros(op: Operator, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Channels, height and width of what an operator makes of a black picture (c, h, w).

    Raises:
        ValueError: of one line, if it takes no such picture, or gives no picture.
    """
    try:
        channels, height, width = op.A(_zeros(op, shape)).shape[1:]
    except Exception as error:  # whatever another package raises
        raise ValueError(_refused(op, "A", shape[1:], error)) from error
    return channels, height, width


def _keeps_size(op: Operator) -> bool:
    """Whether it is one of the named operators; those that change the size are `Sized`."""
    return any(type(op) is entry.operator for entry in OPERATORS.values())


def _zeros(op: object, shape: tuple[int, int, int]) -> Tensor:
    """Zeros where the operator keeps its tensors."""
    tensors = [*op.parameters(), *op.buffers()] if isinstance(op, nn.Module) else []
    return torch.zeros(1, *shape, device=tensors[0].device if tensors else None)


def _refused(op: object, name: str, size: tuple[int, int], error: Exception) -> str:
    reason = " ".join(str(error).split())[:160]
    return (
        f"{type(op).__name__}.{name} takes no {size[1]}x{size[0]} pixels ({reason}): pass another "
        "size, or give it input_size(y_size) and measured(shape)"
    )
