"""Every family against its own pipeline: the list of `conformance`, held here."""

import conformance
import families
import pytest

from dreamsampler.models.families import FAMILIES, PixelUNet


@pytest.mark.parametrize("check", conformance.CHECKS)
@pytest.mark.parametrize("name", families.FAMILIES)
def test_it_conforms(name, check):
    if check == "long prompt" and name not in conformance.NATIVE:
        pytest.skip("its own pipeline cuts the prompt")
    measure, allowed = conformance.CHECKS[check]
    assert measure(name) <= allowed


def test_every_adapter_conforms():
    listed = {type(conformance.prior_of(name).family) for name in conformance.NATIVE}
    assert listed == set(FAMILIES) - {PixelUNet}  # see test_pixels
