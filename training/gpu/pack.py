"""Pack what a machine without packages needs for gpu_run.sh: icons, drawings, wheels.

    python -m training.gpu.pack --out .gpu --wheels DIR

`icons/` holds the three packages with nothing but the icons in use, `glyphs.npz` drawings of
the concepts, `site.tar.xz` the wheels unpacked (diffusers, resvg_py and what else is missing there)
for its PYTHONPATH.
"""

import argparse
import io
import json
import tarfile
import tempfile
import zipfile
from pathlib import Path

from training.autoencoder.render import plain_names
from training.data.concepts import icon_names
from training.data.icons import SETS, load_set, pack_drawings

NEEDED = ("icons", "width", "height", "prefix")


def pack_icons(folder: Path, out: Path) -> None:
    """Smaller packages: icons.json alone, of the icons that are used, under the same names."""
    out.mkdir(parents=True, exist_ok=True)
    for style, start in SETS.items():
        data = {k: v for k, v in load_set(folder, style).items() if k in NEEDED}
        used = {*plain_names(data), *icon_names()}
        data["icons"] = {name: data["icons"][name] for name in sorted(used)}
        body = json.dumps(data, separators=(",", ":")).encode()
        entry = tarfile.TarInfo("package/icons.json")
        entry.size = len(body)
        with tarfile.open(out / f"{start}0.tgz", "w:xz") as archive:
            archive.addfile(entry, io.BytesIO(body))


def pack_wheels(folder: Path, out: Path) -> None:
    """All wheels of a folder, unpacked into one archive, without what only developers need."""
    with tempfile.TemporaryDirectory() as name:
        for wheel in sorted(folder.glob("*.whl")):
            zipfile.ZipFile(wheel).extractall(name)
        with tarfile.open(out, "w:xz") as archive:
            archive.add(name, "site")


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--icons", type=Path, default=Path("training/runs/icons"))
    parser.add_argument("--wheels", type=Path, help="folder of wheels for that machine's Python")
    parser.add_argument("--out", type=Path, default=Path(".gpu"))
    args = parser.parse_args()
    pack_icons(args.icons, args.out / "icons")
    pack_drawings(args.icons, args.out / "glyphs.npz")
    if args.wheels:
        pack_wheels(args.wheels, args.out / "site.tar.xz")
    for path in sorted(args.out.rglob("*")):
        if path.is_file():
            print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
