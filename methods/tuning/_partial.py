"""Tunings that move some of the model's own parameters and add none."""

from torch import nn

from methods import Task, Tuning
from methods.parameters import freeze, moving, named, thaw


class Partial(Tuning):
    """Freezes what `moves` is not true of; a file says which parameters move."""

    _frozen: list[str]

    def moves(self, name: str) -> bool:
        """Whether a parameter, by its name, moves."""
        raise NotImplementedError

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Stop all else.

        Raises:
            ValueError: nothing that moves is left, or batch normalisation would be stopped.
        """
        self._frozen = freeze(model, lambda name: not self.moves(name))
        found = moving(model)
        if not found:
            thaw(model, self._frozen)
            raise ValueError(
                f"{named(self)} finds nothing that it could move in this backbone; use tuning 'full'"
            )
        return found

    def end(self, model: nn.Module) -> None:
        """Let all move again."""
        thaw(model, self._frozen)
