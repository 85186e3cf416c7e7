"""Damaged inputs, a full disk, a read-only disk, a limit on file sizes: what a batch makes of them.

Linux only; disks are mounted in a namespace of their own (`unshare`), which takes root or user
namespaces.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.batches import TINY, faults_of, half_files, make_rows, records
from benchmarks.report import header, line

ROWS = 30


def main() -> None:
    """Print one line a fault."""
    print(header("fault", "exit code", "lines of error", "its last line", "after it"))
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        home = Path(folder)
        _corrupt(home)
        manifest = make_rows(home / "in", ROWS)
        mount, larger = (
            "mount -t tmpfs -o size={size} none {disk}",
            "mount -o remount,size=8m {disk}",
        )
        _disk(home, manifest, "full disk", mount.replace("{size}", "200k"), larger)
        _disk(home, manifest, "disk that fills", mount.replace("{size}", "2m"), larger, fill=True)
        locked = "mount -t tmpfs -o size=8m none {disk} && mount -o remount,ro {disk}"
        _disk(home, manifest, "read-only disk", locked, "mount -o remount,rw {disk}")
        _disk(home, manifest, "file size limit", "ulimit -S -f 4", "ulimit -S -f unlimited")


def _command(manifest: Path, out: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "dreamsampler", "batch", str(manifest), "-o", str(out)),
        *("--model", str(TINY), "--resume"),
    ]


def _corrupt(home: Path) -> None:
    """Every tenth picture is cut short, emptied, overwritten or gone."""
    manifest = make_rows(home / "bad", ROWS)
    spoiled = {}
    for i, row in enumerate(range(0, ROWS, 10)):
        path = manifest.parent / f"p{row:03d}.png"
        data = path.read_bytes()
        path.write_bytes([data[: len(data) // 2], b"", b"\x89PNG garbage" * 9][i % 3])
        spoiled[row + 1] = path.name
    done = subprocess.run(_command(manifest, home / "out"), capture_output=True, text=True)
    rows = {each["row"]: each for each in records(home / "out")}
    failed = {row for row, each in rows.items() if each["status"] == "failed"}
    named = sum(spoiled[row] in rows[row]["error"] for row in failed & set(spoiled))
    good = ROWS - len(spoiled)
    kept = faults_of(home / "out", good)
    after = f"{len(rows) - len(failed)} of {good} good rows done, {named} of {len(spoiled)} named"
    _row(f"{len(spoiled)} of {ROWS} inputs damaged", done, f"{after}, {kept}")


FILL = "while [ $(wc -l <{ledger} || echo 0) -lt 5 ]; do sleep 0.05; done; cat /dev/zero >{disk}/f"
"""Take all that is left, once five rows are done."""


def _disk(
    home: Path, manifest: Path, name: str, break_it: str, repair: str, *, fill: bool = False
) -> None:
    """A batch on a broken disk; then the disk is repaired and the batch goes on."""
    disk = home / name.replace(" ", "-")
    disk.mkdir()
    out = disk / "out"
    run, code = shlex.join(_command(manifest, out)), home / "first"
    inspect = shlex.join([sys.executable, "-m", "benchmarks.suites.faults", str(out)])
    script = "\n".join(
        [
            break_it.format(disk=disk),
            f"({FILL.format(disk=disk, ledger=out / 'ledger.jsonl')}) 2>/dev/null &"
            if fill
            else "",
            f"{run} >/dev/null 2>{code}.err; echo $? >{code}.code",
            f"{inspect} >{code}.seen",
            repair.format(disk=disk),
            f"{run} >/dev/null 2>{code}.more; echo $? >{code}.again; {inspect} >{code}.end",
        ]
    )
    done = subprocess.run(["unshare", "-m", "bash", "-c", script], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr}")
    before, end = (json.loads(Path(f"{code}.{each}").read_text()) for each in ("seen", "end"))
    first = subprocess.CompletedProcess(
        [], int(Path(f"{code}.code").read_text()), "", Path(f"{code}.err").read_text()
    )
    again = Path(f"{code}.again").read_text().strip()
    after = f"{before['done']} rows done, {before['half']} half; repaired: exit {again}, {end}"
    _row(name, first, after)


def _row(name: str, done: subprocess.CompletedProcess[str], after: str) -> None:
    lines = done.stderr.strip().splitlines()
    said = lines[-1].replace("|", "/")[:150] if lines else ""
    print(line(name, done.returncode, len(lines), said, after), flush=True)


def _inspect(out: Path) -> None:
    """The state of a folder, as JSON."""
    if not out.is_dir():
        print(json.dumps({"done": 0, "half": 0}))
        return
    done = sum(each["status"] == "done" for each in records(out))
    state = faults_of(out, ROWS)
    print(json.dumps({"done": done, **state, "half": state["half"] + len(half_files(out))}))


if __name__ == "__main__":
    _inspect(Path(sys.argv[1]))
