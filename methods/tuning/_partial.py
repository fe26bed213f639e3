"""Tunings that train some of the model's own parameters and add none."""

from torch import nn

from methods import Task, Tuning
from methods.parameters import freeze, moving, named, thaw


class Partial(Tuning):
    """A tuning that trains the parameters that `moves` is true of, which a subclass defines."""

    _frozen: list[str]

    def moves(self, name: str) -> bool:
        """Return whether the parameter of this name is trained."""
        raise NotImplementedError

    def begin(self, model: nn.Module, task: Task) -> list[nn.Parameter]:
        """Freeze all other parameters.

        Raises:
            ValueError: no trainable parameter is left, or batch normalisation would be frozen.
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
        """Make all parameters trainable again."""
        thaw(model, self._frozen)
