"""Requests that the OpenAPI document allows, and some that it does not, made up by schemathesis."""

import dataclasses

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from studio_visitor import QUICK

schemathesis = pytest.importorskip("schemathesis")
positive_data_acceptance = pytest.importorskip(
    "schemathesis.specs.openapi.checks"
).positive_data_acceptance

EXAMPLES = 12
"""Of each operation."""
PATHS = """
/api/info /api/operators /api/files /api/files/{id} /api/examples /api/examples/{name} /api/recipe
/api/check /api/degrade /api/runs /api/runs/{id} /api/runs/{id}/events /api/runs/{id}/cancel
/api/runs/{id}/use /api/runs/{id}/{name}
"""


@pytest.fixture
def schema(studio, picture):
    """Of a studio with a finished run, which is listed."""
    visitor = studio()()
    visitor.run("edit", image=visitor.upload(picture), **QUICK)
    app = dataclasses.replace(visitor.client.app, hosts=None)
    return schemathesis.openapi.from_asgi("/api/openapi.json", app)


def test_every_answer_is_as_the_document_says(schema):
    """No error of the server, no status, type or shape of an answer that is not documented."""
    operations = [found.ok() for found in schema.get_all_operations()]
    assert {operation.path for operation in operations} == set(PATHS.split())
    for operation in operations:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case):
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        ask()
