"""A studio and a browser: Debian's Chromium, driven by playwright."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from dreamsampler import from_pretrained
from dreamsampler.interfaces.studio.server import Studio, opened

QUIET = ("quic", "gpu", "background-networking", "component-update", "sync")
FLAGS = ["--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{each}" for each in QUIET)]
SHOTS = os.environ.get("STUDIO_SHOTS")
"""Where screenshots go; none are made where this is not set."""

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A studio with the bundled model; its address."""
    studio = Studio(port=0, runs=tmp_path_factory.mktemp("runs"))
    with opened(studio, from_pretrained()) as url:
        yield url


@pytest.fixture(scope="session")
def browser():
    """One browser for all tests."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium")
    assert found, "no chromium: apt-get install chromium, then make test-ui"
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(server, browser):
    """Open the studio; afterwards nothing may have gone wrong, and no request elsewhere."""
    contexts, requests, errors = [], [], []

    def open_page(mode="edit", width=1280, height=900, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            accept_downloads=True,
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.set_default_timeout(60_000)
        page.goto(server)
        page.wait_for_selector("body[data-ready]")
        page.click(f"#mode-{mode}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    elsewhere = [url for url in requests if not url.startswith((server, "data:", "blob:"))]
    assert elsewhere == []
    assert errors == []


@pytest.fixture
def shot():
    """Save a screenshot of what a window shows."""

    def save(page, name):
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            page.wait_for_timeout(400)
            page.screenshot(path=f"{SHOTS}/{name}.png")

    return save
