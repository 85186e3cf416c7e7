"""diffusers and transformers: imported without what a prediction does not need, and silent."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import importlib.util
import logging
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any, final

COMPILER = "torch._dynamo"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside, diffusers and transformers log nothing and draw no bars; afterwards as before.

    They are imported here, by `fast_imports`. Downloads still draw their bars: those take minutes.
    """
    with fast_imports(), warnings.catch_warnings(), contextlib.ExitStack() as stack:
        import diffusers.utils.logging as diffusers_log
        import transformers.utils.logging as transformers_log

        warnings.simplefilter("ignore", category=FutureWarning)
        warnings.simplefilter("ignore", category=DeprecationWarning)
        for name in ("diffusers", "transformers"):
            library = logging.getLogger(name)
            stack.callback(library.setLevel, library.level)
            library.setLevel(logging.CRITICAL)
        for log in (diffusers_log, transformers_log):
            if log.is_progress_bar_enabled():
                log.disable_progress_bar()
                stack.callback(log.enable_progress_bar)
        yield


@contextlib.contextmanager
def fast_imports() -> Iterator[None]:
    """Inside, imports do not load PyTorch's compiler and do not wait for the garbage collector.

    Both libraries import `torch._dynamo`, a second of work, for three decorators that only matter
    to compiled networks. A stand-in has those; any other name in it loads the real package. (Where
    torchao is installed they import it, and it needs the real one.) What is imported stays until
    the process ends, so the collector is spared it: 0.5 s of start-up, and 0.8 s at the end.
    """
    first, collects = "diffusers" not in sys.modules, gc.isenabled()
    stand_in = None
    if COMPILER not in sys.modules and importlib.util.find_spec("torchao") is None:
        stand_in = sys.modules[COMPILER] = _Compiler(COMPILER)
    gc.disable()
    try:
        if first:
            with _without_peft():
                importlib.import_module("diffusers.models.modeling_utils")
                importlib.import_module("diffusers.loaders.peft")
                importlib.import_module("transformers.modeling_utils")
                loading: Any = importlib.import_module("diffusers.pipelines.pipeline_loading_utils")
                loading.is_peft_available = functools.partial(sys.modules.__contains__, "peft")
            gc.freeze()
        yield
    finally:
        if stand_in is not None and sys.modules.get(COMPILER) is stand_in:
            del sys.modules[COMPILER]
        if collects:
            gc.enable()


@contextlib.contextmanager
def _without_peft() -> Iterator[None]:
    """Inside, diffusers is imported without peft, which it has only for LoRAs: 0.3 s of start-up.

    Its class of LoRA layers is a stand-in until peft is imported. The networks of diffusers ask for
    it in every forward, to scale LoRAs; a scale of 1 leaves them as they are.
    """
    spec = None if "peft" in sys.modules else importlib.util.find_spec("peft")
    if spec is None:
        yield
        return
    names = ("peft", "peft.helpers", "peft.tuners", "peft.tuners.tuners_utils")
    parts = {name: ModuleType(name) for name in names}
    parts["peft"].__spec__ = spec
    parts["peft.helpers"].disable_input_dtype_casting = _disable_input_dtype_casting  # type: ignore
    parts["peft.tuners.tuners_utils"].BaseTunerLayer = _LoraLayer  # type: ignore
    sys.modules.update(parts)
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
    scaling: Any = importlib.import_module("diffusers.utils.peft_utils")
    for name in ("scale_lora_layers", "unscale_lora_layers"):
        setattr(scaling, name, _unless_one(getattr(scaling, name)))


def _unless_one(scale: Any) -> Any:
    """A function that scales LoRA layers by a weight, without peft where the weight is 1."""

    @functools.wraps(scale)
    def scaled(model: Any, weight: float | None = None) -> None:
        if weight is not None and weight != 1:
            scale(model, weight)

    return scaled


def _disable_input_dtype_casting(*args: Any, **options: Any) -> Any:
    return importlib.import_module("peft.helpers").disable_input_dtype_casting(*args, **options)


@final
class _LoraLayers(type):
    """Its classes have an instance if peft's has it."""

    def __instancecheck__(cls, instance: Any) -> bool:
        tuners = sys.modules.get("peft.tuners.tuners_utils")
        return tuners is not None and isinstance(instance, tuners.BaseTunerLayer)


@final
class _LoraLayer(metaclass=_LoraLayers):
    """peft's BaseTunerLayer: what is none of its class before peft is imported, never was one."""


@final
class _Compiler(ModuleType):
    """torch._dynamo with three decorators; any other name loads the real package.

    Before that is loaded there are no compiled modules.
    """

    eval_frame = SimpleNamespace(OptimizedModule=())

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = importlib.util.find_spec(name)
        self.__path__ = list((self.__spec__ and self.__spec__.submodule_search_locations) or ())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_real_compiler(), name)

    @staticmethod
    def allow_in_graph(decorated: Any) -> Any:
        """Nothing, as in diffusers without a compiler: such a class is traced into."""
        return decorated

    @staticmethod
    def assume_constant_result(function: Any) -> Any:
        """The mark that the real one makes."""
        function._dynamo_marked_constant = True
        return function

    @staticmethod
    def disable(
        function: Any = None, recursive: bool = True, *, reason: Any = None, wrapping: bool = True
    ) -> Any:
        """The function, disabled by the real one at each call."""
        del reason, wrapping
        if function is None:
            return functools.partial(_Compiler.disable, recursive=recursive)

        @functools.wraps(function)
        def _disabled(*args: Any, **kwargs: Any) -> Any:
            return _real_compiler().disable(function, recursive)(*args, **kwargs)

        return _disabled


def _real_compiler() -> Any:
    if isinstance(sys.modules.get(COMPILER), _Compiler):
        del sys.modules[COMPILER]
    return importlib.import_module(COMPILER)
