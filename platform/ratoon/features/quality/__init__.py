"""What the data have to be: rules, the quarantine of events that break them, drift, and how old the data are.

The unit of quarantine is the event. Rules stand in `feature_repo/` as tags `ratoon.expect`; before anything is derived
from new events, `sift` judges them (with pandera), writes down those that break a rule, and everything behind reads the
log through `accepted.Accepted`, which leaves them out: no feature, offline or online, and no lesson ever meets them.
Folded values follow from accepted events, so a rule cannot stand on them; it stands on what the events say.

quarantine  the event is put aside; `ratoon quarantine release` appends it to the log again, once, past that rule
block       nothing of the batch goes on: DataError (exit 4), and nothing was written
warn        listed beside the others, and let pass

Rules judge what comes after them: changing one does not judge again what has been sifted. Files of foreign views belong
to somebody else, so their rows can be reported (`warn`) or stop the run (`block`), never be put aside.
"""
