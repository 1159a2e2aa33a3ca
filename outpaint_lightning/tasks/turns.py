"""The order of generator and critic steps in adversarial training."""

from __future__ import annotations

from abc import ABC, abstractmethod

from outpaint_lightning.types import InputError

GENERATOR, CRITIC = "G", "D"


class Turns(ABC):
    """The order in which generator (`G`) and critics (`D`) take their steps."""

    @abstractmethod
    def at(self, batch: int) -> str:
        """Return the steps on a batch, in order, such as `GDD`.

        Args:
            batch: how many batches of the whole training came before.
        """

    @property
    @abstractmethod
    def pattern(self) -> str:
        """The sequence of steps that repeats; each batch takes as many of them as `at(0)` has."""

    @property
    def generator_steps(self) -> float:
        """The generator's steps on a batch, on average."""
        return self.pattern.count(GENERATOR) * len(self.at(0)) / len(self.pattern)

    @property
    def critic_steps(self) -> float:
        """The critics' steps for each of the generator's, on average."""
        return self.pattern.count(CRITIC) / self.pattern.count(GENERATOR)


class SameBatch(Turns):
    """A generator step on every batch, then critic steps on what the generator made before its step.

    Args:
        critic_steps: number of critic steps a batch; Yin et al. use 2.

    Raises:
        InputError: it is below 1.

    Example:
        >>> SameBatch(critic_steps=2).at(5)
        'GDD'
    """

    def __init__(self, critic_steps: int = 1) -> None:
        if critic_steps < 1:
            raise InputError(f"SameBatch: critic_steps is {critic_steps}: expected at least 1")
        self._pattern = GENERATOR + CRITIC * critic_steps

    def at(self, batch: int) -> str:  # noqa: ARG002 (the same on every batch)
        """See `Turns`."""
        return self._pattern

    @property
    def pattern(self) -> str:
        """See `Turns`."""
        return self._pattern


class Alternate(Turns):
    """One step a batch, in the order of a pattern that repeats.

    Args:
        order: a string of `G` and `D`, such as `DGG`.

    Raises:
        InputError: it holds another letter, or lacks `G` or `D`.

    Example:
        >>> turns = Alternate("DGG")
        >>> [turns.at(batch) for batch in range(5)]
        ['D', 'G', 'G', 'D', 'G']
    """

    def __init__(self, order: str = "DG") -> None:
        if {*order} != {GENERATOR, CRITIC}:
            raise InputError(f"Alternate: order is {order!r}: expected some G and some D, such as DGG")
        self._pattern = order

    def at(self, batch: int) -> str:
        """See `Turns`."""
        return self._pattern[batch % len(self._pattern)]

    @property
    def pattern(self) -> str:
        """See `Turns`."""
        return self._pattern
