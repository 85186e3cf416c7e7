"""What is known of a method: its function, its published settings, and when to use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, final

if TYPE_CHECKING:
    from dreamsampler.methods.inputs import Steps
    from dreamsampler.models.prior import Prior

MethodTask: TypeAlias = Literal["edit", "inpaint", "restore"]
Prompt: TypeAlias = Literal["used", "needed", "unused"]


@final
@dataclass(frozen=True)
class Method:
    """One method of one task.

    Args:
        task: edit, inpaint or restore.
        name: what a task takes as `method`.
        title: its name in tables.
        settings: option -> published value, None where the method decides. An option that is not
            in it is one the method does not have.
        paper: authors, title, venue (arXiv id).
        use: when to use it.
        evaluations: of the network, an image, at these settings; the most where a search may end
            earlier.
        function: "module:function", loaded on first use; it takes the task's inputs
            (`methods.inputs`) and settings, and returns the steps and their number. Left out it is
            `run` of the module with the method's name.
        draws: whether it draws noise, so that seeds make different pictures.
        source_prompt: whether it uses the source prompt, or cannot do without.
        negative_prompt: whether it uses a negative prompt.
        attention: whether it needs attention maps, which UNets have.
        table: whether it needs a schedule with a table of alphas_cumprod.
        linear: whether it needs a linear operator.
        reference: whether the model must take the source as a reference picture; it answers with a
            whole one.
        keeps_pixels: whether pixels of the source that did not change are put back at the end.
        toned: whether colors of a painted hole are shifted at the end to meet those around it.

    Example:
        >>> from dreamsampler.methods.registry import method
        >>> method("edit", "sdedit").settings["num_inference_steps"]
        50
    """

    task: MethodTask
    name: str
    title: str
    settings: Mapping[str, Any]
    paper: str
    use: str
    evaluations: int
    _: KW_ONLY
    function: str = ""
    draws: bool = True
    source_prompt: Prompt = "unused"
    negative_prompt: Prompt = "used"
    attention: bool = False
    table: bool = False
    linear: bool = False
    reference: bool = False
    keeps_pixels: bool = True
    toned: bool = False

    def load(self) -> Callable[[Any, Mapping[str, Any]], Steps]:
        """The function: (inputs, settings) -> (iterator of steps, number of steps)."""
        home = f"dreamsampler.methods.{self.task}.{self.name}:run"
        return resolve_name(self.function or home)

    def options(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """The settings with a caller's choices in place.

        Raises:
            ValueError: an option that the method does not have.
        """
        unknown = [name for name in chosen if name not in self.settings]
        if unknown:
            has = ", ".join(self.settings)
            raise ValueError(f"method {self.name} has no {unknown[0]}; it has {has}")
        return {**self.settings, **chosen}

    def start(self, inputs: Any, chosen: Mapping[str, Any] | None = None) -> Steps:
        """The steps, and how many there are; none at strength 0.

        Args:
            inputs: the task's (`methods.inputs`).
            chosen: options in place of the published ones.

        Raises:
            ValueError: an option that the method does not have, or a model it cannot use.
        """
        settings = self.options(chosen or {})
        if settings.get("strength") == 0:
            return iter(()), 0
        self.check_model(inputs.prior)
        return self.load()(inputs, settings)

    def check_model(self, prior: Prior) -> None:
        """Refuse a model that the method cannot use.

        Raises:
            ModelError: a network without attention maps for a method that needs them, or a model
                that takes no reference picture.
        """
        if self.reference and not getattr(prior, "references", False):
            from dreamsampler.models import ModelError

            raise ModelError(
                f"method {self.name}: {getattr(prior, 'name', None) or 'this model'} takes no "
                f"reference picture; take a model that edits by instruction ({EDITORS}), or the "
                "default method"
            )
        if not self.attention:
            return
        from dreamsampler.models import ModelError
        from dreamsampler.models.attention import check_attention
        from dreamsampler.models.counting import counted_family

        try:
            check_attention(counted_family(prior) or prior)
        except ModelError as error:
            raise ModelError(f"method {self.name}: {error}, or take the default method") from error


EDITORS = "FLUX.1 Kontext, FLUX.2, Qwen-Image-Edit, Z-Image Omni, InstructPix2Pix"
PAPER = "Kim, Park & Ye, DreamSampler, ECCV 2024 (arXiv:2403.11415)"
OURS = "this package"
DPIR = "Zhang et al., Plug-and-play image restoration, TPAMI 2021 (arXiv:2008.13751)"
DIFFPIR = "Zhu et al., DiffPIR, CVPR workshops 2023 (arXiv:2305.08995)"
DDNM = "Wang et al., DDNM, ICLR 2023 (arXiv:2212.00490)"
DPS = "Chung et al., Diffusion posterior sampling, ICLR 2023 (arXiv:2209.14687)"
PSLD = "Rout et al., PSLD, NeurIPS 2023 (arXiv:2307.00619)"
TREG = "Kim et al., TReg (arXiv:2311.15658)"
FLOWDPS = "Kim, Kim & Ye, FlowDPS (arXiv:2503.08136)"
