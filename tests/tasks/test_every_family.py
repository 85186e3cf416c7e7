"""Every preset of the task Edit, and methods of every kind, on every family: two or three steps."""

import families
import pytest
import torch
from conformance import noise, prior_of

from dreamsampler import Edit, LatentVariable, finish
from dreamsampler.guidance import cfg, conditional
from dreamsampler.maths import VariancePreserving, generators
from dreamsampler.methods.edit.sds import sds
from dreamsampler.methods.sampling import cfg_plus_plus, ddim, dpm_solver
from dreamsampler.models.prior import scale_for
from dreamsampler.samplers import flow_shifted, invert, trailing
from dreamsampler.tasks import Inpaint, Restore
from dreamsampler.tasks.data_consistency import first_guess

NAMES = list(families.FAMILIES)


@pytest.fixture
def picture(tmp_path):
    """A small picture whose sides are no multiples of anything."""
    from PIL import Image

    rng = torch.Generator().manual_seed(0)
    pixels = (torch.rand(27, 37, 3, generator=rng) * 255).byte().numpy()
    Image.fromarray(pixels).save(tmp_path / "in.png")
    return tmp_path / "in.png"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["default", "flowedit"])
def test_it_edits(name, method, picture):
    task = Edit(picture, "a dog", "a cat", method=method, num_inference_steps=2, size=64)
    run = task.start(prior_of(name)).run()
    (made,) = run.pictures()
    assert made.shape == (3, 27, 37)
    assert made.isfinite().all() and made.min() >= 0 and made.max() <= 1
    assert run.evaluations > 0


@pytest.mark.parametrize("name", NAMES)
def test_editing_to_what_is_there_changes_nothing(name, picture):
    task = Edit(picture, "a cat", "a cat", num_inference_steps=2, size=64)
    run = task.start(prior_of(name)).run()
    made, read = ((255 * x).round() for x in (run.pictures()[0], run.source.rgb))
    assert torch.equal(made, read)


@pytest.mark.parametrize("name", NAMES)
def test_the_paper_preset_needs_a_table(name, picture):
    prior = prior_of(name)
    task = Edit(picture, "a dog", method="dreamsampler", num_inference_steps=2, size=64)
    if isinstance(prior.schedule, VariancePreserving):
        assert task.start(prior).run().pictures()[0].isfinite().all()
    else:
        with pytest.raises(ValueError, match="table"):
            task.start(prior)


@pytest.fixture
def mask(tmp_path):
    """The left third of that picture, white."""
    from PIL import Image

    image = Image.new("L", (37, 27))
    image.paste(255, (0, 0, 12, 27))
    image.save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


@pytest.mark.parametrize("name", NAMES)
def test_it_inpaints(name, picture, mask):
    task = Inpaint(picture, "a dog", mask_image=mask, num_inference_steps=2, size=64)
    run = task.start(prior_of(name)).run()
    (made,) = run.pictures()
    assert made.isfinite().all() and run.evaluations > 0
    assert torch.equal(made[..., 12:], run.source.rgb[..., 12:])  # what is known stays
    assert not torch.equal(made[..., :12], run.source.rgb[..., :12])


def test_an_inpainting_network_is_shown_the_picture_without_the_hole(picture, mask):
    prior, shown = prior_of("sd15-inpaint"), []
    task = Inpaint(picture, "a dog", mask_image=mask, num_inference_steps=2, size=64)
    handle = prior.network.register_forward_pre_hook(
        lambda _, args, kwargs: shown.append(args[0]), with_kwargs=True
    )
    try:
        run = task.start(prior).run()
    finally:
        handle.remove()
    hole = run.fit.mask_to_latent(run.mask, 1, touched=True)
    x = run.fit.down(run.source.rgb[None])
    with torch.no_grad():
        known = prior.encode(x * (hole < 0.5))
    cells = torch.nn.functional.interpolate(hole, size=known.shape[2:])
    assert len(shown) == 2 and 0 < cells.mean() < 1
    for each in shown:
        assert each.shape[1] == 9
        for row in each:
            assert torch.equal(row[4:5], cells[0])
            assert torch.allclose(row[5:], known[0], atol=1e-5)


GUESSES = {}


@pytest.fixture
def guessed_once(monkeypatch):
    """The first guess asks no model, so that it is the same for all of them."""

    def guess(data):
        measured = data.y.numpy().tobytes()
        if measured not in GUESSES:
            GUESSES[measured] = first_guess(data)
        return GUESSES[measured]

    monkeypatch.setattr("dreamsampler.tasks.restore.run.first_guess", guess)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["default", "treg", "flowdps", "dps", "psld"])
def test_it_restores(name, method, picture, guessed_once):
    """To the picture, by the default method; what follows the steps asks no model."""
    task = Restore(
        picture, "blur(sigma=1)", prompt="a dog", method=method, num_inference_steps=2, size=64
    )
    run = task.start(prior_of(name)).run()
    assert run.preview(run.last).isfinite().all() and run.evaluations > 0
    if method == "default":
        (made,) = run.pictures()
        assert made.shape == (3, 27, 37) and made.isfinite().all()


@pytest.mark.parametrize("name", ["lcm", "flux-schnell"])
@pytest.mark.parametrize("steps", [1, 4, 8])
def test_a_model_of_few_steps_edits_and_inpaints_in_them(name, steps, picture, mask):
    prior = prior_of(name)
    edit = Edit(picture, "a dog", "a cat", num_inference_steps=steps, size=64)
    fill = Inpaint(picture, "a dog", mask_image=mask, num_inference_steps=steps, size=64)
    for task in (edit, fill):
        run = task.start(prior).run()
        assert run.pictures()[0].isfinite().all()
        assert 1 <= run.total <= steps
        assert run.evaluations <= 3 * steps


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_method_runs(name):
    prior, rng = prior_of(name), generators(0, images=1)
    eps = noise(prior, 1)
    cat, null = prior.condition("a cat"), prior.condition("")
    scale = scale_for(prior, None, 3.0)
    levels = trailing(prior.schedule, 3, start=0.97)
    with torch.no_grad():
        runs = {
            "ddim": ddim(prior, cat, null, eps, levels, scale),
            "dpm_solver": dpm_solver(prior, cat, null, eps, levels, scale),
            "cfg_plus_plus": cfg_plus_plus(prior, cat, null, eps, levels),
            "sds": sds(cfg(prior, cat, null, scale), LatentVariable(eps), levels, rng, 0.1),
            "invert": invert(conditional(prior, cat), eps, flow_shifted(prior.schedule, 3)[::-1]),
        }
        ends = {kind: run if not hasattr(run, "__next__") else finish(run).z0
                for kind, run in runs.items()}  # fmt: skip
    assert all(torch.as_tensor(end).isfinite().all() for end in ends.values())
