"""Profiles of the towers' inputs, and the distance of new rows from them: PSI, Kolmogorov-Smirnov, Jensen-Shannon.

Rows of one user are alike, so what counts as the size of a sample is how many different users (or items) are in it. Without
any drift the PSI of b bins follows (1/n + 1/m) times a chi-square of b - 1 degrees of freedom, hence has the expectation
(b - 1)(1/n + 1/m) (Yurdakul and Naranjo 2020, Journal of Risk Model Validation 14(4)): that is what `chance` holds.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from ratoon.domain.drift import Drift, Profile
from ratoon.domain.ngrams import words
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.features.quality.measures import Floats, numbers

BINS = 10
"""Bins of a number, at its deciles, as is usual for the PSI."""
CATEGORIES = 30
"""Categories with a bin of their own; all others share one."""
QUANTILES = 257
"""Order statistics kept of each number; they place its distribution function within 1/256."""


def profiles(schema: TowerSchema, table: pa.Table) -> tuple[Profile, ...]:
    """One profile per tower input of `table` (`user_id`, `item_id`, the inputs), ids aside: new ones are no drift."""
    return tuple(_profile(feature, table) for feature in _inputs(schema, table))


def drifts(known: Iterable[Profile], schema: TowerSchema, table: pa.Table) -> tuple[Drift, ...]:
    """The drift of each input of `table` that has a profile, in the schema's order; none for no rows."""
    by_name = {profile.feature: profile for profile in known}
    if not table.num_rows:
        return ()
    return tuple(_drift(by_name[feature.name], feature, table) for feature in _inputs(schema, table) if feature.name in by_name)


def _inputs(schema: TowerSchema, table: pa.Table) -> list[Feature]:
    return [one for one in (*schema.user, *schema.item) if one.kind != "id" and one.name in table.column_names]


def _profile(feature: Feature, table: pa.Table) -> Profile:
    values, missing = _values(feature, table)
    edges: tuple[float, ...] = ()
    named: tuple[str, ...] = ()
    quantiles: tuple[float, ...] = ()
    mean = 0.0
    if isinstance(values, np.ndarray):
        if len(values):
            edges = tuple(np.unique(np.quantile(values, np.arange(1, BINS) / BINS, method="higher")).tolist())
            quantiles = tuple(np.quantile(values, np.linspace(0, 1, QUANTILES), method="nearest").tolist())
            mean = float(values.mean())
    else:
        counted = Counter(values)
        named = tuple(sorted(sorted(counted), key=lambda value: -counted[value])[:CATEGORIES])
    return Profile(
        feature=feature.name,
        entity=feature.entity,
        form="number" if isinstance(values, np.ndarray) else "category",
        rows=table.num_rows,
        entities=_entities(feature, table),
        nulls=missing / table.num_rows if table.num_rows else 0.0,
        mean=mean,
        edges=edges,
        values=named,
        counts=_counts(values, missing, edges, named),
        quantiles=quantiles,
    )


def _drift(profile: Profile, feature: Feature, table: pa.Table) -> Drift:
    values, missing = _values(feature, table)
    then = np.array(profile.counts, np.float64)
    now = np.array(_counts(values, missing, profile.edges, profile.values), np.float64)
    used = (then + now) > 0
    ks = None
    if isinstance(values, np.ndarray) and len(values) and profile.quantiles:
        ks = float(ks_2samp(np.array(profile.quantiles), values, method="asymp").statistic)
    entities = _entities(feature, table)
    chance = (int(used.sum()) - 1) * (1 / max(1, profile.entities) + 1 / max(1, entities))
    p, q = _shares(now[used], entities), _shares(then[used], profile.entities)
    psi = float(np.sum((p - q) * np.log(p / q)))
    js = float(jensenshannon(p, q, base=2)) if len(p) > 1 else 0.0
    return Drift(feature.name, table.num_rows, entities, psi, chance, ks, js)


def _shares(counts: Floats, size: int) -> Floats:
    """Shares of the bins, as if half a user or item more were in each: an empty bin must not make the PSI infinite."""
    shares = counts / counts.sum() if counts.sum() else np.zeros(len(counts))
    smooth = (shares * max(1, size) + 0.5) / (max(1, size) + 0.5 * len(counts))
    return np.asarray(smooth, np.float64)


def _counts(values: Floats | Sequence[str], missing: int, edges: Sequence[float], named: Sequence[str]) -> tuple[int, ...]:
    if isinstance(values, np.ndarray):
        bins = np.bincount(np.searchsorted(np.array(edges), values, side="right"), minlength=len(edges) + 1)
        return (missing, *bins.tolist())
    counted = Counter(values)
    own = [counted[value] for value in named]
    return (missing, *own, len(values) - sum(own))


def _entities(feature: Feature, table: pa.Table) -> int:
    return int(pc.count_distinct(table.column(f"{feature.entity}_id")).as_py())


def _values(feature: Feature, table: pa.Table) -> tuple[npt.NDArray[np.float64] | list[str], int]:
    """The known values of an input, as numbers or as texts, and in how many rows there is none."""
    column = table.column(feature.name).combine_chunks()
    column = column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)
    match feature.kind:
        case "category" | "id":
            return column.drop_null().cast(pa.string()).to_pylist(), column.null_count
        case "ids":
            lengths = pc.fill_null(pc.list_value_length(column), 0)
            return column.flatten().drop_null().cast(pa.string()).to_pylist(), pc.sum(pc.equal(lengths, 0)).as_py() or 0
        case "text":
            texts = column.drop_null().cast(pa.string()).to_pylist()
            return [word for text in texts for word in words(text)], column.null_count
        case "history" | "attention":
            found = numbers(pc.list_value_length(column))
        case "vector":
            found = np.array([np.linalg.norm(row) if row is not None else np.nan for row in column.to_pylist()], np.float64)
        case "number" | "count":
            found = numbers(column.cast(pa.uint8()) if pa.types.is_boolean(column.type) else column)
    known = found[np.isfinite(found)]
    return known, len(found) - len(known)
