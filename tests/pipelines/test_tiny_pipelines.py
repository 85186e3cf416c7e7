"""The tiny pipelines run: one of each kind here, all by `python -m tests.pipelines --all`."""

import pytest
import torch

from dreamsampler.models.libraries import quiet

from . import LEFT_OUT, TINY, build, exported

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


def test_every_exported_pipeline_is_built_or_left_out_for_a_reason():
    built = {tiny.kind for tiny in TINY.values()}
    assert exported() == built | LEFT_OUT.keys()
    assert built.isdisjoint(LEFT_OUT)
    assert built <= TINY.keys()
