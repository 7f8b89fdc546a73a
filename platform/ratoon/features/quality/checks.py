"""Measures against rules, by pandera: all rules of a batch in one lazy validation, every failure by its row."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandera.polars as pandera
import polars as pl
import pyarrow as pa
from pandera.errors import SchemaErrors

from ratoon.features.quality.rules import BATCH, Rule

Mask = npt.NDArray[np.bool_]


def failures(measured: Mapping[Rule, pa.Array]) -> dict[Rule, Mask]:
    """For each rule the rows that break it, shape (n,); a broken rule about the whole batch is broken by all its rows.

    Args:
        measured: rule -> its measure of the same n rows, as `measures.measure` gives it.
    """
    if not measured or not len(next(iter(measured.values()))):
        return {rule: np.zeros(0, np.bool_) for rule in measured}
    rules = {str(place): rule for place, rule in enumerate(measured)}
    frame = pl.DataFrame({name: pl.Series(pl.from_arrow(measured[rule])) for name, rule in rules.items()})
    broken = {rule: np.zeros(frame.height, np.bool_) for rule in measured}
    try:
        pandera.DataFrameSchema({name: _column(rule) for name, rule in rules.items()}, strict=True).validate(frame, lazy=True)
    except SchemaErrors as found:
        for name, row in found.failure_cases.select("column", "index").iter_rows():
            rule = rules[name]
            broken[rule][slice(None) if rule.kind in BATCH else row] = True
    return broken


def _column(rule: Rule) -> pandera.Column:
    if rule.kind == "one_of":
        return pandera.Column(pl.String, pandera.Check.isin(list(rule.allowed)), nullable=True)
    if rule.kind in BATCH:
        high = rule.high
        return pandera.Column(pl.Float64, pandera.Check(lambda data: _mean_at_most(data, high), name=rule.kind))
    return pandera.Column(pl.Float64, pandera.Check.in_range(rule.low, rule.high), nullable=True)


def _mean_at_most(data: pandera.PolarsData, high: float) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).mean() <= high)
