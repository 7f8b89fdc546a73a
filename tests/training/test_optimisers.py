"""The optimisers move what torch's own move, and load none of its compiler."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ratoon.training.optimisers import DenseAdam, RowAdam

ROOT = Path(__file__).parents[2]


def _gradients(steps: int, shape: tuple[int, ...]) -> list[Tensor]:
    source = torch.Generator().manual_seed(5)
    return [torch.randn(shape, generator=source) for _ in range(steps)]


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_shared_layers_move_as_torch_moves_them(decay: float) -> None:
    """Over ten steps, one of them without a gradient, every bit is that of Adam, or with decay of AdamW."""
    ours, theirs = (torch.ones(4, 3).requires_grad_() for _ in range(2))
    mine = DenseAdam({"layer": ours}, 0.01, decay)
    reference = torch.optim.AdamW([theirs], lr=0.01, weight_decay=decay) if decay else torch.optim.Adam([theirs], lr=0.01)
    for number, gradient in enumerate(_gradients(10, (4, 3))):
        for tensor in (ours, theirs):
            tensor.grad = None if number == 4 else gradient.clone()
        mine.step()
        reference.step()
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, torch.ones(4, 3))


def test_rows_move_as_torch_moves_them() -> None:
    """Over ten steps with other rows each, repeated ones and none at all, every bit is that of SparseAdam; others stay."""
    ours, theirs = (torch.ones(6, 3).requires_grad_() for _ in range(2))
    mine, reference = RowAdam({"table": ours}, 0.01), torch.optim.SparseAdam([theirs], lr=0.01)
    named = [[0, 1], [1, 3, 1], [], [4, 0], [0]] * 2
    for rows, gradient in zip(named, _gradients(10, (3, 3)), strict=True):
        for tensor in (ours, theirs):
            tensor.grad = torch.sparse_coo_tensor(
                torch.tensor([rows], dtype=torch.int64), gradient[: len(rows)], (6, 3), check_invariants=True
            )
        mine.step()
        reference.step()
    assert torch.equal(ours, theirs)
    assert torch.equal(ours[[2, 5]], torch.ones(2, 3))


def _row_gradient(rows: list[int], values: Tensor) -> Tensor:
    return torch.sparse_coo_tensor(torch.tensor([rows]), values[: len(rows)], (6, 3), check_invariants=True)


def test_what_is_remembered_goes_on_as_if_never_interrupted() -> None:
    """Ten steps, and five with five more by new optimisers that were given the first ones' state, end in the same bits."""
    at_once, halved = ({"table": torch.ones(6, 3).requires_grad_(), "layer": torch.ones(6, 3).requires_grad_()} for _ in range(2))
    state: dict[str, Tensor] = {}
    for tensors, parts in ((at_once, 1), (halved, 2)):
        gradients = _gradients(10, (6, 3))
        for part in range(parts):
            rows, dense = RowAdam({"table": tensors["table"]}, 0.01), DenseAdam({"layer": tensors["layer"]}, 0.01, 0.0)
            if part:
                rows.load(state)
                dense.load(state)
            for number in range(part * 5, 10 if parts == 1 else part * 5 + 5):
                tensors["table"].grad = _row_gradient([number % 6, (number + 2) % 5], gradients[number])
                tensors["layer"].grad = gradients[number].clone()
                rows.step()
                dense.step()
            state = {**rows.state(), **dense.state()}
    assert torch.equal(at_once["table"], halved["table"])
    assert torch.equal(at_once["layer"], halved["layer"])


def test_moments_are_kept_of_rows_that_had_a_gradient() -> None:
    """Of six rows two had one: two rows, two means and two squares are remembered, in the order they came."""
    table = torch.ones(6, 3).requires_grad_()
    adam = RowAdam({"table": table}, 0.01)
    for row in (4, 1, 4):
        table.grad = _row_gradient([row], torch.ones(1, 3))
        adam.step()
    state = adam.state()
    assert state["table/rows"].tolist() == [4, 1]
    assert state["table/mean"].shape == state["table/square"].shape == (2, 3)
    assert state["table/steps"].tolist() == [3.0]


def test_a_tensor_of_another_shape_begins_anew() -> None:
    """Moments of a layer that has been widened since are not taken for its own."""
    narrow, wide = torch.ones(2, 2).requires_grad_(), torch.ones(2, 3).requires_grad_()
    before = DenseAdam({"layer": narrow}, 0.01, 0.0)
    narrow.grad = torch.ones(2, 2)
    before.step()
    after = DenseAdam({"layer": wide}, 0.01, 0.0)
    after.load(before.state())
    assert after.state()["layer/steps"].tolist() == [0.0]


def test_a_share_of_the_learning_rate_is_a_share_of_the_way() -> None:
    """The first step at a quarter of the rate moves layers and rows a quarter as far."""
    moved = []
    for share in (1.0, 0.25):
        layer, table = (torch.zeros(6, 3).requires_grad_() for _ in range(2))
        layer.grad, table.grad = torch.ones(6, 3), _row_gradient([2], torch.ones(1, 3))
        DenseAdam({"layer": layer}, 0.01, 0.0).step(share)
        RowAdam({"table": table}, 0.01).step(share)
        moved.append((layer[0, 0].item(), table[2, 0].item()))
    assert moved[1] == pytest.approx([way / 4 for way in moved[0]])


def test_learning_loads_no_compiler() -> None:
    """A process that trains never imports torch's compiler, which costs more than a small refresh."""
    program = (
        "import sys, torch\n"
        "from ratoon.training import TrainingSettings, TwoTowerTrainer\n"
        "from ratoon.domain.plan import RefreshPlan\n"
        "from ratoon.ports import Lesson\n"
        "from tests.training.worlds import SCHEMA, catalogue, interactions\n"
        "table = interactions(range(8), range(8), 50)\n"
        "lesson = Lesson(table, table.slice(0, 0), table.slice(0, 10), catalogue(range(8)))\n"
        "TwoTowerTrainer(TrainingSettings(epochs=1), 0).train(RefreshPlan('full', 'test'), SCHEMA, None, lesson)\n"
        "print(sorted(name for name in ('torch._dynamo', 'torch._inductor') if name in sys.modules))\n"
    )
    path = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'platform')!r}]\n"
    done = subprocess.run([sys.executable, "-c", path + program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
