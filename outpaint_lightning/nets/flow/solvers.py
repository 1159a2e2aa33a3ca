"""Solvers behind the fills: compute the unknown values of a field from its known values.

`field` is `N C H W`. `hole` is bool `N 1 H W`, true where the field is unknown. Unknown values are never read, so they
may be NaN.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu
from torch import Tensor

from outpaint_lightning.geometry import float32_or_better
from outpaint_lightning.nets.flow.windows import Windows

SPLINE = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4  # weights of a coarse pixel in the fine ones, by linear interpolation
COARSER = 2.0  # weight of the coarser grids' corrections; 1 is too small; measured on rectangles and blobs
SAFETY = 4.0  # bound of error / largest correction, which estimates the error; the largest measured ratio is 2.2
MOST_STEPS = 2000  # limit of conjugate gradient steps; 10 to 30 are usual
EMPTY = 1e-30  # smallest divisor: the step of a converged field would be 0/0
SLOPES = 1e-8  # weight of first differences in the biharmonic energy; it only makes the minimum unique


class Links(NamedTuple):
    """Links between neighbouring pixels: 1 if they are linked, 0 if an edge runs between them."""

    right: Tensor
    """`N 1 H W`: link between a pixel and the pixel on its right; 0 in the last column."""
    down: Tensor
    """`N 1 H W`: link between a pixel and the pixel below; 0 in the last row."""


def links_of(guide: Tensor, jump: float) -> Links:
    """Return links between the neighbours whose `guide` (`N C H W`) differs by at most `jump` (Euclidean norm)."""
    guide = float32_or_better(guide)
    right, down = ((guide.diff(dim=side).norm(dim=1, keepdim=True) <= jump).float() for side in (3, 2))
    return Links(F.pad(right, (0, 1)), F.pad(down, (0, 0, 0, 1)))


def cut_links(edges: Tensor) -> Links:
    """Return links in which each edge (bool `N 1 H W`) is cut off from the pixels on its right and below."""
    tied = (~edges).float()
    right, down = tied.clone(), tied
    right[..., -1], down[..., -1, :] = 0, 0
    return Links(right, down)


def unreached(hole: Tensor, links: Links) -> Tensor:
    """Return the pixels of `hole` (bool `N 1 H W`) that no path of links connects to a pixel outside it."""
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
    """Return the affine field `N C H W` that best fits the known values in the least-squares sense.

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
    ridge = 1e-9 * height * width  # a slope that the known values do not determine becomes 0
    ridges = ridge * torch.eye(3, dtype=torch.float64, device=field.device)
    weights: Tensor = torch.linalg.solve(normal + ridges, right)
    return (weights.mT @ basis).view_as(field).to(field.dtype)


def harmonic(field: Tensor, hole: Tensor, tolerance: float = 1e-3, links: Links | None = None) -> Tensor:
    """Fill so that each hidden pixel is the mean of its neighbours: the discrete Laplace equation.

    For a hidden pixel p with neighbours q (those of the four in the frame that it is linked to)::

        sum_q (u(p) - u(q)) = 0

    The solution has the smallest sum of squared differences. Known pixels are boundary values. At the frame's border,
    the derivative across it is 0 (Neumann).

    The equations are solved by conjugate gradients on windows around the holes. At each step, the residual is corrected
    on grids of all sizes at once (the preconditioner of Bramble, Pasciak and Xu, Mathematics of Computation 55, 1990).
    So the number of steps does not grow with the hole. The largest correction estimates the remaining error. Coarse
    grids have no links, so with `links` the equations are solved by a sparse factorization on the CPU instead, which is
    exact.

    Source: the frame-wise smooth filling of Xu et al., *Deep Flow-Guided Video Inpainting* (CVPR 2019,
    arXiv:1905.02884), which works at half resolution.

    Args:
        field: `N C H W`.
        hole: bool `N 1 H W`. `links` must connect each part of a hole to a known pixel.
        tolerance: largest error against the exact solution, in the field's unit.
        links: None links all neighbours.

    Returns:
        `N C H W`; outside the hole, the field's own values.
    """
    windows = Windows.around(hole, margin=1)
    if not len(windows.frames):
        return field
    inside = windows.cut(hole)
    if links is not None:
        ties = zip(*(windows.cut(link)[:, 0].cpu() for link in links), strict=True)
        return windows.paste(field, _least(windows.cut(field), inside, (_tied(*pair) for pair in ties)))
    seen = torch.where(inside, 0, windows.cut(field))
    return windows.paste(field, _conjugate_gradients(seen, inside, tolerance / SAFETY))


def _least(fields: Tensor, holes: Tensor, differences: Iterable[sparse.csr_array]) -> Tensor:
    """Return fields `N C h w` whose unknown values minimise the sum of squared differences.

    Args:
        fields: `N C h w`.
        holes: bool `N 1 h w`.
        differences: for each field, a matrix that maps its pixels, row by row, to differences.
    """
    filled = []
    for values, inside, differ in zip(fields.double().cpu(), holes[:, 0].cpu(), differences, strict=True):
        unknown = inside.numpy().ravel()
        inner = differ[:, unknown]
        known = values.flatten(1).numpy().T.copy()
        known[unknown] = 0
        solver = splu((inner.T @ inner).tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        known[unknown] = solver.solve(-(inner.T @ (differ @ known)))
        filled.append(torch.from_numpy(known.T).view_as(values))
    return torch.stack(filled).to(fields)


def _tied(right: Tensor, down: Tensor) -> sparse.csr_array:
    """Return the differences of linked neighbours in a window, one per row; the links are `h w`, see `Links`."""
    place = np.arange(right.numel()).reshape(right.shape)
    first = np.concatenate([place[:, :-1][right[:, :-1] > 0], place[:-1][down[:-1] > 0]])
    second = np.concatenate([place[:, 1:][right[:, :-1] > 0], place[1:][down[:-1] > 0]])
    row = np.arange(len(first))
    signs = np.repeat([1.0, -1.0], len(first))
    where = np.concatenate([row, row]), np.concatenate([first, second])
    return sparse.csr_array((signs, where), shape=(len(first), right.numel()))


def _conjugate_gradients(field: Tensor, hole: Tensor, tolerance: float) -> Tensor:
    """Solve Laplace's equation until no correction exceeds the tolerance.

    Each field has its own step size and stops when it has converged, so its result does not depend on the rest of the
    batch.

    Args:
        field: `N C H W`, 0 in the hole.
        hole: bool `N 1 H W`.
        tolerance: in the field's unit.
    """
    correct = _Corrections(hole, field.dtype)
    free = hole.to(field.dtype)
    mean = field.sum((2, 3), keepdim=True) / (1 - free).sum((2, 3), keepdim=True)
    solution = field + free * mean
    residual = _pull(solution) * free
    correction = correct(residual)
    direction, energy = correction, _product(residual, correction)
    for _ in range(MOST_STEPS):
        moving = correction.abs().amax((1, 2, 3), keepdim=True) > tolerance
        if not moving.any():
            break
        pulled = _pull(direction) * free
        step = moving * energy / -_product(direction, pulled).clamp(max=-EMPTY)
        solution = solution + step * direction
        residual = residual + step * pulled
        correction = torch.where(moving, correct(residual), correction)
        before, energy = energy, _product(residual, correction)
        direction = correction + energy / before.clamp(min=EMPTY) * direction
    return solution


def _product(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum((2, 3), keepdim=True)


def _pull(field: Tensor) -> Tensor:
    """Return the sum of the differences to the neighbours: minus the graph Laplacian of the field."""
    total = torch.zeros_like(field)
    across = field.diff(dim=3)
    total[..., :-1] += across
    total[..., 1:] -= across
    across = field.diff(dim=2)
    total[..., :-1, :] += across
    total[..., 1:, :] -= across
    return total


class _Corrections:
    """Maps residuals to corrections: on each grid the residual divided by the diagonal, summed over all grids.

    A coarse pixel is used only if the hole covers all of it. In two dimensions, the diagonal is the same on all grids.
    """

    def __init__(self, hole: Tensor, dtype: torch.dtype) -> None:
        degree = torch.zeros_like(hole, dtype=dtype)
        degree[..., :-1] += 1
        degree[..., 1:] += 1
        degree[..., :-1, :] += 1
        degree[..., 1:, :] += 1
        self.diagonal = degree.clamp(min=1)  # the degree is 0 in a frame of one pixel, which has no unknown value
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
    """Return `coarse` interpolated to the grid of `like`, which has the same size or is twice as fine."""
    if coarse.shape == like.shape:
        return coarse
    return F.interpolate(coarse, scale_factor=2.0, mode="bilinear")[..., : like.shape[2], : like.shape[3]]


def _restrict(fine: Tensor) -> Tensor:
    """Return the adjoint of `_prolong`, `N C H/2 W/2` rounded up. It makes the preconditioner symmetric."""
    height, width = fine.shape[-2:]
    kernel = SPLINE.to(fine)
    even = F.pad(fine.flatten(0, 1)[:, None], (3, 3 + width % 2, 3, 3 + height % 2))
    coarse = F.conv2d(even, (kernel[:, None] * kernel)[None, None], stride=2)
    for line, beside in ((0, 1), (-1, -2)):  # outside the frame, interpolation repeats the edge
        coarse[..., beside, :] += coarse[..., line, :]
        coarse[..., beside] += coarse[..., line]
    return coarse[..., 1:-1, 1:-1].reshape(*fine.shape[:2], -1, coarse.shape[3] - 2)


def biharmonic(field: Tensor, hole: Tensor) -> Tensor:
    """Fill with the surface of least bending: a thin plate through the known pixels. Computed on the CPU.

    It minimises the sum of `u_xx^2 + 2 u_xy^2 + u_yy^2` (second differences) over the frame. Affine fields are
    continued exactly, also where the hole touches the frame's border.

    Args:
        field: `N C H W`.
        hole: bool `N 1 H W`; each frame has a known pixel.
    """
    windows = Windows.around(hole, margin=2)  # the reach of a second difference
    if not len(windows.frames):
        return field
    bends = _differences(*windows.size)
    return windows.paste(field, _least(windows.cut(field), windows.cut(hole), repeat(bends, len(windows.frames))))


def _differences(height: int, width: int) -> sparse.csr_array:
    """Return the second differences of a frame, one per row, and the first differences with a small weight."""
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
    """Return the differences of neighbours among `count` numbers: a matrix of `count - 1` rows, or of no row."""
    rows = max(count - 1, 0)
    return sparse.dia_array(sparse.diags_array([-np.ones(rows), np.ones(rows)], offsets=[0, 1], shape=(rows, count)))
