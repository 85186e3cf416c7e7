import pytest
import torch
from oracles import normal

from dreamsampler.generators import GeneratorVariable, LatentVariable, Variable


class Scaled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.psi = torch.nn.Parameter(normal(2, 3))

    def forward(self):
        return 2 * self.psi


def variable(update_steps=1, penalty=None, lr=0.1):
    generator = Scaled()
    optimizer = torch.optim.SGD(generator.parameters(), lr=lr)
    return generator, GeneratorVariable(
        generator, optimizer, update_steps=update_steps, penalty=penalty
    )


def test_both_are_variables():
    assert isinstance(LatentVariable(normal(1, 2)), Variable)
    assert isinstance(variable()[1], Variable)


def test_a_latent_variable_becomes_its_target():
    moved = LatentVariable(normal(1, 2))
    moved.update(normal(1, 2, seed=1))
    assert torch.equal(moved.latent(), normal(1, 2, seed=1))


def test_a_latent_has_no_graph():
    assert not variable()[1].latent().requires_grad


@pytest.mark.parametrize("rendered", [True, False])
def test_an_update_takes_exactly_its_gradient_steps(rendered):
    """psi <- psi - lr J^T (g(psi) - target), three times, rendered before or not."""
    generator, generated = variable(update_steps=3)
    psi, target = generator.psi.detach().clone(), normal(2, 3, seed=5)
    if rendered:
        generated.latent()
    generated.update(target)
    for _ in range(3):
        psi = psi - 0.1 * 2 * (2 * psi - target)
    torch.testing.assert_close(generator.psi.detach(), psi)


def test_a_penalty_joins_the_loss():
    generator, generated = variable(penalty=lambda: (generator.psi**2).sum())
    psi, target = generator.psi.detach().clone(), normal(2, 3, seed=5)
    generated.update(target)
    torch.testing.assert_close(
        generator.psi.detach(), psi - 0.1 * (2 * (2 * psi - target) + 2 * psi)
    )


def test_the_distance_falls():
    _, generated = variable(update_steps=5)
    target = normal(2, 3, seed=5)
    before = (generated.latent() - target).norm()
    generated.update(target)
    assert (generated.latent() - target).norm() < before


def test_no_steps_are_refused():
    with pytest.raises(ValueError, match="must be at least 1"):
        variable(update_steps=0)
