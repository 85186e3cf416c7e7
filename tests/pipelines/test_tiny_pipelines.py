"""The tiny pipelines run: one of each kind here, all by `python -m tests.pipelines --all`."""

import pytest
import torch

from dreamsampler.models.libraries import quiet

from . import TINY, build

QUICK = [
    "StableDiffusionXLPipeline",
    "StableDiffusionControlNetPipeline",
    "FluxKontextPipeline",
    "QwenImageEditPipeline",
    "SanaPipeline",
]


@pytest.mark.parametrize("name", QUICK)
def test_its_own_run_gives_a_picture_and_the_same_again(name):
    pictures = []
    with quiet():
        for _ in range(2):
            pipe = build(TINY[name])
            pictures.append(pipe(**TINY[name].call(pipe))[0])
    assert pictures[0].shape == (1, 3, 64, 64)
    assert torch.equal(*pictures)
    assert pictures[0].std() > 0.01
