"""Vectors of releases as rows of Feast views, so that models further down learn from the vectors that were served.

A view of vectors has two join keys: the item (or user) and the `space`. Vectors of two spaces must not meet in one training
set, and this way a consumer cannot mix them by accident: it names the space it was built for, as one constant column of its
entity rows, and moves to another when it likes. A view per space would change the definitions, and every reference to them,
with every model that is learnt anew; the space as a mere feature would give whatever was served last. While consumers move,
rows of both spaces lie side by side; `retire` ends one.

A row says what held from its event_timestamp on, which is when its release was first served. Each release adds one file,
with the vectors that differ from those before it in the same space; an item that is gone ends with a null in every space.
Files are never written again. The views are Feast's alone (tag `ratoon.source` = `release`): the towers' contract, the
window of a refresh, quality rules and materialisation pass them over, or each publication would be a change to refresh for.
"""
