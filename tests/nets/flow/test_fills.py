import math

import pytest
import torch
from scipy import sparse
from scipy.sparse.linalg import spsolve

from outpaint_lightning.nets.flow.blend import BlendFill
from outpaint_lightning.nets.flow.edge_fills import EdgeCutFill, harmonic_with_edges
from outpaint_lightning.nets.flow.fills import (
    BiharmonicFill,
    HarmonicFill,
    InertiaFill,
    NearestFill,
    ZeroFill,
)
from outpaint_lightning.nets.flow.solvers import biharmonic, harmonic, links_of, nearest, unreached
from outpaint_lightning.types import InputError

FRAMEWISE = [NearestFill(), HarmonicFill(), HarmonicFill(border="linear"), BiharmonicFill()]
ALL = [ZeroFill(), *FRAMEWISE, InertiaFill(), EdgeCutFill(), BlendFill(width=8)]


def named(fill):
    return f"{type(fill).__name__}-{getattr(fill, 'border', '')}"


def plane(height, width):
    y, x = torch.meshgrid(torch.arange(height).double(), torch.arange(width).double(), indexing="ij")
    return x, y


def box(height, width, rows, columns):
    hole = torch.zeros(1, 1, height, width, dtype=torch.bool)
    hole[..., slice(*rows), slice(*columns)] = True
    return hole


def random_window(seed=0, shape=(2, 4, 2, 17, 23)):
    generator = torch.Generator().manual_seed(seed)
    forward, backward = torch.randn(2, *shape, generator=generator)
    hidden = torch.zeros(shape)
    hidden[0, :, :, 3:12, 5:14] = 1
    hidden[1, 1, 0, :6, 17:] = 1  # one direction, in the frame's corner
    hidden[1, 2, :, 4:9:2, 3:20:3] = 1  # scattered pixels
    return forward, backward, hidden


def direct(field, hole, links):
    """The discrete Laplace equation, solved directly by scipy: a graph's Laplacian built pixel by pixel."""
    height, width = hole.shape[-2:]
    laplacian = sparse.lil_array((height * width, height * width))
    for y in range(height):
        for x in range(width):
            for there, (dy, dx) in ((links.right[0, 0, y, x], (0, 1)), (links.down[0, 0, y, x], (1, 0))):
                if there:
                    p, q = y * width + x, (y + dy) * width + x + dx
                    laplacian[p, p] += 1
                    laplacian[q, q] += 1
                    laplacian[p, q] -= 1
                    laplacian[q, p] -= 1
    laplacian, unknown = laplacian.tocsr(), hole.flatten().numpy()
    solution = field.flatten(2)[0].numpy().T.copy()
    solution[unknown] = spsolve(
        laplacian[unknown][:, unknown].tocsc(), -laplacian[unknown][:, ~unknown] @ solution[~unknown]
    )
    return torch.from_numpy(solution.T).view_as(field)


@pytest.mark.parametrize("fill", ALL, ids=named)
def test_known_vectors_stay_and_hidden_ones_are_never_read(fill):
    """Kills a fill that smooths what is known, one that peeks, and one that swaps the two channels of `hidden`."""
    forward, backward, hidden = random_window()
    filled = fill(forward, backward, hidden)
    poisoned = [torch.where(hidden[:, :, i : i + 1] > 0, torch.nan, flow) for i, flow in enumerate((forward, backward))]
    for i, (flow, result, again) in enumerate(zip((forward, backward), filled, fill(*poisoned, hidden), strict=True)):
        hole = (hidden[:, :, i : i + 1] > 0).expand_as(flow)
        assert torch.equal(result[~hole], flow[~hole])
        assert torch.equal(result, again)
        assert result.isfinite().all()
        assert not torch.equal(result[hole], flow[hole])


@pytest.mark.parametrize("fill", ALL[:-1], ids=named)  # a blend weighs a nearest fill, see below
def test_a_mirrored_window_is_filled_mirrored(fill):
    """Flow flips its own sign with the frame: u to -u. Kills swapped components and lopsided stencils."""
    window = random_window(shape=(2, 4, 2, 17, 23))
    sign = torch.tensor([-1.0, 1])[:, None, None]
    mirrored = fill(window[0].flip(4) * sign, window[1].flip(4) * sign, window[2].flip(4))
    for expected, result in zip(fill(*window), mirrored, strict=True):
        if isinstance(fill, NearestFill | EdgeCutFill):  # of two known pixels at the same distance, either may be taken
            assert (result.flip(4) * sign - expected).abs().gt(2e-3).float().mean() < 0.05
        else:
            torch.testing.assert_close(result.flip(4) * sign, expected, atol=2e-3, rtol=0)  # twice the tolerance


@pytest.mark.parametrize("fill", FRAMEWISE, ids=named)
def test_a_frame_without_known_vectors_takes_the_nearest_one_in_time(fill):
    """Kills a singular system's NaN. Frame 0 is nearer to 1, frame 2 as near to 1 as to 3: the earlier one."""
    forward, backward = torch.randn(2, 1, 4, 2, 6, 7)
    hidden = torch.zeros(1, 4, 2, 6, 7)
    hidden[:, (0, 2), 0] = 1
    hidden[:, 1, 0, 2, 3] = 1
    hidden[:, :, 1] = 1
    ahead, behind = fill(forward, backward, hidden)
    assert torch.equal(ahead[:, 0], ahead[:, 1])
    assert torch.equal(ahead[:, 2], ahead[:, 1])
    assert torch.equal(ahead[:, 3], forward[:, 3])
    assert (behind == 0).all()


def test_nearest_by_hand():
    """By Euclidean distance. Of row 1, column 2 is 1 away from the 5 and 1.41 from the 3; row 2, 1.41 and 2.24."""
    field = torch.arange(12.0).view(1, 1, 3, 4)
    hole = torch.ones(1, 1, 3, 4, dtype=torch.bool)
    hole[0, 0, 1, 1] = hole[0, 0, 0, 3] = False
    assert nearest(field, hole)[0, 0].tolist() == [[5, 5, 3, 3], [5, 5, 5, 3], [5, 5, 5, 3]]


@pytest.mark.parametrize("hole", [box(19, 26, (4, 15), (6, 21)), box(19, 26, (0, 9), (13, 26)), None])
@pytest.mark.parametrize("edges", [False, True])
def test_harmonic_is_the_direct_solution(hole, edges):
    """Within the tolerance, inside the frame, in its corner, in scattered holes, and with cut links."""
    generator = torch.Generator().manual_seed(1)
    field = torch.randn(1, 2, 19, 26, generator=generator, dtype=torch.float64) * 3
    if hole is None:
        hole = torch.rand(1, 1, 19, 26, generator=generator) < 0.6
    x, y = plane(19, 26)
    guide = (x + y / 3 > 14).double().expand(1, 1, 19, 26) if edges else torch.zeros(1, 1, 19, 26)
    links = links_of(guide, 0.5)
    assert not unreached(hole, links).any()
    solution = direct(field, hole, links)
    poisoned = torch.where(hole, torch.nan, field)
    for tolerance in (1e-1, 1e-3, 1e-9):
        bound = tolerance * (40 if edges else 1)
        assert (harmonic(poisoned, hole, tolerance, links) - solution).abs().max() < bound
    if not edges:
        assert (harmonic(poisoned.float(), hole) - solution).abs().max() < 1e-3


@pytest.mark.parametrize("function", [lambda x, y: 2 * x - y + 3, lambda x, y: x * y, lambda x, y: x**2 - y**2])
def test_harmonic_functions_are_continued(function):
    """Their discrete Laplacian is 0 exactly, so an interior hole is filled with the function itself."""
    x, y = plane(30, 41)
    field = function(x, y)[None, None] / 20
    hole = box(30, 41, (7, 25), (5, 33))
    assert (harmonic(torch.where(hole, 0, field), hole, 1e-9) - field).abs().max() < 1e-8


def test_harmonic_at_the_border_mirrors_the_frame():
    """Neumann: the solution on a frame beside its own mirror image, whose holes are one interior hole."""
    generator = torch.Generator().manual_seed(2)
    field = torch.randn(1, 2, 16, 20, generator=generator, dtype=torch.float64)
    hole = box(16, 20, (3, 12), (11, 20))
    twice = harmonic(torch.cat([field, field.flip(3)], 3), torch.cat([hole, hole.flip(3)], 3), 1e-9)
    assert (harmonic(field, hole, 1e-9) - twice[..., :20]).abs().max() < 1e-8


def test_harmonic_obeys_the_maximum_principle_and_its_batch():
    """No value outside the range of what is known; a field's solution does not depend on the others of its batch."""
    fields = torch.randn(3, 2, 24, 24, generator=torch.Generator().manual_seed(3)) * torch.tensor(
        [1.0, 100.0, 0.01]
    ).view(3, 1, 1, 1)
    holes = torch.cat([box(24, 24, (2, 20), (3, 22)), box(24, 24, (0, 4), (0, 24)), box(24, 24, (10, 12), (1, 2))])
    together = harmonic(fields, holes)
    for field, hole, result in zip(fields, holes, together, strict=True):
        known = field[:, ~hole[0]]
        assert (result.amin((1, 2)) >= known.amin(1) - 1e-3).all()
        assert (result.amax((1, 2)) <= known.amax(1) + 1e-3).all()
        torch.testing.assert_close(harmonic(field[None], hole[None])[0], result, atol=2e-3, rtol=1e-5)


@pytest.mark.parametrize("fill", [HarmonicFill(border="linear"), BiharmonicFill()], ids=named)
def test_affine_flow_is_continued_to_the_border(fill):
    """Where the plain harmonic fill flattens it, by 0.2 pixels here; 2e-3 is twice the tolerance."""
    x, y = plane(40, 52)
    flow = torch.stack([0.03 * x - 0.02 * y + 1, 0.01 * x + 0.04 * y - 2]).float()[None, None]
    hidden = box(40, 52, (10, 30), (36, 52)).float()[None].expand(1, 1, 2, 40, 52)
    cleared = flow * (1 - hidden)
    filled, _ = fill(cleared, cleared, hidden)
    assert (filled - flow).abs().max() < 2e-3
    flat, _ = HarmonicFill()(cleared, cleared, hidden)
    assert (flat - flow).abs().max() > 0.1


def test_biharmonic_bends_less_than_any_other_filling():
    """Its energy is the smallest: any small change adds to it by its own energy, as at the minimum of a quadratic."""
    generator = torch.Generator().manual_seed(4)
    field = torch.randn(1, 1, 14, 15, generator=generator, dtype=torch.float64)
    hole = box(14, 15, (4, 11), (8, 15))

    def energy(u):
        second = u.diff(n=2, dim=2).square().sum() + u.diff(n=2, dim=3).square().sum()
        return second + 2 * u.diff(dim=2).diff(dim=3).square().sum()

    filled = biharmonic(torch.where(hole, torch.nan, field), hole)
    for _ in range(3):
        change = torch.randn(1, 1, 14, 15, generator=generator, dtype=torch.float64) * hole
        assert math.isclose(energy(filled + change), energy(filled) + energy(change), rel_tol=1e-6)


def test_true_edges_give_an_exact_step():
    """Two halves of constant flow: exact with the edge, wrong without; so too where edges cut off a part."""
    flow = torch.zeros(1, 1, 2, 20, 24)
    flow[..., 11:] = torch.tensor([4.0, -1.0])[:, None, None]
    hidden = box(20, 24, (5, 15), (6, 18)).float()[None].expand(1, 1, 2, 20, 24)
    labels = (flow[:, :, :1] > 0).float()
    for guide in (labels, flow):
        filled, _ = harmonic_with_edges(torch.where(hidden > 0, torch.nan, flow), flow, hidden, guide)
        assert (filled - flow).abs().max() < 1e-3
    blind, _ = HarmonicFill()(flow, flow, hidden)
    assert (blind - flow).abs().max() > 1
    labels[..., 8:12, 8:10] = 2  # inside the hole: nothing of it is known
    filled, _ = harmonic_with_edges(flow, flow, hidden, labels)
    assert (filled - flow).abs().max() < 1e-3
    labels[..., 8:12, 9:13] = 2  # the same across the edge: values between those around it
    filled, _ = harmonic_with_edges(flow, flow, hidden, labels)
    assert (filled[:, :, 0] >= -1e-3).all()
    assert (filled[:, :, 0] <= 4 + 1e-3).all()


def moving_square(frames=4, height=20, width=40, speed=(2, 1)):
    """A square that moves with constant velocity over a still background: true flows and where it is."""
    forward, backward = torch.zeros(2, 1, frames, 2, height, width)
    inside = torch.zeros(1, frames, 1, height, width, dtype=torch.bool)
    for t in range(frames):
        inside[:, t, :, 6 + speed[1] * t : 12 + speed[1] * t, 8 + speed[0] * t : 14 + speed[0] * t] = True
    velocity = torch.tensor(speed).float()[:, None, None]
    return torch.where(inside, velocity, forward), torch.where(inside, -velocity, backward), inside


def test_inertia_takes_the_answer_from_the_other_end():
    """Hidden in frame 1 only: the backward flow of frame 2 ends there. Kills a wrong sign and a wrong neighbour."""
    forward, backward, inside = moving_square()
    hidden = torch.zeros(1, 4, 2, 20, 40)
    hidden[:, 1, 0] = inside[:, 1, 0]
    filled, _ = InertiaFill(ZeroFill())(forward, backward, hidden)
    covered = (inside[:, 1] & inside[:, 2]).expand(1, 2, 20, 40)  # elsewhere still background lands there too
    assert covered.sum() > 20
    assert torch.equal(filled[:, 1][covered], forward[:, 1][covered])
    slower = torch.tensor([-1.0, 0])[:, None, None]  # what the other end says is exact, inertia only likely
    backward[:, 2] = torch.where(inside[:, 2], slower, backward[:, 2])
    for fill in (InertiaFill(ZeroFill()), InertiaFill(ZeroFill(), constant_velocity=False)):
        filled, _ = fill(forward, backward, hidden)
        assert filled[0, 1, :, 9, 15].tolist() == [1, 0]


@pytest.mark.parametrize("known", [0, 2])
def test_inertia_carries_the_velocity(known):
    """The square is hidden in both directions but in one neighbouring frame, whose vectors do not end in frame 1."""
    forward, backward, inside = moving_square(frames=3)
    hidden = torch.zeros(1, 3, 2, 20, 40)
    hidden[:, :, :] = inside
    hidden[:, known, 0 if known == 2 else 1] = 0
    filled, _ = InertiaFill(ZeroFill())(forward, backward, hidden)
    covered = inside.all(1).expand(1, 2, 20, 40)  # elsewhere still background lands there too
    assert covered.sum() == 2 * 2 * 4
    assert torch.equal(filled[:, 1][covered], forward[:, 1][covered])
    behind = InertiaFill(ZeroFill())(*(flow.flip(1) for flow in (backward, forward)), hidden.flip(1).flip(2))[1].flip(1)
    assert torch.equal(behind, filled)  # time reversed, with both directions swapped
    exact, _ = InertiaFill(ZeroFill(), constant_velocity=False)(forward, backward, hidden)
    assert not exact[:, 1][covered].any()  # the other end of these vectors is hidden, too


def test_nothing_hidden_and_nothing_known():
    forward, backward, hidden = random_window()
    for fill in ALL:
        same = fill(forward, backward, torch.zeros_like(hidden))
        assert all(torch.equal(*pair) for pair in zip(same, (forward, backward), strict=True))
        assert all((flow == 0).all() for flow in fill(forward, backward, torch.ones_like(hidden)))


def test_bad_options_are_named():
    with pytest.raises(InputError, match=r"HarmonicFill: tolerance is 0"):
        HarmonicFill(tolerance=0)
    with pytest.raises(InputError, match=r"HarmonicFill: border is 'mirror': expected 'neumann' or 'linear'"):
        HarmonicFill(border="mirror")
