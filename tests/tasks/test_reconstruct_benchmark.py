"""The benchmark of scenes: an answer a file, measured once; tables and sheet of what there is."""

import json

import pytest
from tiny import TINY

from benchmarks.reconstruct import main
from benchmarks.reconstruct_table import tables

SMALL = ["--model", str(TINY), "--size", "32", "--views", "2", "--held-out", "3", "--toys", "duck"]
QUICK = ["--steps", "2", "--inner-steps", "1", "--num-inference-steps", "1", "--strength", "0.9"]


@pytest.mark.parametrize("degradation", ["blur", "masked"])
def test_every_answer_is_measured_once(degradation, tmp_path, capsys):
    asked = [*SMALL, *QUICK, "--degradations", degradation, "--out", str(tmp_path / "runs")]
    asked += ["--answers", "plain", "data", "dream"] if degradation == "blur" else []
    main([*asked, "--sheet", str(tmp_path / "sheet.png")])
    names = ["plain", "data", "dream"] + ["views"] * (degradation == "masked")
    said = capsys.readouterr().out
    assert [said.count(f"32-{degradation}-duck-{name}: ") for name in names] == [1] * len(names)
    rows = [
        json.loads((tmp_path / f"runs/32-{degradation}-duck-{name}.json").read_text())
        for name in names
    ]
    assert all(0 < row["psnr"] < 60 and -1 <= row["ssim"] <= 1 for row in rows)
    assert f"| {degradation} | 1 | {rows[0]['psnr']:.2f} ({rows[0]['ssim']:.3f})" in said
    assert (tmp_path / "sheet.png").is_file()
    main(asked)
    assert " dB, " not in capsys.readouterr().out, "nothing is measured again"


def test_a_gain_is_that_over_beta_zero(tmp_path):
    for answer, psnr in (("data", 30.0), ("dream", 31.5)):
        row = {"degradation": "x4", "toy": "car", "answer": answer, "psnr": psnr, "ssim": 0.9}
        (tmp_path / f"64-x4-car-{answer}.json").write_text(json.dumps({**row, "seconds": 2.0}))
    assert "| x4 | car | - | 30.00 | 31.50 | +1.50 | - |" in tables(tmp_path, 64)
    assert "| x4 | 1 | - | 30.00 (0.900) | 31.50 (0.900) | +1.50 | - | - / 2 / 2 / - |" in tables(
        tmp_path, 64
    )
