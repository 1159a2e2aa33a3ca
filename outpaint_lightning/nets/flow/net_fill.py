"""A trained net that gives another net its start."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from outpaint_lightning.nets.flow.fills import Fill
from outpaint_lightning.types import InputError


class NetFill(Fill):
    """A fill that returns the result of a trained net. The net is not trained any further.

    Args:
        net: returns a `FlowCompletion`.
        weights: checkpoint of the net's task; None uses the net as it is.

    Raises:
        InputError: the checkpoint cannot be read, or holds another net.

    Example:
        >>> from outpaint_lightning.nets.flow.refiner import FlowRefiner
        >>> flow, hidden = torch.ones(1, 2, 2, 16, 16), torch.zeros(1, 2, 2, 16, 16)
        >>> hidden[..., 4:12, 4:12] = 1
        >>> forward, backward = NetFill(FlowRefiner(channels=4, steps=1))(flow, flow, hidden)
        >>> forward.shape, backward.requires_grad
        (torch.Size([1, 2, 2, 16, 16]), False)
    """

    def __init__(self, net: nn.Module, weights: str | None = None) -> None:
        super().__init__()
        self.net = load_weights(net, weights).requires_grad_(False)

    def fill_window(
        self, forward: Tensor, backward: Tensor, forward_hole: Tensor, backward_hole: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the last flows of the net."""
        completion = self.net(forward, backward, torch.cat([forward_hole, backward_hole], 2).to(forward.dtype))
        return completion.forward[-1], completion.backward[-1]


def load_weights(net: nn.Module, weights: str | None) -> nn.Module:
    """Load the weights of a checkpoint into a net and return the net; None leaves it unchanged.

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
