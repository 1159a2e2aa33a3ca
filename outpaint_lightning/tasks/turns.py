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
            batch: number of earlier batches in the whole training.
        """

    @property
    @abstractmethod
    def pattern(self) -> str:
        """The sequence of steps that repeats; each batch takes `len(at(0))` of them."""

    @property
    def generator_steps(self) -> float:
        """The average number of generator steps per batch."""
        return self.pattern.count(GENERATOR) * len(self.at(0)) / len(self.pattern)

    @property
    def critic_steps(self) -> float:
        """The average number of critic steps per generator step."""
        return self.pattern.count(CRITIC) / self.pattern.count(GENERATOR)


class SameBatch(Turns):
    """A generator step on every batch, then critic steps on the generator's output from before its step.

    Args:
        critic_steps: number of critic steps per batch; Yin et al. use 2.

    Raises:
        InputError: `critic_steps` is below 1.

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
    """One step per batch, in the order of a pattern that repeats.

    Args:
        order: a string of `G` and `D`, such as `DGG`.

    Raises:
        InputError: `order` contains another letter, or lacks `G` or `D`.

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
