"""Jobs are data: validated whole, with every mistake told at once."""

from pathlib import Path

import pytest

from ratoon.config import Alerts, Job, When, load
from ratoon.domain.errors import UsageError

GOOD = """
[jobs.learn]
do = "refresh"
when = { rows = 1000, age = "1 h", drift = 0.25 }
retries = 5

[jobs.look]
do = "drift"
cron = "15 */6 * * 1-5"
catch_up = "all"
overlap = "wait"

[jobs.anew]
do = "full"
every = "7 d"
misfire = "12 h"
timeout = "6 h"
backoff = "5 min"
jitter = "30 min"

[jobs.copy]
do = "backup"
folder = "/mnt/copies"
cron = "0 4 * * *"

[jobs.small]
do = "upkeep"
operation = "prune"
options = { loss = 0.005, dry_run = true }
every = "7 d"

[jobs.tried]
do = "full"
trial = "canary:5"
every = "7 d"

[alerts]
webhook = "https://example.org/a"
refusals = 5
freshness = "10 min"
"""


def written(folder: Path, text: str) -> Path:
    (folder / "ratoon.toml").write_text(text)
    return folder / "ratoon.toml"


def test_jobs_are_read(tmp_path: Path) -> None:
    """Spans are seconds, and what is not said has its default."""
    settings = load(written(tmp_path, GOOD), environment={})
    learn, look, anew, copy, small, tried = settings.jobs.values()
    assert learn.when == When(rows=1000, age="1 h", drift=0.25)
    assert learn.when is not None
    assert learn.when.age == 3600.0
    assert (learn.retries, learn.surface, learn.catch_up, learn.overlap) == (5, "default", "last", "skip")
    assert (look.cron, look.catch_up, look.overlap) == ("15 */6 * * 1-5", "all", "wait")
    assert (anew.every, anew.misfire, anew.timeout, anew.backoff, anew.jitter) == (604_800, 43_200, 21_600, 300, 1_800)
    assert (copy.folder, look.folder) == ("/mnt/copies", "")
    assert (small.operation, small.options, look.operation) == ("prune", {"loss": 0.005, "dry_run": True}, "")
    assert (tried.trial, anew.trial) == ("canary:5", "")
    assert settings.alerts == Alerts(webhook="https://example.org/a", refusals=5, freshness="10 min")


def test_the_environment_names_the_webhook(tmp_path: Path) -> None:
    """RATOON_WEBHOOK, which may be a secret, comes before the file."""
    assert load(written(tmp_path, GOOD), environment={"RATOON_WEBHOOK": "https://other"}).alerts.webhook == "https://other"


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """Each wrong setting of each job, the other sections' too, in one error."""
    text = """
    [training]
    dim = 1
    [jobs.a]
    do = "dance"
    every = "often"
    [jobs.b]
    do = "refresh"
    cron = "61 * * * *"
    timeout = "0 s"
    [jobs.c]
    do = "refresh"
    [jobs.d]
    do = "refresh"
    every = "1 h"
    cron = "0 * * * *"
    [jobs.e]
    do = "materialize"
    when = { rows = 10 }
    [jobs.f]
    do = "refresh"
    when = {}
    [jobs.g]
    do = "refresh"
    every = "1 h"
    colour = "red"
    [jobs.h]
    do = "backup"
    folder = "copies"
    every = "1 d"
    [jobs.i]
    do = "gc"
    folder = "/copies"
    every = "1 d"
    [jobs.j]
    do = "upkeep"
    every = "1 d"
    [jobs.k]
    do = "upkeep"
    operation = "polish"
    every = "1 d"
    [jobs.l]
    do = "gc"
    options = { loss = 0.1 }
    every = "1 d"
    [jobs.m]
    do = "upkeep"
    operation = "prune"
    options = { "--loss" = 0.1, surface = "other", seen = [1] }
    every = "1 d"
    [jobs.n]
    do = "index"
    trial = "shadow"
    every = "1 d"
    [jobs.o]
    do = "full"
    trial = "canary:100"
    every = "1 d"
    [jobs.p]
    do = "upkeep"
    operation = "prune"
    options = { "--loss" = 0.1, surface = "other" }
    every = "1 d"
    """
    with pytest.raises(UsageError) as caught:
        load(written(tmp_path, text), environment={})
    for said in (
        "training.dim:",
        "jobs.a.do: Input should be 'materialize', 'refresh', 'full', 'index', 'upkeep', 'drift', 'parity', 'gc' or 'backup'",
        "jobs.a.every: Value error, a span such as `12 h`, `5 min` or `20 s` is asked",
        "jobs.b.cron: Value error, five fields of cron that come true some day are asked: Bad minute",
        "jobs.b.timeout: Value error, a span longer than nothing is asked",
        "jobs.c: Value error, exactly one of every, cron and when is asked, not none",
        "jobs.d: Value error, exactly one of every, cron and when is asked, not every and cron",
        "jobs.e: Value error, when: only refresh and full take waiting events away; give `materialize` every or cron",
        "jobs.f.when: Value error, at least one of rows, age and drift is asked",
        "jobs.h: Value error, folder: `backup` asks for an absolute path",
        "jobs.i: Value error, folder: only `backup` has one, not `gc`",
        "jobs.g.colour: Extra inputs are not permitted",
        "jobs.j: Value error, operation: `upkeep` asks for one of augment, distil, fuse, prune, quantise, text, transfer, vec",
        "jobs.k.operation: Input should be '', 'augment', 'distil', 'fuse', 'prune', 'quantise', 'text', 'transfer' or 'vectors'",
        "jobs.l: Value error, operation and options: only `upkeep` has them, not `gc`",
        "jobs.m.options.seen.bool: Input should be a valid boolean",
        "jobs.n: Value error, trial: only refresh and full have one, not `index`",
        "jobs.o.trial: Value error, shadow, or canary:PERCENT with more than 0 and less than 100 percent of users is asked",
        "jobs.p: Value error, options: names as in `loss`, not '--loss', 'surface'; `surface` is the job's own",
    ):
        assert said in str(caught.value)


def test_what_jobs_name_is_there(tmp_path: Path) -> None:
    """Surfaces, the drift job that a drift trigger needs, and names that can be files: all that are wrong at once."""
    text = """
    [jobs."a/b"]
    do = "refresh"
    surface = "away"
    every = "1 h"
    [jobs.d]
    do = "full"
    when = { drift = 1.0 }
    """
    with pytest.raises(UsageError) as caught:
        load(written(tmp_path, text), environment={})
    for said in (
        "a/b: no surface 'away'",
        "d: when.drift needs a job that does `drift`",
        "'a/b': a name of letters, digits, - and _",
    ):
        assert said in str(caught.value)


def test_cron_that_never_comes_true_is_refused() -> None:
    """The 30th of February is no schedule."""
    with pytest.raises(ValueError, match="five fields of cron that come true some day are asked"):
        Job(do="refresh", cron="0 0 30 2 *")
