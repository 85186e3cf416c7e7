"""One tiny model, one small picture, and visitors of a studio."""

from contextlib import ExitStack

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from studio_visitor import Visitor
from tiny import TINY

from dreamsampler.interfaces.studio.server import Studio, make_application


@pytest.fixture(scope="session")
def model():
    from dreamsampler import from_pretrained

    return from_pretrained(TINY)


@pytest.fixture(scope="session")
def picture(tmp_path_factory):
    """A file of 48 x 40 pixels, every one different."""
    y, x = np.mgrid[:40, :48]
    path = tmp_path_factory.mktemp("pictures") / "cat.png"
    Image.fromarray(np.stack([x * 5, y * 6, (x * y) % 256], -1).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def studio(model, tmp_path):
    """Open studios in this process: options -> a function that makes visitors."""
    with ExitStack() as stack:

        def opened(loaded=None, **options):
            folder = tmp_path / f"files-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            if not options.get("share_nothing"):
                options.setdefault("runs", tmp_path / "runs")
            made = Studio(port=0, **options)
            app, services = make_application(made, loaded or model, folder.resolve())
            stack.callback(services.submissions.worker.stop, 5)

            def visitor(**headers):
                client = TestClient(app, "http://127.0.0.1:7860", headers=headers)
                return Visitor(client)

            visitor.services = services
            return visitor

        yield opened
