"""Learned rows and layers in fewer bits, in a release's files and in the server's memory alike."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from ratoon.domain.errors import UsageError
from ratoon.domain.forms import Forms
from ratoon.domain.shape import Shape
from ratoon.judging import Pair
from ratoon.remaking import Remade, reembedded
from ratoon.upkeep.curve import Curve, refuse_loss
from ratoon.upkeep.operation import Choosing, Operation
from ratoon.workshop import Task, Workshop

Asked = Literal["auto", "float32", "float16", "int8"]

LADDER = (Forms("float16", "float16"), Forms("int8", "float16"), Forms("int8", "int8"))
"""What is tried, from the largest: rows first, which are most of a model, and layers, which every vector goes through, last."""


@dataclass(frozen=True, slots=True)
class Quantise(Operation):
    """Rows as float16, or as int8 with a scale each; layers likewise. The smallest form that fit rows allow is taken.

    The form is the model's from then on: `rows` and `dense` refreshes learn in float32 and write it again, and what they do not
    move stays the same to the bit. A `full` one, which starts from nothing, is float32 again.

    Attributes:
        tables, layers: the form of each, or `auto` for the smallest that loses no more than `loss`. Where both are named they
            are taken, and the gate alone judges.
        loss: how much of the recall of fit rows may be lost, relative.
    """

    name: ClassVar[str] = "quantise"

    tables: Asked = "auto"
    layers: Asked = "auto"
    loss: float = 0.005

    def __post_init__(self) -> None:
        """Refuse forms that there are not, and a loss that cannot be."""
        for field in ("tables", "layers"):
            if (found := getattr(self, field)) not in get_args(Asked):
                known = ", ".join(get_args(Asked))
                raise UsageError(f"--{field}", expected=f"one of {known}", found=repr(found), fix="Name one of them.")
        refuse_loss(self.loss)

    def __call__(self, shop: Workshop, task: Task, source: Pair) -> Remade:
        """See `ratoon.remaking.Remake`."""
        curve = Curve(Choosing.of(shop, task, source), source, self.loss)
        tried = self._tried()
        for forms in tried:
            pair = reembedded(shop, task, source, shop.trainer.reshaped(source.model, Shape(forms)))
            name = f"rows {forms.tables}, layers {forms.layers}"
            if len(tried) == 1:
                curve.takes(name, pair)
            elif not curve.tries(name, pair):
                break
        return Remade(curve.taken, self.said(task, curve.choice, curve.points))

    def _tried(self) -> tuple[Forms, ...]:
        """The ladder, with what is named in the place of what it has; one of it where both are."""
        tables = None if self.tables == "auto" else self.tables
        layers = None if self.layers == "auto" else self.layers
        return tuple(dict.fromkeys(Forms(tables or step.tables, layers or step.layers) for step in LADDER))
