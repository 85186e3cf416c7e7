"""Answers that are no numbers: found at once, or one call later where looking would wait."""

import pytest
import torch
from conformance import loaded, noise

from dreamsampler.models import finite
from dreamsampler.models.errors import NetworkError


@pytest.fixture
def broken():
    """A prior whose network answers with NaN once a switch is set."""
    prior = loaded("sd15")
    prior.switch = False
    prior.network.register_forward_hook(
        lambda _, args, out: tuple(o * torch.nan for o in out) if prior.switch else out
    )
    return prior


def ask(prior):
    with torch.no_grad():
        return prior.predict(noise(prior, 1), prior.schedule(0.5), [prior.condition("a cat")])


def test_on_a_cpu_it_is_found_at_once(broken):
    ask(broken)
    broken.switch = True
    with pytest.raises(NetworkError, match=r"UNet2DConditionModel at t 0\.5.*weights are damaged"):
        ask(broken)


@pytest.mark.parametrize("what", ["predict", "encode", "decode"])
def test_where_looking_waits_it_is_found_by_the_next_call(broken, what, monkeypatch):
    monkeypatch.setattr(finite, "ASYNCHRONOUS", ("cpu",))
    broken.switch = True
    ask(broken)
    broken.switch = False
    calls = {
        "predict": lambda: ask(broken),
        "encode": lambda: broken.encode(torch.zeros(1, 3, 64, 64)),
        "decode": lambda: broken.decode(noise(broken, 1)),
    }
    with pytest.raises(NetworkError, match="UNet2DConditionModel"), torch.no_grad():
        calls[what]()
    ask(broken)  # and then it is forgotten
    with torch.no_grad():
        broken.decode(noise(broken, 1))


def test_a_nan_from_outside_is_not_blamed_on_the_weights(broken):
    with pytest.raises(NetworkError, match="its input had NaN"), torch.no_grad():
        z = noise(broken, 1) * torch.nan
        broken.predict(z, broken.schedule(0.5), [broken.condition("a cat")])
