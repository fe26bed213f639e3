"""Functions over a CLIP's parameters: which are in use, which are trained, which are frozen."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn.utils import parametrize

# The attribute in which `moving` stores a parameter's name
NAME = "name_in_model"
# The attribute in which `moving` stores whether a parameter belongs to a block, for optimizers that
# treat the matrices of blocks differently
IN_BLOCK = "in_block"


def weights_in_use(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters of the plain CLIP as the forward pass sees them, differentiable.

    The keys are their plain names. Where a tuning computes a weight from others, the computed
    weight is returned, and those it is computed from are left out.
    """
    used: dict[str, Tensor] = {}
    for path, module in model.named_modules():
        if ".parametrizations." in f".{path}.":
            continue
        own = [name for name, tensor in module._parameters.items() if tensor is not None]
        if parametrize.is_parametrized(module):
            own += module.parametrizations
        for name in own:
            used[f"{path}.{name}" if path else name] = getattr(module, name)
    return used


def named(part: object) -> str:
    """Return the name of a part, which is that of its file."""
    return type(part).__module__.rpartition(".")[2]


def freeze(model: nn.Module, which: Callable[[str], bool]) -> list[str]:
    """Freeze the parameters whose names `which` is true of.

    Returns the names of those that were trainable before, for `thaw`.

    Raises:
        ValueError: batch normalisation would be among them, whose statistics change in training
            even when its parameters are frozen.
    """
    stopped = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and which(name):
            stopped.append(name)
    owners = {name.rpartition(".")[0] for name in stopped}
    for path, module in model.named_modules():
        if path in owners and isinstance(module, nn.modules.batchnorm._BatchNorm):
            raise ValueError(
                f"{path} is a batch normalisation: it cannot be frozen. Use tuning 'full', "
                "or a ViT backbone."
            )
    for name in stopped:
        model.get_parameter(name).requires_grad_(False)
    return stopped


def thaw(model: nn.Module, names: Sequence[str]) -> None:
    """Make the named parameters trainable again."""
    for name in names:
        model.get_parameter(name).requires_grad_(True)


def moving(model: nn.Module) -> list[nn.Parameter]:
    """Return the trainable parameters, in the model's order.

    An optimizer is given no names, so each parameter is marked with its name, and with whether it
    belongs to a transformer block: this distinguishes a block's matrices from embeddings and
    projections.
    """
    parameters = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            setattr(parameter, IN_BLOCK, "blocks." in name)
            setattr(parameter, NAME, name)
            parameters.append(parameter)
    return parameters
