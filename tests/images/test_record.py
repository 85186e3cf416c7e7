import json

import numpy as np
import pytest
import torch
from PIL import Image

from dreamsampler.files import OutputError
from dreamsampler.generators import LatentVariable
from dreamsampler.guidance import conditional
from dreamsampler.images.record import Recorder
from dreamsampler.maths import Estimate, Level, Step
from dreamsampler.models import GaussianMixture
from dreamsampler.samplers import dream


def step(index, value=0.0, batch=1, size=(32, 48)):
    z = torch.full((batch, 3, *size), float(value))
    return Step(index, Level(1 - index / 100, 0.6, 0.8), z, z, z, Estimate(z, z), z)


def preview(step):
    return step.z0


@pytest.mark.parametrize("steps", [1, 2, 5, 12, 13, 48, 49, 100, 777])
@pytest.mark.parametrize("every", [None, 7])
def test_frames_are_few_even_and_hold_both_ends(tmp_path, steps, every):
    asked = []

    def watch(step):
        asked.append(step.index)
        return step.z0

    record = Recorder(watch, every=every, frames=12)
    run = [step(i, i / steps, size=(4, 4)) for i in range(steps)]
    assert [step is kept for step, kept in zip(record(run), run, strict=True)] == [True] * steps
    assert asked == []
    assert len(record._kept) <= 49
    record.save(tmp_path)
    assert len(asked) <= 12
    assert (asked[0], asked[-1]) == (0, steps - 1)
    gaps = np.diff(asked[:-1])
    assert len(gaps) == 0 or gaps.max() <= 2 * gaps.min() + (every or 0)
    trace = json.loads((tmp_path / "steps.json").read_text())
    assert trace["steps"] == len(trace["trace"]) == steps
    assert trace["frames"] == asked


def test_watching_does_not_change_the_run():
    prior = GaussianMixture(torch.tensor([[2.0], [-2.0]]), std=0.1)
    start, levels = torch.zeros(1, 1), prior.schedule.grid(20, start=0.99)

    def run():
        return dream(conditional(prior, None), LatentVariable(start), levels, torch.ones(1, 1))

    seen = [step.z0.item() for step in Recorder(preview)(run())]
    assert seen == [step.z0.item() for step in run()]


def test_the_trace_says_what_happened(tmp_path):
    record = Recorder(preview)
    for _ in record([step(0, -0.5), step(1, 0.25), step(2, 0.25)]):
        pass
    record.save(tmp_path)
    rows = json.loads((tmp_path / "steps.json").read_text())["trace"]
    assert [row["change"] for row in rows] == [None, 0.75, 0.0]
    assert rows[0]["z0"] == {"mean": -0.5, "rms": 0.5, "min": -0.5, "max": -0.5}
    assert (rows[1]["t"], rows[1]["alpha"], rows[1]["sigma"]) == (0.99, 0.6, 0.8)
    assert all(row["seconds"] >= 0 for row in rows)


def test_the_pictures_show_the_frames(tmp_path):
    record = Recorder(preview, frames=4)
    values = [-1, -0.3, 0.4, 1]
    for _ in record([step(i, value) for i, value in enumerate(values)]):
        pass
    record.save(tmp_path / "new" / "folder")
    strip = np.asarray(Image.open(tmp_path / "new" / "folder" / "steps.png")).astype(int)
    animation = Image.open(tmp_path / "new" / "folder" / "steps.gif")
    assert animation.n_frames == 4
    column = (strip.shape[1] - 4) // 4
    for i, value in enumerate(values):
        want = round((value + 1) * 127.5)
        assert abs(strip[4 + 16, 4 + i * column + (column - 4) // 2] - want).max() <= 1
        animation.seek(i)
        assert abs(np.asarray(animation.convert("RGB")).astype(int)[16, 24] - want).max() <= 3
    assert animation.info["duration"] > 1000
    animation.seek(0)
    assert animation.info["duration"] < 200


def test_batches_and_large_pictures_stay_small(tmp_path):
    record = Recorder(preview)
    for _ in record([step(0, 0, batch=6, size=(300, 900))]):
        pass
    record.save(tmp_path)
    assert Image.open(tmp_path / "steps.gif").size == (192, 4 * 64)


def test_nan_is_null_in_the_trace(tmp_path):
    record = Recorder(preview)
    for _ in record([step(0, float("nan"))]):
        pass
    record.save(tmp_path)
    assert json.loads((tmp_path / "steps.json").read_text())["trace"][0]["z0"]["mean"] is None


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match="at least 2 frames"):
        Recorder(preview, frames=1)
    with pytest.raises(ValueError, match="nothing was recorded"):
        Recorder(preview).save(tmp_path)
    (tmp_path / "file").write_bytes(b"x")
    record = Recorder(preview)
    list(record([step(0)]))
    with pytest.raises(OutputError, match="is a file"):
        record.save(tmp_path / "file")
