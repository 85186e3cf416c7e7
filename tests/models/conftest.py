"""The priors that every contract is held against, made from a 4 MB model of random weights."""

import copy
import shutil
from pathlib import Path

import pytest
import torch
from tiny import TINY, edit_json, open_pipe

from dreamsampler.maths import VariancePreserving
from dreamsampler.models import GaussianMixture
from dreamsampler.models.load import from_pretrained
from dreamsampler.models.pipe import from_pipe


@pytest.fixture(scope="session")
def tiny_folder():
    """A whole Stable Diffusion of random weights; read only."""
    return TINY


@pytest.fixture
def own_folder(tmp_path):
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(TINY, tmp_path / "model"))


@pytest.fixture(scope="session")
def v_folder(tmp_path_factory):
    """The same networks, configured to output v."""
    folder = Path(shutil.copytree(TINY, tmp_path_factory.mktemp("v") / "tiny-v"))
    edit_json(folder / "scheduler/scheduler_config.json", prediction_type="v_prediction")
    return folder


@pytest.fixture(scope="session")
def tiny():
    """The tiny prior, in float32 on the CPU."""
    return from_pretrained(TINY, device="cpu")


@pytest.fixture(scope="session")
def opened():
    """A diffusers pipeline of the tiny model; read only."""
    return open_pipe(TINY)


@pytest.fixture
def pipe(opened):
    """A copy of it, as a user has it."""
    return type(opened)(**copy.deepcopy(opened.components), requires_safety_checker=False)


@pytest.fixture(scope="session")
def iconic():
    """The bundled model, in float32 on the CPU."""
    return from_pretrained("iconic", device="cpu")


@pytest.fixture(scope="session", params=["mixture", "tiny", "tiny-v", "from_pipe"])
def prior(request, tiny, v_folder, opened):
    """One of all priors."""
    if request.param == "mixture":
        means = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        return GaussianMixture(means, std=0.3, schedule=VariancePreserving((0.9, 0.5, 0.1)))
    if request.param == "tiny":
        return tiny
    if request.param == "tiny-v":
        return from_pretrained(v_folder, device="cpu")
    return from_pipe(opened)


@pytest.fixture
def prompts(prior):
    """Three prompts that a prior understands; the first is the null prompt."""
    return ["", "1", "2"] if isinstance(prior, GaussianMixture) else ["", "a cat", "a dog"]
