"""What torch documents of operations whose bits differ from run to run on a GPU."""

import re
from collections.abc import Iterable

import torch

# Where torch lists what has a deterministic kernel that must be asked for, and what has none
ASKED_FOR = "act\n    deterministically when ``mode=True``:"
HAS_NONE = "throw a\n    :class:`RuntimeError` when ``mode=True``:"
# Of each entry of the second list that is about CUDA, the operations that it means
OPERATIONS: dict[str, tuple[str, ...]] = {
    "torch.nn.AvgPool3d": ("avg_pool3d_backward",),
    "torch.nn.AdaptiveAvgPool2d": ("_adaptive_avg_pool2d_backward",),
    "torch.nn.AdaptiveAvgPool3d": ("_adaptive_avg_pool3d_backward",),
    "torch.nn.AdaptiveMaxPool2d": ("adaptive_max_pool2d_backward",),
    "torch.nn.FractionalMaxPool2d": ("fractional_max_pool2d_backward",),
    "torch.nn.FractionalMaxPool3d": ("fractional_max_pool3d_backward",),
    "torch.nn.MaxUnpool1d": ("max_unpool2d",),
    "torch.nn.MaxUnpool2d": ("max_unpool2d",),
    "torch.nn.MaxUnpool3d": ("max_unpool3d",),
    "torch.nn.functional.interpolate": (
        "upsample_linear1d_backward",
        "upsample_bilinear2d_backward",
        "upsample_bicubic2d_backward",
        "upsample_trilinear3d_backward",
    ),
    "torch.nn.ReflectionPad1d": ("reflection_pad1d_backward",),
    "torch.nn.ReflectionPad2d": ("reflection_pad2d_backward",),
    "torch.nn.ReflectionPad3d": ("reflection_pad3d_backward",),
    # Of pictures of classes alone: a loss of rows is `nll_loss_forward`, which torch lets pass
    "torch.nn.NLLLoss": ("nll_loss2d_forward",),
    "torch.nn.CTCLoss": ("_ctc_loss_backward",),
    "torch.nn.EmbeddingBag": ("_embedding_bag_dense_backward",),
    "torch.Tensor.put_": ("put_", "put"),
    "torch.histc": ("histc",),
    "torch.bincount": ("bincount",),
    # With a dimension it returns the places, too
    "torch.median": ("median.dim", "nanmedian.dim"),
    "torch.nn.functional.grid_sample": ("grid_sampler_2d_backward", "grid_sampler_3d_backward"),
    "torch.Tensor.scatter_reduce": ("scatter_reduce", "scatter_reduce_"),
}
# Entries of that list about which nothing can be told from an operation's name
LEFT_OUT = {"torch.Tensor.resize_": "of quantized tensors, which nothing here has"}


def entries(title: str) -> list[str]:
    """Return the entries of one of torch's lists that hold for a GPU, by the name in each."""
    text = torch.use_deterministic_algorithms.__doc__
    assert text is not None and title in text, "torch's page is written otherwise now"
    body = (
        text.partition(title)[2].strip("\n").partition("\n\n    The")[0].partition("\n\n    In")[0]
    )
    names = []
    for entry in re.split(r"\n        \* ", "\n" + body):
        found = re.match(r":\w+:`([\w.]+)`", entry)
        of_another_device = "MPS" in entry and "CUDA" not in entry
        if found and not of_another_device:
            names.append(found[1])
    return names


def without_kernel(operations: Iterable[str]) -> list[str]:
    """Return those of some operations, as torch writes them, that differ from run to run."""
    known = {operation for each in OPERATIONS.values() for operation in each}
    found = []
    for operation in sorted(operations):
        _, name, overload = operation.split(".")
        if name in known or f"{name}.{overload}" in known:
            found.append(operation)
    return found
