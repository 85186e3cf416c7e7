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
from types import ModuleType
from typing import Any, final

COMPILER = "torch._dynamo"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside, diffusers and transformers log errors only and draw no bars; afterwards as before.

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
            library.setLevel(logging.ERROR)
        for log in (diffusers_log, transformers_log):
            if log.is_progress_bar_enabled():
                log.disable_progress_bar()
                stack.callback(log.enable_progress_bar)
        yield


@contextlib.contextmanager
def fast_imports() -> Iterator[None]:
    """Inside, imports do not load PyTorch's compiler and do not wait for the garbage collector.

    Both libraries import `torch._dynamo`, a second of work, for three decorators that only matter
    to compiled networks. A stand-in has those; any other name in it loads the real package. What
    is imported stays until the process ends, so the collector is spared it: 0.5 s of start-up, and
    0.8 s at the end.
    """
    first, collects = "diffusers" not in sys.modules, gc.isenabled()
    stand_in = None
    if COMPILER not in sys.modules:
        stand_in = sys.modules[COMPILER] = _Compiler(COMPILER)
    gc.disable()
    try:
        if first:
            importlib.import_module("diffusers.models.modeling_utils")
            importlib.import_module("transformers.modeling_utils")
            gc.freeze()
        yield
    finally:
        if stand_in is not None and sys.modules.get(COMPILER) is stand_in:
            del sys.modules[COMPILER]
        if collects:
            gc.enable()


@final
class _Compiler(ModuleType):
    """torch._dynamo with three decorators; any other name loads the real package."""

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
