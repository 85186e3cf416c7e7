"""Every family against its own pipeline: the list of `conformance`, held here."""

import conformance
import families
import pytest

from dreamsampler.models.families import FAMILIES


@pytest.mark.parametrize("check", conformance.CHECKS)
@pytest.mark.parametrize("name", families.FAMILIES)
def test_it_conforms(name, check):
    measure, allowed = conformance.CHECKS[check]
    assert measure(name) <= allowed


def test_no_family_is_left_out():
    listed = {type(conformance.prior_of(name).family) for name in families.FAMILIES}
    assert listed == set(FAMILIES)
