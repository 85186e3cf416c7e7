"""What a task would take, against what it takes."""

import families
import pytest
import torch
from conformance import folder_of, loaded, noise
from pipelines import TINY as PIPELINES
from pipelines import build
from tiny import TINY

from dreamsampler import Edit, from_pretrained
from dreamsampler.methods.registry import methods_of
from dreamsampler.models.budget import MetaModel
from dreamsampler.models.errors import ModelError
from dreamsampler.models.folder import networks
from dreamsampler.models.libraries import quiet
from dreamsampler.models.memory_count import count_memory
from dreamsampler.tasks import Restore
from dreamsampler.tasks.plan import make_plan


@pytest.fixture
def picture(tmp_path):
    from PIL import Image

    rng = torch.Generator().manual_seed(0)
    pixels = (torch.rand(40, 60, 3, generator=rng) * 255).byte().numpy()
    Image.fromarray(pixels).save(tmp_path / "in.png")
    return tmp_path / "in.png"


EDITS = [name for name, each in methods_of("edit").items() if not each.reference]


@pytest.mark.parametrize("method", EDITS)
def test_evaluations_and_steps_are_those_of_the_run(method, picture):
    source = "a cat" if methods_of("edit")[method].source_prompt != "unused" else None
    task = Edit(picture, "a dog", source, method=method, num_inference_steps=4, size=32)
    plan = make_plan(task, str(TINY), dtype="float32")
    run = task.start(from_pretrained(TINY, device="cpu")).run()
    assert (plan.evaluations, plan.steps) == (run.evaluations, run.total)
    assert plan.size == run.fit.padded
    assert not plan.gradients


def test_the_plan_of_an_edit_by_instruction(picture, tmp_path):
    """Of a folder whose pipeline takes the source as reference, and not of others."""
    with quiet():
        build(PIPELINES["FluxKontextPipeline"]).save_pretrained(tmp_path / "model")
    task = Edit(picture, "a dog", method="instruct", num_inference_steps=2, size=64)
    plan = make_plan(task, str(tmp_path / "model"), dtype="float32")
    run = task.start(from_pretrained(tmp_path / "model", device="cpu")).run()
    assert (plan.evaluations, plan.steps) == (run.evaluations, run.total)
    assert plan.size == run.fit.padded
    with pytest.raises(ModelError, match="takes no reference picture"):
        make_plan(task, str(folder_of("sd3")), dtype="float32")


@pytest.mark.parametrize("operator", ["none", "blur(sigma=2)"])
def test_the_plan_of_a_model_of_pixels(picture, operator):
    task = Restore(picture, operator, noise=0.02)
    plan = make_plan(task, "photo", dtype="float32")
    run = task.start(from_pretrained("photo", device="cpu")).run()
    assert (plan.evaluations, plan.steps, plan.size) == (run.evaluations, run.total, (40, 60))
    assert plan.peak > plan.weights > 0


def test_a_method_that_a_model_cannot_have_is_refused_by_the_plan(picture):
    task = Edit(picture, "a dog", method="ledits")
    with pytest.raises(ModelError, match=r"method ledits: .* a SD3Transformer2DModel has none"):
        make_plan(task, str(folder_of("sd3")), dtype="float32")


@pytest.mark.parametrize("name", families.FAMILIES)
def test_weights_are_those_of_the_files(name):
    skeleton, prior = MetaModel(folder_of(name), torch.float32), loaded(name)
    side = 2 * prior.multiple
    budget = skeleton.budget(2, side, side)
    modules = {**prior.family.encoders, "vae": prior.vae, "denoiser": prior.network}
    weights = sum(w.numel() for m in modules.values() for w in m.parameters())
    assert sum(part.parameters for part in budget.parts) == weights
    assert [part.name for part in budget.parts] == networks(folder_of(name))
    assert budget.weights == 4 * weights
    assert budget.network > 0 and budget.encode > 0 and budget.decode > 0
    assert skeleton.budget(2, side, side, gradients=True).network > budget.network


@pytest.mark.parametrize("name", ["sd15", "flux-dev"])
def test_the_memory_of_a_forward_is_that_of_the_real_one(name):
    """The same count on tensors with numbers: the meta device leaves nothing out."""
    prior = loaded(name)
    size = 16 * prior.factor
    said = MetaModel(folder_of(name), torch.float32).budget(2, size, size).network
    z, told = noise(prior, 2, 16, 16), prior.condition("a cat")
    asked = []
    handle = prior.network.register_forward_pre_hook(
        lambda _, args, options: asked.append((args, options)), with_kwargs=True
    )
    with torch.no_grad():
        prior.predict(z, prior.schedule(0.5), [told])
        handle.remove()
        args, options = asked[-1]
        with count_memory(meta=False) as count:  # of this thread
            prior.network(*args, **options)
    assert said == pytest.approx(count.peak, rel=0.25)


def test_a_view_of_a_weight_takes_nothing():
    layer = torch.nn.Linear(1000, 10)
    with count_memory(meta=False) as count, torch.no_grad():
        torch.nn.functional.linear(torch.ones(2, 1000), layer.weight.t().t(), layer.bias)
    assert 4 * 2000 <= count.peak < 4 * 3000  # the ones and the answer, not 4 * 10000


def test_a_device_that_is_too_small_is_told_what_to_do(picture):
    task = Edit(picture, "a dog", "a cat", num_inference_steps=2, size=64)
    free = make_plan(task, str(TINY))
    assert free.fits is None
    roomy = make_plan(task, str(TINY), memory=free.peak)
    assert roomy.fits and roomy.lines()[-1].startswith("fits")
    tight = make_plan(task, str(TINY), memory=free.peak - 1)
    assert not tight.fits and tight.lines()[-1].startswith("pass ")
    assert tight.lines()[-2].startswith("does not fit")
    hopeless = make_plan(task, str(TINY), memory=1)
    assert "take a smaller size" in hopeless.lines()[-1]


def test_a_task_with_gradients_takes_more(picture):
    plans = {
        method: make_plan(
            Restore(picture, "blur(sigma=2)", method=method, num_inference_steps=2, size=64),
            str(TINY),
            dtype="float32",
        )
        for method in ("dps", "treg")
    }
    assert plans["dps"].gradients and not plans["treg"].gradients
    assert "with gradients" in "".join(plans["dps"].lines())
    assert plans["dps"].peak > plans["treg"].peak


def test_means_cost_less(picture):
    task = Edit(picture, "a dog", "a cat", num_inference_steps=2, size=64)
    plan = make_plan(task, str(TINY))
    peaks = [peak for _, peak in plan.means]
    assert peaks[-1] == min(peaks) < plan.peak
    assert make_plan(task, str(TINY), offload="model").peak < plan.peak


def test_what_cannot_be_meant(picture, tmp_path):
    task = Edit(picture, "a dog")
    with pytest.raises(ValueError, match="must be auto"):
        make_plan(task, str(TINY), dtype="int8")
    with pytest.raises(ModelError, match="no model_index"):
        make_plan(task, str(tmp_path))
