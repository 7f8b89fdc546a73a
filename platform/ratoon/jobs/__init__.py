"""What runs by itself: schedule as data, one run per slot, a ledger of runs, and alerts.

The ledger is for people. What keeps two runs of one slot from having two effects is the registry: a release is published by
compare-and-swap on its parent, so that the second of two refreshes finds nothing new, or loses.
"""

LEASE = 30.0
"""Seconds after which a run that nobody has heard of is taken for lost."""
