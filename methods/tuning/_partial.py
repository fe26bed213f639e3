"""Tunings that move some of the model's own parameters and add none."""

from torch import nn

from methods import Task, Tuning
from methods.parameters import freeze, moving, named, thaw


class Partial(Tuning):
    """A tuning that freezes what `moves` is not true of; a file says which parameters move."""

    _frozen: list[str]

    def moves(self, name: str) -> bool:
        """Return whether a parameter, by its name, moves."""
        raise NotImplementedError

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze all other parameters.

        Raises:
            ValueError: nothing that moves is left, or batch normalisation would be frozen.
        """
        self._frozen = freeze(model, lambda name: not self.moves(name))
        parameters = moving(model)
        if not parameters:
            thaw(model, self._frozen)
            raise ValueError(
                f"{named(self)} finds nothing that it could move in this backbone; "
                "use tuning 'full'"
            )
        return parameters

    def end(self, model: nn.Module) -> None:
        """Let all parameters move again."""
        thaw(model, self._frozen)
