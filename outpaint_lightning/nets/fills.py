"""Fills of hidden flow without learning: where the refiner starts, and the floors that it has to beat.

As functions, `field` is `N C H W` and `hole` is bool `N 1 H W`, true where the field is not known; what the field holds
there is never read, so it may be NaN. As modules, all are called alike: see `Fill`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu
from torch import Tensor, nn

from outpaint_lightning.geometry import float32_or_better, splat
from outpaint_lightning.nets.windows import Windows
from outpaint_lightning.types import InputError

SPLINE = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4  # a coarse pixel's share of the fine ones, by linear interpolation
COARSER = 2.0  # weight of the coarser grids' corrections, which 1 underestimates; measured on rectangles and blobs
SAFETY = 4.0  # by how much the error may exceed the largest correction, by which it is judged; 2.2 was measured
MOST_STEPS = 2000  # of conjugate gradients; 10 to 30 are usual, edges that make labyrinths take hundreds
EDGE_TOLERANCE = 1e-5  # pixels; see `harmonic`
EMPTY = 1e-30  # where a field already stands still, steps are 0/0
SLOPES = 1e-8  # weight of first differences in the biharmonic energy: it decides only what curvature leaves open
LANDED = 0.5  # of a pixel that has to be covered by the vectors that land on it


class Links(NamedTuple):
    """Which neighbours are tied to each other: 1, or 0 where an edge runs between them."""

    right: Tensor
    """`N 1 H W`: of a pixel and the one on its right; 0 in the last column."""
    down: Tensor
    """`N 1 H W`: of a pixel and the one below; 0 in the last row."""


class Fill(nn.Module, ABC):
    """Replaces hidden flow vectors. Known ones are left bit by bit, hidden ones are never read."""

    @torch.no_grad()
    def forward(self, flow_forward: Tensor, flow_backward: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Fill both flows of a window.

        Args:
            flow_forward: `B T 2 H W` in pixels, frame t to t+1; anything where hidden.
            flow_backward: `B T 2 H W`, frame t to t-1.
            hidden: `B T 2 H W`, 1 = to be filled; channel 0 is the forward flow's, channel 1 the backward flow's.

        Returns:
            The forward and the backward flow, `B T 2 H W`, without gradient, in float32 or better.
        """
        holes = [hidden[:, :, direction : direction + 1] > 0.5 for direction in range(2)]
        flows = [float32_or_better(flow) for flow in (flow_forward, flow_backward)]
        cleared = [torch.where(hole, 0, flow) for hole, flow in zip(holes, flows, strict=True)]
        filled = self.fill_window(cleared[0], cleared[1], holes[0], holes[1])
        forward, backward = (torch.where(*parts) for parts in zip(holes, filled, flows, strict=True))
        return forward, backward

    @abstractmethod
    def fill_window(
        self, forward: Tensor, backward: Tensor, forward_hole: Tensor, backward_hole: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return both flows filled: flows `B T 2 H W`, 0 in the holes, which are bool `B T 1 H W`."""


class ZeroFill(Fill):
    """No motion."""

    def fill_window(
        self,
        forward: Tensor,
        backward: Tensor,
        forward_hole: Tensor,  # noqa: ARG002 (the flows are 0 there)
        backward_hole: Tensor,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """Return the flows as they come, 0 in the holes."""
        return forward, backward


class FramewiseFill(Fill):
    """Each frame from its own known vectors.

    A frame where none is known takes the flow of the nearest frame in time where some are, the earlier of two, and 0
    where there is none: no equation inside the frame has a single solution then.
    """

    def fill_window(
        self, forward: Tensor, backward: Tensor, forward_hole: Tensor, backward_hole: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Fill the frames of both directions at once, then the frames without any known vector."""
        flow, hole = torch.stack([forward, backward]), torch.stack([forward_hole, backward_hole])
        fields, holes = flow.flatten(0, 2), hole.flatten(0, 2)
        whole = holes.flatten(1).all(1)
        some = (holes.flatten(1).any(1) & ~whole).nonzero()[:, 0]
        if len(some):
            fields = fields.index_copy(0, some, self.fill(fields[some], holes[some]))
        if whole.any():
            fields = _nearest_in_time(fields.view_as(flow).flatten(0, 1), whole.view(-1, hole.shape[2]))
        filled = fields.view_as(flow)
        return filled[0], filled[1]

    @abstractmethod
    def fill(self, field: Tensor, hole: Tensor) -> Tensor:
        """Return fields `N 2 H W` filled in `hole`, bool `N 1 H W`; each field has known and hidden pixels."""


def _nearest_in_time(flow: Tensor, lost: Tensor) -> Tensor:
    """Return the flow `S T 2 H W`, each frame in `lost` (`S T`) replaced by the nearest one that is not, or by 0."""
    time = torch.arange(flow.shape[1], device=flow.device)
    distance = (time[:, None] - time).abs() + lost[:, None] * len(time)  # sequence, frame, where it may take it from
    nearest = distance.argmin(2)
    found = torch.arange(len(flow), device=flow.device)[:, None]
    return flow[found, nearest].masked_fill(lost.all(1)[:, None, None, None, None], 0)


class NearestFill(FramewiseFill):
    """The vector of the nearest known pixel."""

    def fill(self, field: Tensor, hole: Tensor) -> Tensor:
        """Return `nearest(field, hole)`."""
        return nearest(field, hole)


class HarmonicFill(FramewiseFill):
    """The smoothest transition between the known vectors around a hole; see `harmonic`.

    Args:
        border: what holds where a hole touches the frame's border. `"neumann"`: no slope across it, as the sources
            have it. `"linear"`: the slope of the affine flow that fits the frame's known vectors best, so that an
            affine flow (pan, zoom, rotation, shear) is continued exactly.
        tolerance: largest error against the exact solution, in pixels of flow.

    Raises:
        InputError: the tolerance is not positive, or the border has another name.
    """

    def __init__(self, border: Literal["neumann", "linear"] = "neumann", tolerance: float = 1e-3) -> None:
        super().__init__()
        if not tolerance > 0:
            raise InputError(f"fill.tolerance is {tolerance}: expected a positive number of pixels")
        if border not in ("neumann", "linear"):
            raise InputError(f"fill.border is {border!r}: expected 'neumann' or 'linear'")
        self.border, self.tolerance = border, tolerance

    def fill(self, field: Tensor, hole: Tensor) -> Tensor:
        """Return `harmonic(field, hole)` under the border's condition."""
        if self.border == "neumann":
            return harmonic(field, hole, self.tolerance)
        affine = affine_fit(field, hole)
        return torch.where(hole, harmonic(field - affine, hole, self.tolerance) + affine, field)


class BiharmonicFill(FramewiseFill):
    """The least bent surface through the known vectors; see `biharmonic`."""

    def fill(self, field: Tensor, hole: Tensor) -> Tensor:
        """Return `biharmonic(field, hole)`."""
        return biharmonic(field, hole)


class InertiaFill(Fill):
    """What the neighbouring frames say of the same moving points, and `fill` where they say nothing.

    The forward flow of a point that is at x in frame t, in this order:

    1. minus the backward flow of frame t+1 that ends at x: the same motion seen from its other end, exact;
    2. the mean of what inertia says: the point came from frame t-1 with the velocity that it keeps, or leaves frame
       t+1 with the velocity that it had.

    Vectors are carried by `splat`. The backward flow is the same with time reversed. Where holes hide only what starts
    in them (protocol `source`), the first item gives away most of the answer without any learning.

    Args:
        fill: of the rest; None for `HarmonicFill()`.
    """

    def __init__(self, fill: Fill | None = None) -> None:
        super().__init__()
        self.fill = HarmonicFill() if fill is None else fill

    def fill_window(
        self, forward: Tensor, backward: Tensor, forward_hole: Tensor, backward_hole: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Fill both directions from the neighbouring frames, then the rest."""
        ahead, ahead_hole = _carry(forward, backward, forward_hole, backward_hole)
        reverse = [part.flip(1) for part in (backward, forward, backward_hole, forward_hole)]
        behind, behind_hole = (part.flip(1) for part in _carry(*reverse))
        filled: tuple[Tensor, Tensor] = self.fill(ahead, behind, torch.cat([ahead_hole, behind_hole], 2))
        return filled


def _carry(forward: Tensor, backward: Tensor, forward_hole: Tensor, backward_hole: Tensor) -> tuple[Tensor, Tensor]:
    """Return the forward flow `B T 2 H W` completed from the neighbouring frames, and the holes that are left."""
    exact, exact_weight = _land(-backward, backward, ~backward_hole, 1)
    kept = [
        _land(forward, forward, ~forward_hole, -1),
        _land(-backward, -backward, forward_hole & ~backward_hole, -1),
        _land(forward, -forward, ~forward_hole, 1),
    ]
    total, weight = (torch.stack(parts).sum(0) for parts in zip(*kept, strict=True))
    flow = torch.where(forward_hole & (weight > LANDED), total / weight, forward)
    flow = torch.where(forward_hole & (exact_weight > LANDED), exact / exact_weight, flow)
    return flow, forward_hole & (weight <= LANDED) & (exact_weight <= LANDED)


def _land(values: Tensor, motion: Tensor, known: Tensor, neighbour: int) -> tuple[Tensor, Tensor]:
    """Return the sum of values (`B T 2 H W`) and weights (`B T 1 H W`) that land on each frame from a neighbour.

    Args:
        values: `B T 2 H W`, to be carried.
        motion: `B T 2 H W`, where to.
        known: bool `B T 1 H W`: what is carried.
        neighbour: 1 carries from frame t+1 to frame t, -1 from frame t-1.
    """
    seen = torch.cat([values, torch.ones_like(values[:, :, :1])], 2) * known
    landed = splat(seen.flatten(0, 1), motion.flatten(0, 1)).view_as(seen).roll(-neighbour, 1)
    landed[:, -1 if neighbour == 1 else 0] = 0  # nothing comes from outside the window
    return landed[:, :, :2], landed[:, :, 2:]


def harmonic_with_edges(
    flow_forward: Tensor, flow_backward: Tensor, hidden: Tensor, guide: Tensor, jump: float = 0.5
) -> tuple[Tensor, Tensor]:
    """Fill harmonically on both sides of given edges: with the true ones, the bound for completion by edges.

    Args:
        flow_forward: `B T 2 H W` in pixels.
        flow_backward: `B T 2 H W`.
        hidden: `B T 2 H W`, 1 = to be filled.
        guide: `B T C H W`: an edge runs between two neighbours where it differs by more than `jump` (Euclidean norm):
            labels of objects, or the true flows (`torch.cat([flow_forward, flow_backward], 2)`, in pixels).
        jump: see `guide`.

    Returns:
        The forward and the backward flow, `B T 2 H W`.
    """
    fill = _EdgeFill(links_of(guide.flatten(0, 1), jump))
    forward, backward = fill(flow_forward, flow_backward, hidden)
    return forward, backward


class _EdgeFill(Fill):
    """Harmonic between edges; a part of a hole that edges cut off from everything known ignores them."""

    def __init__(self, links: Links) -> None:
        super().__init__()
        self.links = links

    def fill_window(
        self, forward: Tensor, backward: Tensor, forward_hole: Tensor, backward_hole: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Fill what the known vectors reach along links, then the rest as `HarmonicFill` does."""
        flows, left = [], []
        for flow, hole in ((forward, forward_hole), (backward, backward_hole)):
            cut_off = _unreached(hole.flatten(0, 1), self.links)
            reached = hole.flatten(0, 1) & ~cut_off
            flows.append(harmonic(flow.flatten(0, 1), reached, EDGE_TOLERANCE, self.links).view_as(flow))
            left.append(cut_off.view_as(hole))
        filled: tuple[Tensor, Tensor] = HarmonicFill()(*flows, torch.cat(left, 2))
        return filled


def links_of(guide: Tensor, jump: float) -> Links:
    """Return links between neighbours whose `guide` (`N C H W`) differs by `jump` or less."""
    guide = float32_or_better(guide)
    right, down = ((guide.diff(dim=side).norm(dim=1, keepdim=True) <= jump).float() for side in (3, 2))
    return Links(F.pad(right, (0, 1)), F.pad(down, (0, 0, 0, 1)))


def _unreached(hole: Tensor, links: Links) -> Tensor:
    """Return the pixels of `hole` (bool `N 1 H W`) that no path of links ties to a pixel outside it."""
    right, down = links.right[..., :-1] > 0, links.down[..., :-1, :] > 0
    left = hole
    while True:
        reached = ~left
        reached[..., 1:] |= ~left[..., :-1] & right
        reached[..., :-1] |= ~left[..., 1:] & right
        reached[..., 1:, :] |= ~left[..., :-1, :] & down
        reached[..., :-1, :] |= ~left[..., 1:, :] & down
        if torch.equal(reached, ~left):
            return left
        left = ~reached


def nearest(field: Tensor, hole: Tensor) -> Tensor:
    """Fill with the value of the nearest known pixel, by Euclidean distance. Computed on the CPU.

    Args:
        field: `N C H W`.
        hole: bool `N 1 H W`; each frame has a known pixel.
    """
    places = []
    for frame in hole[:, 0].cpu().numpy():
        y, x = ndimage.distance_transform_edt(frame, return_distances=False, return_indices=True)
        places.append(torch.from_numpy((y * frame.shape[1] + x).astype(np.int64)))
    index = torch.stack(places).to(field.device).flatten(1)[:, None].expand(-1, field.shape[1], -1)
    return field.flatten(2).gather(2, index).view_as(field)


def affine_fit(field: Tensor, hole: Tensor) -> Tensor:
    """Return the affine field `N C H W` that fits what is known best, by least squares.

    Args:
        field: `N C H W`.
        hole: bool `N 1 H W`.
    """
    height, width = field.shape[-2:]
    x = torch.linspace(-1, 1, width, dtype=torch.float64, device=field.device).expand(height, width)
    y = torch.linspace(-1, 1, height, dtype=torch.float64, device=field.device)[:, None].expand(height, width)
    basis = torch.stack([torch.ones_like(x), x, y]).flatten(1)
    known = (~hole).flatten(2).double()
    normal = (basis * known) @ basis.T
    right = (basis * known) @ torch.where(hole, 0, field).flatten(2).double().mT
    ridge = 1e-9 * height * width  # a slope that nothing known says anything of is 0
    ridges = ridge * torch.eye(3, dtype=torch.float64, device=field.device)
    weights: Tensor = torch.linalg.solve(normal + ridges, right)
    return (weights.mT @ basis).view_as(field).to(field.dtype)


def harmonic(field: Tensor, hole: Tensor, tolerance: float = 1e-3, links: Links | None = None) -> Tensor:
    """Fill so that each hidden pixel is the mean of its neighbours: the discrete Laplace equation.

    For a hidden pixel p with neighbours q (of the four in the frame, those it is linked to)::

        sum_q (u(p) - u(q)) = 0

    which is the smallest sum of squared differences. Known pixels are boundary values; at the frame's border nothing
    is asked across it (Neumann).

    Solved by conjugate gradients on windows around the holes. What remains at each step is corrected on grids of all
    sizes at once (the preconditioner of Bramble, Pasciak and Xu, Mathematics of Computation 55, 1990), so that the
    number of steps does not grow with the hole; the largest correction tells how far the solution still is.

    Source: the frame-wise smooth filling of Xu et al., *Deep Flow-Guided Video Inpainting* (CVPR 2019,
    arXiv:1905.02884), there at half resolution.

    Args:
        field: `N C H W`.
        hole: bool `N 1 H W`. Each part of a hole has to touch something known by `links`.
        tolerance: largest error against the exact solution, in the field's unit; with `links` up to 40 times that.
        links: None ties all neighbours.

    Returns:
        `N C H W`; outside the hole the field's own values.
    """
    windows = Windows.around(hole, margin=1)
    if not len(windows.frames):
        return field
    inside = windows.cut(hole)
    seen = torch.where(inside, 0, windows.cut(field))
    ones = torch.ones_like(seen[:, :1])
    right, down = (ones, ones) if links is None else (windows.cut(link).to(seen.dtype) for link in links)
    tied = Links(right[..., :-1], down[..., :-1, :])
    return windows.paste(field, _conjugate_gradients(seen, inside, tied, tolerance / SAFETY))


def _conjugate_gradients(field: Tensor, hole: Tensor, links: Links, tolerance: float) -> Tensor:
    """Solve Laplace's equation until no correction exceeds the tolerance.

    Each field has steps of its own and stands still once it is good enough: the others of a batch make no difference.

    Args:
        field: `N C H W`, 0 in the hole.
        hole: bool `N 1 H W`.
        links: in the window, `N 1 H W-1` and `N 1 H-1 W`.
        tolerance: in the field's unit.
    """
    correct = _Corrections(hole, links, field.dtype)
    free = hole.to(field.dtype)
    mean = field.sum((2, 3), keepdim=True) / (1 - free).sum((2, 3), keepdim=True)
    solution = field + free * mean
    residual = _pull(solution, links) * free
    correction = correct(residual)
    direction, energy = correction, _product(residual, correction)
    for _ in range(MOST_STEPS):
        moving = correction.abs().amax((1, 2, 3), keepdim=True) > tolerance
        if not moving.any():
            break
        pulled = _pull(direction, links) * free
        step = moving * energy / -_product(direction, pulled).clamp(max=-EMPTY)
        solution = solution + step * direction
        residual = residual + step * pulled
        correction = torch.where(moving, correct(residual), correction)
        before, energy = energy, _product(residual, correction)
        direction = correction + energy / before.clamp(min=EMPTY) * direction
    return solution


def _product(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum((2, 3), keepdim=True)


def _pull(field: Tensor, links: Links) -> Tensor:
    """Return the sum of the differences to the linked neighbours: minus the graph's Laplacian of the field."""
    total = torch.zeros_like(field)
    across = field.diff(dim=3) * links.right
    total[..., :-1] += across
    total[..., 1:] -= across
    across = field.diff(dim=2) * links.down
    total[..., :-1, :] += across
    total[..., 1:, :] -= across
    return total


class _Corrections:
    """Residuals to corrections: on each grid the residual over the diagonal, and the sum of all grids.

    A coarse pixel takes part if the hole covers all of it; coarse grids know no links, so that edges cost steps. In two
    dimensions the diagonal is the same on all grids.
    """

    def __init__(self, hole: Tensor, links: Links, dtype: torch.dtype) -> None:
        degree = torch.zeros_like(hole, dtype=dtype)
        degree[..., :-1] += links.right
        degree[..., 1:] += links.right
        degree[..., :-1, :] += links.down
        degree[..., 1:, :] += links.down
        self.diagonal = degree.clamp(min=1)  # 0 where nothing is linked, and nothing is free there
        self.masks = [hole.to(dtype)]
        while min(self.masks[-1].shape[-2:]) > 2 and self.masks[-1].any():
            share = F.avg_pool2d(self.masks[-1], 2, ceil_mode=True, count_include_pad=False)
            self.masks.append((share == 1).to(dtype))

    def __call__(self, residual: Tensor) -> Tensor:
        """Return the corrections of residuals, both `N C H W`, 0 outside the hole."""
        finest, *coarser = self.masks
        restricted = residual
        residuals = []
        for mask in coarser:
            restricted = _restrict(restricted) * mask
            residuals.append(restricted)
        total = torch.zeros_like(restricted)
        for mask, coarse in zip(reversed(coarser), reversed(residuals), strict=True):
            total = (_prolong(total, coarse) + coarse * COARSER / 4) * mask
        return (_prolong(total, residual) + residual / self.diagonal) * finest


def _prolong(coarse: Tensor, like: Tensor) -> Tensor:
    """Return `coarse` interpolated to the grid of `like`, of the same size or twice as fine."""
    if coarse.shape == like.shape:
        return coarse
    return F.interpolate(coarse, scale_factor=2.0, mode="bilinear")[..., : like.shape[2], : like.shape[3]]


def _restrict(fine: Tensor) -> Tensor:
    """Return the adjoint of `_prolong`, which makes the preconditioner symmetric: `N C H/2 W/2`, rounded up."""
    height, width = fine.shape[-2:]
    kernel = SPLINE.to(fine)
    even = F.pad(fine.flatten(0, 1)[:, None], (3, 3 + width % 2, 3, 3 + height % 2))
    coarse = F.conv2d(even, (kernel[:, None] * kernel)[None, None], stride=2)
    for line, beside in ((0, 1), (-1, -2)):  # outside the frame, interpolation repeats the edge
        coarse[..., beside, :] += coarse[..., line, :]
        coarse[..., beside] += coarse[..., line]
    return coarse[..., 1:-1, 1:-1].reshape(*fine.shape[:2], -1, coarse.shape[3] - 2)


def biharmonic(field: Tensor, hole: Tensor) -> Tensor:
    """Fill with the surface that bends least: a thin plate through the known pixels. Computed on the CPU.

    It has the smallest sum of `u_xx^2 + 2 u_xy^2 + u_yy^2`, second differences over the frame. Affine fields are
    continued exactly, also where the hole touches the frame's border.

    Args:
        field: `N C H W`.
        hole: bool `N 1 H W`; each frame has a known pixel.
    """
    windows = Windows.around(hole, margin=2)  # as far as a second difference reaches
    filled = []
    for values, inside in zip(windows.cut(field).double().cpu(), windows.cut(hole)[:, 0].cpu(), strict=True):
        unknown = inside.numpy().ravel()
        bends = _differences(*inside.shape)
        inner = bends[:, unknown]
        known = values.flatten(1).numpy().T * ~unknown[:, None]
        known[np.isnan(known)] = 0
        solver = splu((inner.T @ inner).tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        known[unknown] = solver.solve(-(inner.T @ (bends @ known)))
        filled.append(torch.from_numpy(known.T).view_as(values))
    return windows.paste(field, torch.stack(filled).to(field)) if filled else field


def _differences(height: int, width: int) -> sparse.csr_array:
    """Return the second differences of a frame, one a row, and the first ones with a small weight."""
    x, y = (sparse.eye_array(side) for side in (width, height))
    first_x, first_y = _difference(width), _difference(height)
    second_x, second_y = _difference(width - 1) @ first_x, _difference(height - 1) @ first_y
    rows = [
        sparse.kron(y, second_x),
        sparse.kron(second_y, x),
        sparse.kron(first_y, first_x) * 2**0.5,
        sparse.kron(y, first_x) * SLOPES**0.5,
        sparse.kron(first_y, x) * SLOPES**0.5,
    ]
    return sparse.csr_array(sparse.vstack(rows))


def _difference(count: int) -> sparse.dia_array:
    """Return the differences of neighbours among `count` numbers, a matrix of `count - 1` rows or none."""
    rows = max(count - 1, 0)
    return sparse.dia_array(sparse.diags_array([-np.ones(rows), np.ones(rows)], offsets=[0, 1], shape=(rows, count)))
