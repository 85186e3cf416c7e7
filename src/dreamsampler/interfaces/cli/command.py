"""One task, from files to files."""

from __future__ import annotations

import gc
import json
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

from dreamsampler.files import OutputError, check_folder

if TYPE_CHECKING:
    from dreamsampler.interfaces.cli.progress import Bar
    from dreamsampler.models.load import Pretrained
    from dreamsampler.tasks.base import Asked, Task


@final
@dataclass(frozen=True)
class Where:
    """Which model, and where it runs."""

    model: str = "iconic"
    """iconic (comes with the package), an alias (sd15, sd21, ...), a hub id, a diffusers folder,
    or a .safetensors file"""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """precision of the networks; auto takes float16 for large models on CUDA, else float32"""
    device: str | None = None
    """such as cpu or cuda:1 (the best one there is, if left out)"""
    revision: str | None = None
    """branch, tag or commit of a hub model (an alias has its own, if left out)"""
    variant: str | None = None
    """which files of a hub model, such as fp16"""
    config: str | None = None
    """for a .safetensors file only: folder, alias or hub id of its configuration and tokenizer"""
    local_files_only: bool = False
    """never ask the network for a model"""
    lora: tuple[str, ...] = ()
    """.safetensors file of a LoRA, or FILE=STRENGTH, such as style.safetensors=0.7"""
    textual_inversion: tuple[Path, ...] = ()
    """.safetensors file of a learned word, which prompts then call <FILE> without its suffix"""
    distilled: Literal["turbo", "lcm", "lightning", "schnell", "none"] | None = None
    """how a model came to need few steps, where its name does not say it"""
    offload: Literal["model", "sequential"] | None = None
    """weights wait in main memory: whole networks, or layer by layer (least memory, slow)"""
    release_text_encoders: bool = False
    """forget the text encoders once the prompts are read"""
    tiling: int | None = None
    """side of the tiles, in pixels, in which pictures are encoded and decoded: less memory"""
    gradient_checkpointing: bool = False
    """less memory for gradients, for a third more time"""
    channels_last: bool = False
    """a memory layout; networks of 16 bits have it anyway"""
    compile: bool = False
    """torch.compile the network at its first use: worth it for many pictures"""
    preview: str | None = None
    """folder or hub id of a tiny autoencoder (TAESD) that draws the steps of --record"""

    def load(self) -> Pretrained:
        """The prior; imports torch and diffusers."""
        gc.disable()  # a million new objects and no garbage among them: 0.1 to 0.3 s
        from dreamsampler.models.load import from_pretrained

        gc.enable()
        return from_pretrained(
            self.model,
            dtype=self.dtype,
            device=self.device,
            revision=self.revision,
            variant=self.variant,
            config=self.config,
            local_files_only=self.local_files_only or None,
            lora=dict(map(strength, self.lora)),
            textual_inversion=self.textual_inversion,
            distilled=self.distilled,
            offload=self.offload,
            release_text_encoders=self.release_text_encoders,
            tiling=self.tiling,
            gradient_checkpointing=self.gradient_checkpointing,
            channels_last=self.channels_last or None,
            compile=self.compile,
            preview=self.preview,
        )


def strength(lora: str) -> tuple[str, float]:
    """A file and how strongly it is added: FILE, or FILE=STRENGTH.

    Raises:
        ValueError: a strength that is no number.

    Example:
        >>> strength("style.safetensors=0.7")
        ('style.safetensors', 0.7)
    """
    path, equals, number = lora.rpartition("=")
    if not equals or number.lower().endswith(".safetensors"):
        return lora, 1.0
    try:
        return path, float(number)
    except ValueError:
        raise ValueError(
            f"lora is {lora}, but must be FILE or FILE=STRENGTH, such as {path}=0.7"
        ) from None


@final
@dataclass(frozen=True)
class Output:
    """What is written, and what is said."""

    output: Path
    """file to write: .png, .jpg, .webp or .tif, of vectorize .svg; of several, OUT.png becomes
    OUT-0.png and OUT-1.png; an older file is replaced once the new one is whole"""
    no_metadata: bool = False
    """leave the recipe out of the file: no prompt, no file name, no version"""
    json: bool = False
    """print the recipe and the output paths as one JSON document"""
    debug: bool = False
    """show tracebacks, and the warnings of other packages"""


@final
@dataclass(frozen=True)
class Folder:
    """Where several files go, and what is said."""

    output: Path
    """folder to write; an older result in it is replaced once the new one is whole"""
    no_metadata: bool = False
    """leave the recipe out of the files: no prompt, no file name, no version"""
    json: bool = False
    """print the recipe and the output paths as one JSON document"""
    debug: bool = False
    """show tracebacks, and the warnings of other packages"""


@final
@dataclass(frozen=True)
class Record:
    """Whether the way to the result is kept."""

    record: Path | None = None
    """folder for a film strip, a GIF and the trace of the run"""


def perform(task: Task, output: Output | Folder, kept: Record, where: Where) -> None:
    """Check everything that is cheap to check, then load, run, write and tell.

    Args:
        task: what is wanted.
        output: the files, or their folder.
        kept: the folder of the record, if there shall be one.
        where: the model.
    """
    from dreamsampler.interfaces.cli.progress import Bar

    began = time.perf_counter()
    paths = task.outputs(output.output)
    check_files(task, paths, kept.record)
    with Bar() as bar:
        bar.stage(f"loading {where.model}")
        prior = where.load()
        recipe, record = produce(
            task,
            prior,
            output.output,
            bar,
            kept.record,
            load=time.perf_counter() - began,
            metadata=not output.no_metadata,
        )
    outputs = [str(path) for path in paths]
    if output.json:
        print(json.dumps({**recipe, "outputs": outputs, "record": [str(path) for path in record]}))
    else:
        total = time.perf_counter() - began
        counted = f"{recipe['evaluations']} network evaluations, {total:.1f} s"
        print("; ".join([f"{named(output, outputs)}: {counted}", *told(recipe["report"])]))


def named(output: Output | Folder, outputs: list[str]) -> str:
    """The files that were written, or their folder and how many they are."""
    if isinstance(output, Folder):
        return f"{output.output}/ ({len(outputs)} files)"
    return ", ".join(outputs)


def told(report: dict[str, Any]) -> list[str]:
    """A run's report, each entry in words.

    Example:
        >>> told({"residual": 0.0204, "noise": 0.02, "operator": "blur(sigma=3)"})
        ['residual 0.0204', 'noise 0.02', 'operator blur(sigma=3)']
    """
    return [
        f"{name.replace('_', ' ')} {value:.4g}"
        if isinstance(value, float)
        else f"{name.replace('_', ' ')} {value}"
        for name, value in report.items()
    ]


def produce(
    task: Task,
    prior: Pretrained,
    path: Path,
    bar: Bar,
    record: Path | None = None,
    *,
    load: float = 0.0,
    metadata: bool = True,
) -> tuple[dict[str, Any], list[Path]]:
    """Run a task on a loaded prior and write its pictures.

    Args:
        task: see `perform`.
        prior: the model.
        path: its name; several pictures get numbers.
        bar: shows how far it is.
        record: folder for the record of the run, if one is wanted.
        load: seconds that loading the model took, for the recipe.
        metadata: whether the files carry it.

    Returns:
        The recipe (without what differs from picture to picture), and the files of the record.
    """
    from dreamsampler.images.record import Recorder
    from dreamsampler.tasks.base import Fits, Recorded
    from dreamsampler.tasks.recipe import make_recipe, task_name

    bar.stage("reading and encoding")
    run = task.start(prior)
    if isinstance(run, Fits):
        for _ in bar.steps(run.fitting(), run.fits, "fit"):
            pass
    recorder = Recorder(run.preview) if record is not None else None
    moments: Iterable[Any] = run if recorder is None else recorder(run)
    for _ in bar.steps(moments, run.total, task_name(task)):
        pass
    bar.stage("decoding")
    run.pictures()  # now, so that the recipe knows how long it took
    recipe = make_recipe(task, run, prior, {"load": load})
    run.save(path, recipe if metadata else {})
    if recorder is None or record is None:
        return recipe, []
    bar.stage("drawing the record")
    own = run.record(record) if isinstance(run, Recorded) else []
    if run.total:
        return recipe, [*recorder.save(record), *own]
    if not own:
        warnings.warn(f"no step was taken, so {record} gets no record", stacklevel=2)
    return recipe, own


def check_files(task: Asked, paths: list[Path], record: Path | None = None) -> None:
    """Refuse inputs and outputs that cannot work, before anything expensive starts.

    Args:
        task: is asked to check itself and its input files.
        paths: where its pictures shall go.
        record: where its record shall go.

    Raises:
        ValueError: options that cannot be meant, or an input whose header says it is unusable.
        OutputError: an output that cannot be written, or that would replace an input.
    """
    from dreamsampler.images.save import check_output
    from dreamsampler.tasks.base import WritesFolder

    task.check()
    height, width = task.check_files()
    inputs = task.inputs()
    if getattr(task, "mask_image", None) and paths[0].suffix.lower() in (".jpg", ".jpeg"):
        warnings.warn(f"{paths[0]}: JPEG changes every pixel a little, masked or not", stacklevel=2)
    recorded = [] if record is None else _files_of(record, paths, getattr(task, "RECORDS", ()))
    for path in [*paths, *recorded]:
        if any(path.exists() and path.samefile(each) for each in inputs):
            raise OutputError(f"{path} would replace its own input: choose another output name")
    if record is not None:
        check_folder(record)
    if isinstance(task, WritesFolder):
        task.check_folder(paths[0].parent)
        return
    fits = getattr(task, "check_output", check_output)  # a task may write what is no picture
    for path in paths:
        fits(path, reserve=min(height * width * 4, 1 << 24) + (1 << 16))


def _files_of(record: Path, pictures: list[Path], more: Iterable[str]) -> list[Path]:
    """The files of a record, none of which is a picture of the task; `more` are the task's own."""
    from dreamsampler.images.record import FILES

    files = [record / name for name in (*FILES, *more)]
    for path in pictures:
        if path.resolve() in [file.resolve() for file in files]:
            raise OutputError(f"{path} is a file of the record too: choose another folder for it")
    return files
