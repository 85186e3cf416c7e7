"""The command line, run inside the test process so that torch is imported once."""

from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from tiny import TINY

from dreamsampler.interfaces.cli.main import main
from dreamsampler.interfaces.model_options import ModelOptions


class Completed(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def lines(self):
        """Lines on stderr."""
        return self.err.strip().splitlines()


LOADED = {}


@pytest.fixture(autouse=True)
def load_once(monkeypatch):
    """The tiny model without means of memory is loaded once: each command of a user loads it."""
    load = ModelOptions.load

    def loaded(options):
        plain = ModelOptions(options.model, dtype=options.dtype, device=options.device)
        if options != plain or options.model != str(TINY):
            return load(options)
        if options not in LOADED:
            LOADED[options] = load(options)
        return LOADED[options]

    monkeypatch.setattr(ModelOptions, "load", loaded)


@pytest.fixture
def cli(capsys, tmp_path, monkeypatch):
    """Run a command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capsys.readouterr()
        code = main([str(each) for each in arguments])
        return Completed(code, *capsys.readouterr())

    return run


@pytest.fixture
def picture(tmp_path):
    """A real picture file, 48 x 40 pixels, with every pixel different."""
    y, x = np.mgrid[:40, :48]
    rgb = np.stack([x * 5, y * 6, (x * y) % 256], -1).astype(np.uint8)
    (tmp_path / "in").mkdir()
    Image.fromarray(rgb).save(tmp_path / "in" / "cat.png")
    return tmp_path / "in" / "cat.png"
