"""The site builds, strictly, and no page of it asks anybody else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, (
        "\n".join(re.findall("WARNING.*|ERROR.*", built.stderr)) or built.stderr
    )
    return folder


def test_every_page_is_there(site):
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert {path.stem for path in site.glob("*.html")} == {*pages, "404"}
    made = {path.stem for path in (site / "generated").glob("*.html")}
    assert {"commands", "api", "contributing", "benchmarks", "bundled"} <= made


def test_no_page_loads_anything_from_elsewhere(site):
    loads = re.compile(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"?(https?:)?//", re.I)
    assert [path.name for path in site.rglob("*.html") if loads.search(path.read_text())] == []
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert not re.search(r"url\(['\"]?(https?:)?//", styles)


def test_commands_and_names_come_from_the_code(site):
    commands = (site / "generated" / "commands.html").read_text()
    assert "--guidance-scale" in commands and "dreamsampler make-scene" in commands
    for typed in ("INPUT", "MANIFEST", "-o, --output", "--no-solid"):  # as it is typed
        assert f"<code>{typed}</code>" in commands
    api = (site / "generated" / "api.html").read_text()
    for name in ("anchored_edit", "prox_l2", "DreamSamplerEditPipeline", "GaussianMixture"):
        assert 'id="dreamsampler.' in api and name in api


def test_examples_of_docstrings_are_code(site):
    api = (site / "generated" / "api.html").read_text()
    assert "<blockquote>" not in api  # what >>> becomes where it is read as text
    assert "initial_seed" in api


def test_links_out_of_the_pages_lead_to_copies(site):
    page = (site / "questions.html").read_text() + (site / "regularizers.html").read_text()
    assert "generated/contributing.html#add-a-regularizer" in page
    assert "../CONTRIBUTING.md" not in page


def test_the_map_of_equations_leads_to_functions_and_tests(site):
    page = (site / "method.html").read_text()
    assert 'href="generated/api.html#dreamsampler.guidance.guided.cfg_pp"' in page
    found = re.search(r'href="files/tests/test_identities.py.html#(__codelineno-0-\d+)"', page)
    source = (site / "files" / "tests" / "test_identities.py.html").read_text()
    assert found is not None and f'id="{found.group(1)}"' in source
    table = re.search(r"<table>.*?</table>", page, re.S).group(0)
    # every name leads somewhere
    assert "<code>" not in re.sub(r"<a .*?</a>", "", table, flags=re.S)
