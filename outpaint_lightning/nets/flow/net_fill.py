"""A trained net as the start of another one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from outpaint_lightning.nets.flow.fills import Fill
from outpaint_lightning.types import InputError


class NetFill(Fill):
    """The last answer of another net, as the start of this one; it is not trained any further.

    Args:
        net: returns a `FlowCompletion`.
        weights: checkpoint of its task; None takes it as it is.

    Raises:
        InputError: the checkpoint cannot be read, or holds another net.
    """

    def __init__(self, net: nn.Module, weights: str | None = None) -> None:
        super().__init__()
        self.net = load_weights(net, weights).requires_grad_(False)

    def fill_window(
        self, forward: Tensor, backward: Tensor, forward_hole: Tensor, backward_hole: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return what the net says."""
        completion = self.net(forward, backward, torch.cat([forward_hole, backward_hole], 2).to(forward.dtype))
        return completion.forward[-1], completion.backward[-1]


def load_weights(net: nn.Module, weights: str | None) -> nn.Module:
    """Return the net with the weights of a checkpoint; as it is for None.

    Raises:
        InputError: the checkpoint cannot be read, or holds another net.
    """
    if weights is None:
        return net
    from outpaint_lightning.checkpoints.rebuild import load_net  # it imports the trainer

    try:
        net.load_state_dict(load_net(weights).state_dict())
    except RuntimeError as error:
        raise InputError(f"{weights}: holds another net than this {type(net).__name__}") from error
    return net
