"""ComfyUI's MODEL, VAE and CONDITIONING as a prior; inside its engine: tests/comfyui_engine."""

import json

import pytest
import torch
from comfyui_objects import STD, Vae, install, objects

from dreamsampler.images.picture import Picture
from dreamsampler.images.save import save_picture
from dreamsampler.interfaces.comfyui.nodes import NODE_CLASS_MAPPINGS
from dreamsampler.interfaces.comfyui.prior import ComfyPrior
from dreamsampler.maths import Level
from dreamsampler.models import GaussianMixture, ModelError
from dreamsampler.models.prior import Guiding, Inpainting, Prior, scale_for

MEANS = torch.tensor([1.0, 0.0, -1.0])


@pytest.fixture
def calls(monkeypatch):
    return install(monkeypatch)


@pytest.fixture(params=[False, True], ids=["noise", "flow"])
def prior(request, calls):
    return ComfyPrior(*objects(flow=request.param))


def conditions(prior):
    return [prior.condition(f"CONDITIONING {name}") for name in ("positive", "negative", "source")]


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_it_is_a_prior(prior):
    assert isinstance(prior, Prior) and isinstance(prior, Guiding) and isinstance(prior, Inpainting)
    assert (prior.factor, prior.multiple, prior.native_size) == (8, 16, 512)
    assert prior.condition(None) is prior.condition("") is prior.condition("CONDITIONING negative")


def test_estimates_are_those_of_the_gaussian(prior, calls):
    """At levels of the table, between them, above and below it, and of another schedule."""
    exact = GaussianMixture(MEANS.view(3, 1, 1, 1).expand(3, 4, 4, 6), STD, prior.schedule)
    z = normal(2, 4, 4, 6)
    levels = [prior.schedule(t) for t in (1.0, 0.505, 0.01, 0.004)]
    for level in (*levels, Level(0.5, 0.6, 0.8), Level(0.3, 0.7, 0.3)):
        calls.clear()
        found = prior.predict(z, level, conditions(prior))
        assert [len(each) for each in calls] == [3]
        below = level.s < prior.schedule(0.01).s
        for ours, theirs in zip(found, exact.predict(z, level, [0, 1, 2]), strict=True):
            far = 0.02 if below else 1e-5
            assert torch.allclose(ours.z0, theirs.z0, atol=far)
            assert torch.allclose(level.alpha * ours.z0 + level.sigma * ours.eps, z, atol=1e-5)
            assert below or torch.allclose(ours.eps, theirs.eps, atol=1e-4)


def test_a_clean_level_has_finite_estimates(prior):
    (found,) = prior.predict(normal(1, 4, 4, 6), Level(0.0, 1.0, 0.0), conditions(prior)[:1])
    assert torch.equal(found.z0, normal(1, 4, 4, 6))
    assert found.eps.isfinite().all()


def test_latents_of_their_own_are_asked_for_one_after_another(prior, calls):
    first, second = normal(1, 4, 4, 6), normal(1, 4, 4, 6, seed=1)
    one, two, three = conditions(prior)
    level = prior.schedule(0.5)
    found = prior.predict([first, second, first], level, [one, two, three])
    assert [len(each) for each in calls] == [2, 1]
    assert prior.evaluations == 3
    for z, condition, estimate in zip(
        (first, second, first), (one, two, three), found, strict=True
    ):
        assert torch.equal(prior.predict(z, level, [condition])[0].z0, estimate.z0)
    with pytest.raises(ValueError, match="2 latent batches came for 1 conditions"):
        prior.predict([first, second], level, [one])


def test_the_schedule_is_the_table(prior):
    table = prior._sampling.sigmas.tolist()
    for n, sigma in enumerate(table, 1):
        level = prior.schedule(n / 100)
        assert (level.flow if prior._flow else level.s) == pytest.approx(sigma, rel=1e-5)


def test_pictures_are_not_clamped_and_gradients_pass_through_weights_of_inference_mode(prior):
    x, level = 3 * normal(1, 3, 32, 48), prior.schedule(0.5)
    weights = [*prior._network.parameters(), *prior._vae.first_stage_model.parameters()]
    assert all(weight.is_inference() for weight in weights)
    assert prior.decode(normal(1, 4, 4, 6)).abs().max() > 1
    condition = conditions(prior)[0]
    for function, at in (
        (prior.encode, x),
        (prior.decode, normal(1, 4, 4, 6)),
        (lambda z: prior.predict(z, level, [condition])[0].z0, normal(1, 4, 4, 6)),
    ):
        assert not function(at).is_inference() and not function(at).requires_grad
        point, way = at.clone().requires_grad_(), normal(*at.shape, seed=2)
        made = function(point)
        (gradient,) = torch.autograd.grad(made.sum(), point)
        ahead = function((point + way).detach()).sum()
        assert torch.allclose((gradient * way).sum(), ahead - made.sum(), atol=1e-3)
    now = [*prior._network.parameters(), *prior._vae.first_stage_model.parameters()]
    assert all(a is b for a, b in zip(weights, now, strict=True))


def test_what_cannot_be_differentiated_says_so(prior, monkeypatch):
    def in_place(x, sigma, c_crossattn):
        made = (x * 2).exp()
        made += 1
        return made

    monkeypatch.setattr(prior._network, "apply_model", in_place)
    with pytest.raises(ModelError, match=r"no gradients pass .* take a method without them"):
        prior.predict(
            normal(1, 4, 4, 6).requires_grad_(), prior.schedule(0.5), conditions(prior)[:1]
        )


def test_an_inpainting_network_is_shown_the_picture_without_its_holes(calls):
    prior = ComfyPrior(*objects(extra=5))
    assert prior.inpaints and not ComfyPrior(*objects(extra=4)).inpaints
    x, mask = normal(1, 3, 32, 48), torch.zeros(1, 1, 32, 48)
    mask[:, :, 8:24, 8:24] = 1
    condition = prior.inpainting_condition(prior.condition(None), x, mask)
    prior.predict(normal(1, 4, 4, 6), prior.schedule(0.5), [condition])
    ((entry,),) = calls
    known = prior._vae.encode(((x * (1 - mask)).movedim(1, -1) + 1) / 2)
    assert torch.allclose(entry["concat_latent_image"], known, atol=1e-6)
    assert entry["prompt_type"] == "negative" and torch.equal(entry["concat_mask"], mask)


def test_a_network_that_takes_its_scale_as_input_is_not_guided_by_default(calls):
    assert scale_for(ComfyPrior(*objects(embedded=True)), None, 5.0) == 1
    assert scale_for(ComfyPrior(*objects()), None, 5.0) == 5


def frames(model, vae):
    model.latent_format.latent_dimensions = 3


def guided(model, vae):
    model.model_options["sampler_post_cfg_function"] = [print]


def wrapped(model, vae):
    model.wrappers = {"predict_noise": {None: [print]}}


def channels(model, vae):
    vae.latent_channels = 16


def empty(model, vae):
    vae.first_stage_model = None


def pixels(model, vae):
    vae.spacial_compression_encode = lambda: 1


def mapping(model, vae):
    model.model.model_sampling.calculate_input = lambda sigma, noise: noise


def table(model, vae):
    model.model.model_sampling.flow = True


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (frames, "makes no pictures"),
        (guided, "sampler_post_cfg_function.*connect the MODEL from before that node"),
        (wrapped, "predict_noise wrapper"),
        (channels, "latents of 16 channels, MODEL Network of 4: connect the VAE"),
        (empty, "the VAE has no weights"),
        (pixels, "works on pixels"),
        (mapping, "does not denoise"),
        (table, "no shift of a flow gives"),
        (lambda model, vae: (vae, vae, {"negative": []}), "model is a Vae, but must be a MODEL"),
    ],
)
def test_what_the_loop_cannot_run_is_refused_in_one_line(change, words):
    model, vae, wired = objects()
    given = change(model, vae) or (model, vae, wired)
    with pytest.raises(ModelError, match=words) as caught:
        ComfyPrior(*given)
    assert "\n" not in str(caught.value)


def call(node, model, vae, wired, **values):
    cls = NODE_CLASS_MAPPINGS[node]
    inputs = cls.INPUT_TYPES()
    both = {**inputs["required"], **inputs["optional"]}
    widgets = {name: w[-1]["default"] for name, w in both.items() if "default" in w[-1]}
    quick = {"num_inference_steps": 3, "size": 48}
    with torch.inference_mode():
        return getattr(cls(), cls.FUNCTION)(
            model=model, vae=vae, **wired, **widgets | quick | values
        )


def picture():
    return torch.rand(1, 40, 48, 3, generator=torch.Generator().manual_seed(0))


def test_the_nodes_take_them(calls):
    for node in ("Edit", "Inpaint", "Restore", "Vectorize"):
        inputs = NODE_CLASS_MAPPINGS[f"DreamSampler{node}"].INPUT_TYPES()
        assert inputs["required"]["model"] == ("DREAMSAMPLER_MODEL,MODEL",)
        kinds = {
            name: inputs["optional"].get(name, [None])[0] for name in ("vae", "positive", "source")
        }
        source = "CONDITIONING" if node in ("Edit", "Vectorize") else None
        assert kinds == {"vae": "VAE", "positive": "CONDITIONING", "source": source}


def test_an_edit_follows_positive_and_keeps_what_source_shares(calls):
    model, vae, wired = objects()
    image = picture()
    made, recipe = call("DreamSamplerEdit", model, vae, wired, image=image)
    evaluations = sum(len(each) for each in calls)
    assert (made - image).mean() > 0.02  # from mean -1 to mean 1
    same = {**wired, "source": wired["positive"]}
    kept, one = call("DreamSamplerEdit", model, vae, same, image=image)
    assert torch.equal(kept, image)
    assert json.loads(one)["options"]["source_prompt"] == "CONDITIONING positive"
    recipe = json.loads(recipe)
    assert recipe["options"]["prompt"] == "CONDITIONING positive"
    assert recipe["options"]["source_prompt"] == "CONDITIONING source"
    assert "cannot rebuild" in recipe["model"]["comfyui"]
    assert recipe["model"]["conditioning"].keys() == wired.keys()
    assert recipe["evaluations"] == evaluations == 9


def test_a_replay_says_that_the_workflow_is_needed(calls, cli, tmp_path):
    _, recipe = call("DreamSamplerEdit", *objects(), image=picture())
    like = Picture(picture()[0].permute(2, 0, 1))
    save_picture(tmp_path / "out.png", like.rgb, like, json.loads(recipe))
    result = cli("replay", "out.png")
    assert result.code == 2 and "run that workflow again" in result.err
    assert result.err.count("\n") == 1


def test_inpaint_and_restore_need_no_words(calls):
    model, vae, wired = objects()
    del wired["source"]
    mask = torch.zeros(1, 40, 48)
    mask[:, 8:32, 8:32] = 1
    made, _ = call("DreamSamplerInpaint", model, vae, wired, image=picture(), mask=mask)
    assert torch.equal(made[:, mask[0] == 0], picture()[:, mask[0] == 0])
    assert not torch.equal(made, picture())
    null = {"negative": wired["negative"]}
    made, recipe = call(
        "DreamSamplerRestore", model, vae, null, image=picture(), operator="blur(1)"
    )
    assert made.isfinite().all() and json.loads(recipe)["options"]["prompt"] is None


@pytest.mark.parametrize(
    ("change", "values", "words"),
    [
        ({"positive": None}, {}, "a MODEL came without positive: connect"),
        ({"negative": None, "vae": None}, {}, "a MODEL came without vae and negative"),
        ({}, {"prompt": "a dog"}, "prompt came as text, but a MODEL takes CONDITIONING"),
        ({}, {"negative_prompt": "blurry"}, "negative_prompt came as text"),
        ({}, {"method": "prompt_to_prompt"}, "method prompt_to_prompt: attention control needs"),
        ({}, {"method": "null_text_inversion"}, "null-text inversion moves the embeddings"),
    ],
)
def test_inputs_that_do_not_belong_together_are_refused_in_one_line(calls, change, values, words):
    model, vae, wired = objects()
    wired |= {"vae": vae} | change
    with pytest.raises(ValueError, match=words) as caught:
        call("DreamSamplerEdit", model, wired.pop("vae"), wired, image=picture(), **values)
    assert "\n" not in str(caught.value)


def test_a_model_of_the_loader_has_its_own(calls):
    prior = GaussianMixture(torch.zeros(1, 3, 48, 48), 1.0)
    with pytest.raises(ValueError, match="vae and positive came with a model of the DreamSampler"):
        call("DreamSamplerEdit", prior, Vae(), {"positive": []}, image=picture(), prompt="0")
