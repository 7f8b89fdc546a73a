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
    mine = DenseAdam([ours], 0.01, decay)
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
    mine, reference = RowAdam([ours], 0.01), torch.optim.SparseAdam([theirs], lr=0.01)
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
