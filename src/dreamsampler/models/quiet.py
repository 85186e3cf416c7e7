"""Third-party libraries, kept from talking over our own words."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside, diffusers and transformers log errors only and draw no bars; afterwards as before.

    Downloads still draw their bars: those take minutes and belong to the user.
    """
    import diffusers.utils.logging as diffusers_log
    import transformers.utils.logging as transformers_log

    libraries = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    levels = [library.level for library in libraries]
    drawn = [log for log in (diffusers_log, transformers_log) if log.is_progress_bar_enabled()]
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore", category=FutureWarning)
        warnings.simplefilter("ignore", category=DeprecationWarning)
        for library, level in zip(libraries, levels, strict=True):
            library.setLevel(logging.ERROR)
            stack.callback(library.setLevel, level)
        for log in drawn:
            log.disable_progress_bar()
            stack.callback(log.enable_progress_bar)
        yield
