"""Counts the bytes of tensors that are alive, on any device, also on PyTorch's meta device."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_ATTENTION_LOCK = threading.RLock()
"""One thread at a time replaces PyTorch's attention."""


@contextmanager
def count_memory(meta: bool = True) -> Iterator[MemoryCount]:
    """Inside, bytes of tensors that are made and still alive are counted.

    Args:
        meta: attention on meta tensors counts as its fused kernels; False for real tensors.
    """
    count = MemoryCount()
    with _fused_attention() if meta else nullcontext(), count:
        yield count


@final
class MemoryCount(TorchDispatchMode):
    """Counts the storages that operators make, until they are freed.

    Attributes:
        bytes: now.
        peak: the most of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes, self.peak = 0, 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            return 1  # a number that nobody knows
        output = func(*args, **(kwargs or {}))
        inputs = {_storage(t) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        for each in tree_leaves(output):  # a view of a weight takes nothing
            if isinstance(each, Tensor) and _storage(each) not in inputs:
                self._add(each.untyped_storage())
        return output

    def _add(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.bytes += size
        self.peak = max(self.peak, self.bytes)
        weakref.finalize(storage, self._remove, key, size)

    def _remove(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.bytes -= size


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


@contextmanager
def _fused_attention() -> Iterator[None]:
    """Attention on meta tensors as its fused kernels: no matrix of all pairs is kept.

    It replaces PyTorch's function, since a TorchFunctionMode is off when checkpoints are computed
    again; real tensors, of other threads, still go to PyTorch's.
    """

    def _attention(query: Tensor, key: Tensor, value: Tensor, *args: Any, **options: Any) -> Tensor:
        if query.is_meta:
            return _Attention.apply(query, key, value)
        return real(query, key, value, *args, **options)

    with _ATTENTION_LOCK:
        real = functional.scaled_dot_product_attention
        functional.scaled_dot_product_attention = _attention
        try:
            yield
        finally:
            functional.scaled_dot_product_attention = real


@final
class _Attention(torch.autograd.Function):
    """Fused attention by its shapes: the output, and what its backward keeps."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        output = query.new_empty(*query.shape[:-1], value.shape[-1])
        ctx.save_for_backward(query, key, value, output)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        del gradients
        query, key, value, _ = ctx.saved_tensors
        return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
