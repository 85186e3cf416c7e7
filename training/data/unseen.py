"""Write the pictures of benchmarks/unseen_pairs.json, edits in styles that nothing was trained on.

    python -m training.data.unseen --icons FOLDER -o DATA
    python -m benchmarks editing --data DATA --published-only --methods DreamSampler -o runs/unseen

FOLDER holds the packages of `UNSEEN` (training/data/icons.py); DATA gets PIE-Bench's layout. The
edited region is the drawing; all of the picture where the background is to change.
"""

import argparse
import json
from pathlib import Path

from benchmarks.metrics import background, read
from benchmarks.protocol import listed
from benchmarks.suites.pie_bench import SIDE
from training.data.icons import UNSEEN, load_set
from training.data.pictures import picture, write


def runs(file: Path) -> list[int]:
    """Starts and lengths of what is no background, in 512 x 512 pixels, row by row."""
    inner = background(read(file))[0]
    scale = SIDE // inner.shape[-1]
    edited = (inner < 0.5).repeat_interleave(scale, 0).repeat_interleave(scale, 1).flatten()
    padded = [False, *edited.tolist(), False]
    edges = [i for i in range(len(padded) - 1) if padded[i] != padded[i + 1]]
    return [n for a, b in zip(edges[::2], edges[1::2], strict=True) for n in (a, b - a)]


def main() -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--icons", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    sets = {style: load_set(options.icons, style) for style in UNSEEN}
    folder, entries = options.output / "annotation_images", {}
    folder.mkdir(parents=True, exist_ok=True)
    for i, row in enumerate(listed("unseen_pairs.json")):
        name, ground = f"{i:02d}_{row['set']}_{row['icon']}.png", row["background"]
        write(picture(sets[row["set"]], row["icon"], ground), folder / name)
        target = row.get("target_background", ground)
        entries[f"{i:02d}"] = {
            "image_path": name,
            "original_prompt": f"{row['source']} on a {ground} background",
            "editing_prompt": f"{row['target']} on a {target} background",
            "mask": runs(folder / name) if target == ground else [0, SIDE * SIDE],
        }
    (options.output / "mapping_file.json").write_text(json.dumps(entries), encoding="utf-8")
    print(f"{options.output}: {len(entries)} pictures")


if __name__ == "__main__":
    main()
