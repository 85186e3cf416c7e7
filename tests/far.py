"""A device that is not there: its tensors say where they lie, and refuse to meet those of the CPU.

They are computed on the CPU all the same, so that a machine without a GPU finds what would fail on
one with it. The device is called `meta`, the only one that every build of torch has guards for.
"""

import contextlib

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

WHERE = torch.device("meta")
MOVES = {"copy_", "_to_copy"}
INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}
"""Operations whose indices may lie on the CPU."""


class Far(torch.Tensor):
    """A tensor of that device."""

    @staticmethod
    def __new__(cls, held):
        size = {"strides": held.stride(), "storage_offset": held.storage_offset()}
        kind = {"dtype": held.dtype, "layout": held.layout, "device": held.device}
        made = cls._make_wrapper_subclass(cls, held.size(), **size, **kind, dispatch_device=True)
        made.held = held
        return made

    def numpy(self, *_, **__):
        raise TypeError("can't convert a tensor of a device to numpy: copy it to the CPU first")

    __array__ = numpy

    def tolist(self):
        return self.detach().held.tolist()

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _done(function, args, kwargs or {})


class _Near(TorchDispatchMode):
    """Sees what makes tensors of nothing, and what moves those of the CPU."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _done(function, args, kwargs or {})


def _done(function, args, kwargs):
    name = function._schema.name.split("::")[1]
    if function is torch.ops.prim.device.default:
        return WHERE
    far = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Far)]
    _check(name, args, kwargs, far)
    asked = kwargs.get("device")
    if asked is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    given = tree_map(lambda x: x.held if isinstance(x, Far) else x, (args, kwargs))
    found = function(*given[0], **given[1])
    if name.endswith("_") and not name.startswith("__"):  # in place
        return args[0]
    there = bool(far) if asked is None else torch.device(asked).type == WHERE.type
    if not there:
        return found
    known = {id(x.held): x for x in far}

    def wrapped(x):
        return known.get(id(x), Far(x)) if type(x) is torch.Tensor else x

    return tree_map(wrapped, found)


def _check(name, args, kwargs, far):
    """RuntimeError where a GPU would raise one; a number of the CPU may meet anything."""
    near = [x for x in tree_leaves((args, kwargs)) if type(x) is torch.Tensor and x.dim()]
    if name in INDEXED:
        mixed = far and not isinstance(args[0], Far)
        told = "indices should be on the CPU"
    else:
        mixed, told = far and near and name not in MOVES, "tensors of two devices"
    if mixed:
        raise RuntimeError(f"{name}: {told}")


@contextlib.contextmanager
def far_away():
    """Inside, `meta` is a device like a GPU."""
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with _Near():
            yield WHERE
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)
