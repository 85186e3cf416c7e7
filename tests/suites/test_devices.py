"""Suites where the model lies on a device: what meets its tensors was brought there."""

from dataclasses import replace

import pytest
import torch
from far import Far, far_away

from benchmarks.records import png
from benchmarks.run import identity
from benchmarks.suites.editing import Editing
from benchmarks.suites.inpainting import Inpainting
from dreamsampler import from_pretrained

MIXED = {
    "editing": ["null-text inversion", "Prompt-to-Prompt", "DDS", "FlowEdit", "DreamSampler"],
    "inpainting": ["RePaint, tuned", "PSLD", "TReg", "FlowDPS"],
}
"""Rows of every kind: what needs gradients, masks, attention maps, noise of its own."""
SUITES = {"editing": Editing, "inpainting": Inpainting}
FEW = {"steps": 2, "inner_steps": 1}


def test_tensors_of_two_devices_do_not_meet():
    with far_away() as where:
        far = torch.ones(3).to(where)
        assert isinstance(far, Far) and far.device == where
        assert torch.equal((far * 2 + torch.tensor(1.0)).cpu(), torch.full((3,), 3.0))
        assert isinstance(torch.zeros(3, device=far.device), Far)
        for mixed in (lambda: far + torch.ones(3), lambda: torch.ones(3)[far > 0]):
            with pytest.raises(RuntimeError, match=r"add: tensors of two|indices should be"):
                mixed()
        with pytest.raises(TypeError, match="copy it to the CPU"):
            far.numpy()


@pytest.mark.parametrize("name", SUITES)
def test_rows_are_measured_where_the_model_lies_on_a_device(name, small):
    prior = from_pretrained(small, device="cpu")
    with far_away() as where:
        prior.to(where)
        assert next(prior.network.parameters()).device == where == prior.device
        suite, identified = SUITES[name](prior), identity(prior)
        assert len(identified["weights"]) == 16
        for row in suite.rows(MIXED[name], curves=False):
            few = {k: v for k, v in FEW.items() if k in row.settings}
            items = list(suite.protocol.items)[:1]
            (result,) = suite.measure(replace(row, settings={**row.settings, **few}), items)
            assert result.evaluations > 0 and png(result.picture), row.key
