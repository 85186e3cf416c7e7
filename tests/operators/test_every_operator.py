"""What every exported operator promises: by being exported and registered it is tested here."""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from instances import INSTANCES

from dreamsampler import operators
from dreamsampler.maths import conjugate_gradient
from dreamsampler.operators import (
    ColorMatrix,
    Downsample,
    GaussianBlur,
    Grey,
    Jpeg,
    KernelBlur,
    LinearComposition,
    LinearOperator,
    Mask,
    Operator,
    Proximal,
    compose,
    input_size,
    is_linear,
    measured,
    prox_l2,
)
from dreamsampler.operators.registry import OPERATORS

CLASSES = [
    value
    for name in operators.__all__
    if inspect.isclass(value := getattr(operators, name)) and hasattr(value, "A")
    if not getattr(value, "_is_protocol", False)
]
LINEAR = [each for each in CLASSES if hasattr(each, "A_adjoint")]
SIDE = st.integers(1, 13)
BOUNDARIES = st.sampled_from(["reflect", "circular", "zero"])


def random(shape, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=rng)


def fitting(op, h, w, batch=2):
    """Pictures that the operator takes: of the drawn size, or of the mask's."""
    if isinstance(op, Mask):
        h, w = op.mask.shape[-2:]
    return torch.rand(
        batch, 3, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(h * 31 + w)
    )


@st.composite
def single(draw, h, w):
    """One linear operator with drawn parameters, for pictures of h x w."""
    name = draw(st.sampled_from([n for n, entry in OPERATORS.items() if entry.linear]))
    entry, seed = OPERATORS[name], draw(st.integers(0, 99))
    if name == "kernel":
        shape = draw(st.integers(1, 13)), draw(st.integers(1, 13))
        return KernelBlur(random(shape, seed).abs() + 0.01, draw(BOUNDARIES))
    if name == "mask":
        shape = (draw(st.sampled_from([1, 2])), draw(st.sampled_from([1, 3])), h, w)
        return Mask((random(shape, seed) + 0.5).clamp(0, 1))
    values = {key: draw(value_of(parameter)) for key, parameter in entry.parameters.items()}
    return entry.build(values, (h, w), "cpu")


def value_of(parameter):
    """Any value of a parameter, from a range that small pictures notice."""
    if parameter.choices:
        return st.sampled_from(parameter.choices)
    if parameter.kind is tuple:
        return st.tuples(*[st.floats(-2, 2)] * 3)
    if parameter.kind is int:
        return st.integers(int(parameter.low), 5)
    return st.floats(max(parameter.low, -180) + 0.05, min(parameter.high, 20))


@st.composite
def cases(draw, side=SIDE):
    """An operator and pictures for it."""
    h, w = draw(side), draw(side)
    return draw(single(h, w)), random((2, 3, h, w), draw(st.integers(0, 99)))


def transposed(op, x):
    y = random(op.A(x).shape, seed=1)
    left, right = (op.A(x) * y).sum(), (x * op.A_adjoint(y)).sum()
    scale = op.A(x).norm() * y.norm() + x.norm() * op.A_adjoint(y).norm() + 1e-12
    assert op.A_adjoint(y).shape == x.shape
    assert (left - right).abs() <= 1e-10 * scale


@settings(max_examples=70)
@given(cases())
def test_the_adjoint_is_the_transpose(case):
    transposed(*case)


@settings(max_examples=50)
@given(st.data(), st.integers(1, 3), SIDE, SIDE)
def test_the_adjoint_of_a_composition_is_the_transpose(data, count, h, w):
    ops, size = [], (h, w)
    for _ in range(count):
        op = data.draw(single(*size))
        colored = isinstance(op, Grey | ColorMatrix) or (
            isinstance(op, Mask) and op.mask.shape[1] > 1
        )
        if ops and measured(compose(*ops), (3, h, w))[0] == 1 and colored:
            continue  # one channel has no colors left
        ops.append(op)
        size = measured(compose(*ops), (3, h, w))[1:]
    transposed(compose(*ops), random((2, 3, h, w)))


@settings(max_examples=40)
@given(cases(st.integers(1, 9)), st.floats(0, 50))
def test_the_prox_is_the_minimizer(case, gamma):
    op, z = case
    y = random(op.A(z).shape, seed=2)
    x = prox_l2(op, z, y, gamma, steps=1000, tol=1e-13)
    gradient = gamma * op.A_adjoint(op.A(x) - y) + x - z
    assert gradient.abs().max() <= 1e-8 * (1 + gamma) * (1 + y.abs().max())


@settings(max_examples=30)
@given(cases(st.integers(1, 4)), st.floats(0, 50))
def test_the_prox_is_the_dense_solution(case, gamma):
    op, z = case
    z = z[:1]
    if isinstance(op, Mask):
        op = Mask(op.mask[:1])
    y = random(op.A(z).shape, seed=2)
    units = torch.eye(z.numel(), dtype=torch.float64).view(-1, *z.shape[1:])
    if isinstance(op, Mask):
        matrix = op.A(units).flatten(1).T
    else:
        matrix = torch.cat([op.A(unit[None]) for unit in units]).flatten(1).T
    normal = gamma * matrix.T @ matrix + torch.eye(z.numel(), dtype=torch.float64)
    dense = torch.linalg.solve(normal, gamma * matrix.T @ y.flatten() + z.flatten())
    x = prox_l2(op, z, y, gamma, steps=1000, tol=1e-13)
    torch.testing.assert_close(x.flatten(), dense, atol=1e-8, rtol=1e-8)


@settings(max_examples=50)
@given(cases(st.integers(1, 9)), st.floats(0, 50))
def test_a_closed_form_is_what_conjugate_gradients_find(case, gamma):
    op, z = case
    y = random(op.A(z).shape, seed=3)
    if not isinstance(op, Proximal) or (closed := op.prox_l2(z, y, gamma)) is None:
        assert not isinstance(op, GaussianBlur) or op.boundary == "zero"
        return
    solved = conjugate_gradient(
        lambda v: gamma * op.A_adjoint(op.A(v)) + v,
        gamma * op.A_adjoint(y) + z,
        steps=1000,
        tol=1e-13,
    )
    torch.testing.assert_close(closed, solved, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("kind", CLASSES)
def test_it_is_an_operator(kind):
    op = INSTANCES[kind]
    assert isinstance(op, Operator)
    assert is_linear(op) == isinstance(op, LinearOperator) == (kind in LINEAR)
    assert kind in LINEAR or kind in (Jpeg, operators.Composition)


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (7, 1), (9, 12)])
@pytest.mark.parametrize("kind", CLASSES)
def test_a_measurement_has_the_size_it_promises(kind, size):
    op = INSTANCES[kind]
    x = fitting(op, *size)
    y = op.A(x)
    assert tuple(y.shape[1:]) == measured(op, tuple(x.shape[1:]))
    assert y.shape[0] == x.shape[0]
    assert y.dtype == torch.float64
    whole = input_size(op, tuple(y.shape[-2:]))
    assert measured(op, (3, *whole)) == tuple(y.shape[1:])
    if is_linear(op):
        assert tuple(op.A_adjoint(y).shape) == (2, 3, *whole)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_batch_is_its_rows(kind):
    op = INSTANCES[kind]
    x = fitting(op, 8, 12, batch=3)
    y = op.A(x)
    torch.testing.assert_close(y, torch.cat([op.A(row[None]) for row in x]))
    if is_linear(op):
        back = op.A_adjoint(y)
        torch.testing.assert_close(back, torch.cat([op.A_adjoint(row[None]) for row in y]))
        near = prox_l2(op, x, y.flip(0), 2.0)
        rows = zip(x.split(1), y.flip(0).split(1), strict=True)
        torch.testing.assert_close(near, torch.cat([prox_l2(op, a, b, 2.0) for a, b in rows]))


@pytest.mark.parametrize("kind", LINEAR)
def test_it_is_linear_and_so_is_its_gradient(kind):
    op = INSTANCES[kind]
    x, other = fitting(op, 2, 4), fitting(op, 2, 4).flip(0)
    torch.testing.assert_close(op.A(2 * x - 3 * other), 2 * op.A(x) - 3 * op.A(other))
    assert torch.autograd.gradcheck(op.A, x.requires_grad_())
    y = op.A(x).detach().requires_grad_()
    assert torch.autograd.gradcheck(op.A_adjoint, y)
    (gradient,) = torch.autograd.grad(op.A(x), x, y)
    torch.testing.assert_close(gradient, op.A_adjoint(y))


@pytest.mark.parametrize("kind", LINEAR)
def test_gradients_go_through_the_prox(kind):
    op = INSTANCES[kind]
    z = fitting(op, 2, 2, batch=1)
    y = op.A(z.flip(-1)).requires_grad_()
    gamma = torch.tensor([[[[2.0]]]], dtype=torch.float64).requires_grad_()

    def near(z, y, gamma):
        return prox_l2(op, z, y, gamma, steps=500, tol=1e-14)

    assert torch.autograd.gradcheck(near, (z.requires_grad_(), y, gamma))


@pytest.mark.parametrize("kind", LINEAR)
def test_trust_can_differ_from_row_to_row(kind):
    op = INSTANCES[kind]
    z = fitting(op, 4, 6)
    y = op.A(z.flip(0))
    gamma = torch.tensor([0.5, 20.0], dtype=torch.float64).view(2, 1, 1, 1)
    both = prox_l2(op, z, y, gamma, tol=1e-12)
    one = prox_l2(op, z, y, 20.0, tol=1e-12)
    torch.testing.assert_close(both[1], one[1])
    assert (both[0] - one[0]).abs().max() > 1e-6
    torch.testing.assert_close(prox_l2(op, z, y, 0.0), z)


@pytest.mark.parametrize("kind", CLASSES)
def test_float32_stays_float32(kind):
    op = INSTANCES[kind]
    x = fitting(op, 6, 6)
    y = op.A(x.float())
    assert y.dtype == torch.float32
    assert (y - op.A(x)).abs().max() < (1e-5 if is_linear(op) else 0.05)
    if is_linear(op):
        assert prox_l2(op, x.float(), y, 2.0).dtype == torch.float32


@pytest.mark.parametrize("gamma", [-1.0, float("nan"), torch.tensor([[[[-1.0]]]])])
def test_no_trust_below_zero(gamma):
    x = torch.zeros(1, 3, 2, 2)
    with pytest.raises(ValueError, match="gamma"):
        prox_l2(GaussianBlur(1.0), x, x, gamma)


def test_what_is_not_linear_has_no_prox():
    x = torch.zeros(1, 3, 8, 8)
    with pytest.raises(ValueError, match="not linear"):
        prox_l2(Jpeg(50), x, x, 1.0)


def test_a_measurement_of_other_pictures_is_refused():
    op = compose(GaussianBlur(1.0), Downsample(4))
    with pytest.raises(ValueError, match="pictures"):
        prox_l2(op, torch.zeros(1, 3, 9, 9), torch.zeros(1, 3, 3, 3), 1.0)


class Doubled:
    """Another package's operator: nothing but the two methods."""

    def A(self, x):
        return 2 * x[..., ::2]

    def A_adjoint(self, y):
        return torch.stack([2 * y, 0 * y], -1).flatten(-2)


def test_two_methods_make_an_operator():
    op, z = Doubled(), random((1, 3, 2, 4))
    y = random((1, 3, 2, 2), seed=1)
    assert is_linear(op)
    assert measured(op, (3, 2, 4)) == (3, 2, 2) and input_size(op, (2, 2)) == (2, 4)
    x = prox_l2(op, z, y, 3.0, tol=1e-12)
    torch.testing.assert_close(x[..., 1::2], z[..., 1::2])
    torch.testing.assert_close(x[..., ::2], (z[..., ::2] + 6 * y) / 13)
    with_grey = compose(Grey(), op)
    assert isinstance(with_grey, LinearComposition)
    assert with_grey.A(z).shape == (1, 1, 2, 2)
    assert measured(with_grey, (3, 2, 4)) == (1, 2, 2) and input_size(with_grey, (2, 2)) == (2, 4)
