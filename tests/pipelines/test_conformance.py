"""The page of conformance: a dozen of its rows again, and all of its names."""

import pytest

from benchmarks.conformance import conform
from benchmarks.conformance_page import CHECKS, CLOSE, PAGE, listed

from . import exported

QUICK = [
    "FluxControlPipeline",
    "IFPipeline",
    "KolorsPipeline",
    "StableDiffusionInpaintPipeline",
    "CogView4Pipeline",
    "PixArtSigmaPipeline",
    "SanaSprintPipeline",
    "StableDiffusion3Pipeline",
    "StableDiffusionControlNetPipeline",
    "StableDiffusionPipeline (IP-Adapter)",
    "StableDiffusionXLPAGPipeline",
    "ZImagePipeline",
]


@pytest.mark.parametrize("name", QUICK)
def test_a_driven_pipeline_does_what_its_own_call_does(name):
    row = conform(name)
    assert row.refused == "" and row.equal
    assert row.cells["gradient"] == "yes"
    assert row.cells["batch"] < CLOSE
    assert row.cells["estimate"] == "-" or row.cells["estimate"] < CLOSE
    assert not [check for check in CHECKS if str(row.cells[check]).startswith("no:")]


def test_the_page_lists_what_the_installed_diffusers_exports():
    assert listed(PAGE.read_text(encoding="utf-8")) == exported()
