import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import normal

from dreamsampler.maths import conjugate_gradient


def system(n, seed):
    a = normal(n, n, seed=seed)
    return a @ a.T + torch.eye(n, dtype=torch.float64)


@settings(max_examples=40)
@given(n=st.integers(1, 12), seed=st.integers(0, 50))
def test_it_solves(n, seed):
    m, b = system(n, seed), normal(3, n, seed=seed + 1)
    x = conjugate_gradient(lambda v: v @ m, b, steps=4 * n, tol=1e-12)
    torch.testing.assert_close(x @ m, b, rtol=1e-8, atol=1e-8)


def test_a_row_that_is_not_finite_comes_out_as_nan():
    b = torch.tensor([[8.0, 2.0], [torch.nan, 2.0], [torch.inf, 2.0]]).double()
    x = conjugate_gradient(lambda v: 4 * v, b)
    torch.testing.assert_close(x[0], b[0] / 4)
    assert x[1:].isnan().all()


def test_rows_do_not_know_each_other():
    """An easy row stands still, bit for bit, while a hard one goes on."""
    m, b = system(8, 3), normal(2, 8, seed=4)
    b[0] = 0
    b[0, 0] = 1e-3
    whole = conjugate_gradient(lambda v: v @ m, b, tol=1e-8)
    rows = [conjugate_gradient(lambda v: v @ m, b[i : i + 1], tol=1e-8) for i in range(2)]
    torch.testing.assert_close(whole, torch.cat(rows), rtol=1e-12, atol=1e-14)


def test_a_zero_right_hand_side_is_solved_by_zero():
    b = torch.zeros(1, 4, dtype=torch.float64)
    assert conjugate_gradient(lambda v: 2 * v, b).eq(0).all()


def test_a_good_first_guess_is_kept():
    b = normal(1, 4)
    torch.testing.assert_close(conjugate_gradient(lambda v: 2 * v, b, b / 2, steps=0), b / 2)
