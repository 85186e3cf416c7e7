"""What all suites share: protocols, records, intervals, tuned rows, the front, the tables."""

import json
from dataclasses import replace

import pytest
import torch

from benchmarks.metrics import CEILING, background, preservation, psnr, seam, ssim, tone
from benchmarks.protocol import FROZEN, HERE, Item, Protocol, frozen
from benchmarks.records import Records, Result, Row
from benchmarks.report import Column, against_front, label, paired, table
from benchmarks.run import grouped, pending
from benchmarks.stats import bootstrap, difference, front, points, tuned
from benchmarks.suites import cost, editing, inpainting, radiance, restoration, vectorization
from benchmarks.suites.collapse import SHARES, diversity, mixture
from benchmarks.suites.pie_bench import Folder
from benchmarks.suites.rows import editing_rows
from dreamsampler.files import InputError, sha256
from dreamsampler.images.picture import open_picture


@pytest.mark.parametrize("suite", [editing, inpainting, restoration, vectorization, radiance])
def test_a_frozen_protocol_is_what_its_files_make(suite):
    """Whoever changes a picture, a prompt or a mask has to freeze anew, and so to say it."""
    name = suite.__name__.rpartition(".")[2]
    protocol = frozen(name)
    assert protocol.digest == suite.freeze().digest
    assert len({item.id for item in protocol.items}) == len(protocol.items) > 20
    protocol.check(protocol.items)


def test_the_digest_is_of_all_that_is_measured_and_of_nothing_else():
    protocol = frozen("editing")
    assert replace(protocol, folder=HERE / "elsewhere").digest == protocol.digest
    assert replace(protocol, version=protocol.version + 1).digest != protocol.digest
    assert replace(protocol, measures={**protocol.measures, "top-1": 2}).digest != protocol.digest
    other = replace(protocol.items[0], seed=99)
    assert replace(protocol, items=(other, *protocol.items[1:])).digest != protocol.digest
    text = (FROZEN / "editing.json").read_text()
    assert json.loads(text)["items"][0]["id"] == protocol.items[0].id


def test_a_changed_picture_is_refused(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(b"a picture")
    item = Item("a", "a.png", sha256(file), 0)
    protocol = Protocol("editing", 1, {}, "", (item,), tmp_path)
    protocol.check([item])
    file.write_bytes(b"another")
    with pytest.raises(InputError, match="changed since the protocol editing was frozen"):
        protocol.check([item])


def records(folder, version=1, model="m"):
    items = tuple(Item(str(i), "a.png", "", i) for i in range(3))
    return Records(folder, Protocol("editing", version, {}, "", items), {"name": model})


def test_a_run_goes_on_where_it_ended(tmp_path):
    row, made = Row("a", "A", "published", {"steps": 3}), records(tmp_path)
    items = list(made.protocol.items)
    made.write(row, items[1], Result({"x": 1.0}, 5, 0.1, torch.zeros(3, 4, 4)))
    assert [[i.id for i in batch] for _, batch in pending(made, [row], items, 5)] == [["0", "2"]]
    assert made.picture(row, items[1]).is_file()
    for other in (records(tmp_path, version=2), records(tmp_path, model="another")):
        assert other.read(row, items[1]) is None, "never mixed with what may not be compared"
    assert made.read(replace(row, settings={"steps": 4}), items[1]) is None
    path = tmp_path / "records" / "a" / "1.json"
    path.write_text(path.read_text()[:40])
    assert made.read(row, items[1]) is None, "half a record is none"


def test_all_rows_of_an_item_are_measured_in_a_row_where_items_are_alone(tmp_path):
    rows, made = [Row(k, k, "published", {}) for k in "ab"], records(tmp_path)
    items = list(made.protocol.items)
    alone = grouped(list(pending(made, rows, items, 1)), 1)
    told = [[(row.key, item.id) for row, (item,) in group] for group in alone]
    assert told == [[("a", i), ("b", i)] for i in "012"]
    assert [len(group) for group in grouped(list(pending(made, rows, items, 2)), 2)] == [1] * 4


def test_what_a_row_makes_besides_lies_beside_its_picture(tmp_path):
    row, made = Row("a", "A", "published"), records(tmp_path)
    item = made.protocol.items[0]
    made.write(row, item, Result({"x": 1.0}, 5, 0.1, torch.zeros(3, 4, 4), {"svg": b"<svg/>"}))
    assert made.picture(row, item).with_suffix(".svg").read_bytes() == b"<svg/>"


def test_the_truth_of_a_scene_is_rendered_as_it_was_frozen():
    for toy in sorted({item.more["toy"] for item in frozen("radiance").items}):
        frozen_picture = open_picture(HERE / "scenes" / f"{toy}.png").rgb
        assert (radiance.truth_of(toy)[1] - frozen_picture).abs().max() <= radiance.NEAR


def test_bootstrap_covers_the_mean_and_knows_pairs():
    rng = torch.Generator().manual_seed(0)
    hits = 0
    for _ in range(100):
        x = torch.randn(30, generator=rng, dtype=torch.float64).tolist()
        found = bootstrap(x, draws=500)
        hits += found.low <= 0 <= found.high
        assert found == bootstrap(x, draws=500)
    assert 0.88 <= hits / 100 <= 0.99
    a = torch.randn(30, generator=rng, dtype=torch.float64)
    assert difference((a + 1).tolist(), a.tolist()).half < 1e-9, "what both share cancels"
    with pytest.raises(ValueError, match="at least one item"):
        bootstrap([])


def record(like, kept, evaluations=10):
    return {"measures": {"like": like, "kept": kept}, "evaluations": evaluations, "seconds": 1.0}


def test_a_table_names_the_best_and_leaves_out_what_nobody_measured():
    columns = (
        Column("like", "like %", ".0f", 100),
        Column("CLIP", "CLIP", ".1f"),
        Column("kept", "gap", ".1f", 1, False),
        Column("evaluations", "evaluations", ".0f", 1, None),
    )
    text = table([("A", [record(1, 4)] * 3), ("B", [record(0, 2)] * 3)], columns)
    lines = text.splitlines()
    assert lines[0] == "| method | like % | gap | evaluations |"
    assert lines[2] == "| A | **100 ± 0** | 4.0 ± 0.0 | 10 |"
    assert lines[3] == "| B | 0 ± 0 | **2.0 ± 0.0** | 10 |"


def test_tuned_rows_are_never_judged_at_a_setting_chosen_by_themselves():
    soft = [record(0.9, 30), record(0.0, 30), record(0.9, 30), record(0.0, 30)]
    strong = [record(0.9, 10), record(0.9, 10), record(0.9, 10), record(0.9, 10)]
    got = tuned([soft, strong], [0.8] * 4, "like", "kept")
    assert got[1] is soft[1], "odd pictures: soft was enough, and kept more, on the even ones"
    assert got[0] is strong[0], "even pictures: soft was not enough on the odd ones"


def test_the_front_and_where_we_stand():
    rows = [Row(k, k.upper(), "published", {}) for k in ("a", "b", "c", "us")]
    found = {
        "a": [record(0.5, 30)] * 4,
        "b": [record(0.8, 20)] * 4,
        "c": [record(0.4, 25)] * 4,
        "us": [record(0.8, 23)] * 4,
    }
    every = points(rows, found, "like", "kept")
    assert [p.row.key for p in front(every)] == ["us", "a"]
    (line,) = against_front(rows, found, lambda row: row.key == "us", "like", "kept")
    assert "on or above the front of the others by +3.0 [+3.0, +3.0]" in line
    (line,) = against_front(rows[:3], found, lambda row: row.key == "c", "like", "kept")
    assert "behind the front of the others by -5.0" in line
    (line,) = against_front(rows[1:3], found, lambda row: row.key == "b", "like", "kept")
    assert "nobody else is as like" in line


def test_every_point_of_the_cost_suite_is_a_task_that_can_be_done():
    suite = cost.Cost(None)
    kinds = {"paths": "Vectorize", "views": "Reconstruct"}
    rows = suite.rows(None, curves=True)
    assert len({row.key for row in rows}) == len(rows)
    for row in (row for row in rows if row.kind not in ("rasterized", "start")):
        with cost.task_of(row, suite.protocol.items[1]) as task:
            task.check()
            assert type(task).__name__ == kinds.get(row.kind, "Edit") and task.seed == 1
            if row.kind == "views":
                assert len(task.shots()) == row.settings["views"]


def test_every_setting_of_every_row_can_be_told():
    for row in editing_rows():
        said = label(row)
        assert all(f"{name} {_short(value)}" in said for name, value in row.settings.items())


def _short(value):
    return value if isinstance(value, str) else format(value, "g")


def test_rows_are_compared_picture_by_picture():
    ours, theirs = [record(0, 10), record(0, 50)], [record(0, 8), record(0, 48)]
    assert paired(ours, {"them": theirs}, "kept") == "them +2.0 [+2.0, +2.0]"


def test_preservation_looks_at_the_background_only():
    source, ground = torch.rand(3, 32, 32), torch.zeros(1, 32, 32)
    ground[:, :16] = 1
    changed = torch.where(ground == 1, source, 1 - source)
    kept = preservation(changed, source, ground)
    assert kept == {"background dB": CEILING, "background SSIM": pytest.approx(1)}
    noisy = preservation((source + 0.1 * ground).clamp(max=2), source, ground)
    assert noisy["background dB"] == pytest.approx(20, abs=1e-3)


def test_psnr_and_ssim_of_several_pictures_are_their_means(rng):
    a, b = torch.rand(2, 2, 3, 24, 24, generator=rng)
    for metric in (psnr, ssim):
        mean = (metric(a[0], b[0]) + metric(a[1], b[1])) / 2
        assert metric(a, b) == pytest.approx(mean, rel=1e-5)
    assert psnr(a[0], a[0] + 0.1) == pytest.approx(20, abs=1e-4) and ssim(a, a) == 1


def test_a_seam_is_a_step_beyond_those_beside_it():
    hole = torch.zeros(1, 16, 16)
    hole[:, 4:12, 4:12] = 1
    ramp = torch.linspace(0, 1, 16).expand(3, 16, 16)
    assert abs(seam(ramp, hole)) < 1e-6
    assert seam(ramp + 0.2 * hole, hole) == pytest.approx(0.2, abs=0.05)


def test_tone_sees_a_hole_of_another_shade_but_not_another_thing():
    hole = torch.zeros(1, 64, 64)
    hole[:, 16:48, 20:44] = 1
    ground = torch.full((3, 64, 64), 0.4)
    soft = torch.nn.functional.avg_pool2d(hole[None], 5, 1, 2)[0]
    assert tone(ground, hole) == 0 == tone(ground + 0.5 * hole, hole)
    assert tone(ground + 0.08 * hole, hole) == pytest.approx(0.08, abs=1e-4)
    assert 0.02 < tone(ground + 0.08 * soft, hole) < 0.08, "a smoothed edge"
    ramp = torch.linspace(0, 1, 64).expand(3, 64, 64)
    assert abs(tone(ramp, hole)) < 0.02, "no more than elsewhere"
    assert tone(ground, torch.ones(1, 64, 64)) == 0, "no edge"


def test_the_background_is_what_has_the_color_of_the_border_but_near_the_object():
    x = torch.full((3, 32, 32), 0.5)
    x[:, 10:20, 12:22] = 0.9
    found = background(x)
    wide = torch.zeros(1, 32, 32)
    wide[:, 8:22, 10:24] = 1
    assert torch.equal(found, 1 - wide)


def test_diversity_is_right_about_the_truth_and_about_a_collapse():
    prior, n = mixture(), 4000
    rng = torch.Generator().manual_seed(0)
    which = torch.multinomial(SHARES, n, replacement=True, generator=rng)
    noise = torch.randn(n, 2, generator=rng, dtype=torch.float64)
    true = diversity(prior.means[which] + prior.std * noise)
    assert true["modes"] == 8 and true["distance"] < 0.04
    assert true["width"] == pytest.approx(1, abs=0.03)
    one = diversity(prior.means[:1].repeat(50, 1))
    assert one["modes"] == 1 and one["width"] == 0
    assert one["distance"] == pytest.approx(1 - SHARES[0].item())


def test_a_folder_in_pie_bench_layout(tmp_path):
    from PIL import Image

    (tmp_path / "annotation_images" / "x").mkdir(parents=True)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "annotation_images" / "x" / "a.jpg")
    entry = {
        "image_path": "x/a.jpg",
        "original_prompt": "a [cat] on  grass",
        "editing_prompt": "a [dog] on grass",
        "mask": [512 * 256, 512 * 128],  # a quarter of the rows, from the middle on
    }
    (tmp_path / "mapping_file.json").write_text(json.dumps({"000": entry}))
    folder = Folder(tmp_path)
    (item,) = folder.items
    assert (item.source_prompt, item.target_prompt) == ("a cat on grass", "a dog on grass")
    ground = folder.ground(item)
    assert ground.shape == (1, 64, 64)
    assert ground[0, 33:47].sum() == 0 and ground[0, 10, 10] == 1
    folder.protocol().check(folder.items)
    entry["image_path"] = "../../secret.jpg"
    (tmp_path / "mapping_file.json").write_text(json.dumps({"000": entry}))
    with pytest.raises(InputError, match="not in PIE-Bench's layout"):
        Folder(tmp_path)
    with pytest.raises(InputError, match="not in PIE-Bench's layout"):
        Folder(tmp_path / "nowhere")
