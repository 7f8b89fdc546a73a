"""The search: Optuna draws settings, slices of the past judge them one after the other, and most are given up after the first.

What is drawn follows from what was found (TPE, Bergstra et al. 2011); after the oldest slice, which takes least, a third goes on
(successive halving, Jamieson and Talwalkar 2016, as it is done where trials come one after the other). Everything that was asked
is kept in one file, to which a later session adds. The newest slice chooses nothing: it judges what was best on the others, which
is so in part by luck.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from ratoon import durable
from ratoon.bench.tuning.ground import Ground, Slice
from ratoon.bench.tuning.kept import opened
from ratoon.bench.tuning.space import Span, Values, space, values
from ratoon.bench.tuning.told import Sheet, Tuned, told
from ratoon.domain.errors import UsageError

ROOM = 1.25
"""How much longer than that of the present settings the last judgement may take before the search leaves it too little."""

ONE_IN = 3
"""So many of those that got to a slice go on; of three slices that is decided after the first alone."""

END, SECONDS, SETTINGS = "end", "seconds", "settings"
"""What the study says beside what was answered; and what a trial says: the settings that it tries, as JSON."""

Tell = Callable[[str, float], None]
"""Hears what is being done, and the share of the budget that is gone."""


class OutOfTime(Exception):
    """The budget is used up."""


@dataclass
class Search:
    """One session of a study.

    Args:
        ground: what settings are tried on; it is brought to where the study began.
        file: of the study.
        clock: seconds, from whenever.
        tell: see `Tell`.
    """

    ground: Ground
    file: Path
    clock: Callable[[], float]
    tell: Tell

    def __post_init__(self) -> None:
        """Open the study, or begin it with the settings of the present; DataError if there is too little past for one."""
        self.present = self.ground.house.settings.training
        self.space: dict[str, Span] = space(self.present)
        self.now: Values = values(self.present, self.space)
        self.study = opened(self.file)
        seed = np.random.default_rng([self.present.seed, len(self.study.trials)]).integers(2**31)  # no session repeats another
        self.study.sampler = TPESampler(seed=int(seed))
        self.study.pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=ONE_IN)
        if END not in self.study.user_attrs:
            self.ground.slices  # noqa: B018  # a study that began with too little would never get more
            self.study.set_user_attr(END, self.ground.end)
            if all(span.holds(self.now[name]) for name, span in self.space.items()):
                self.study.enqueue_trial(dict(self.now), user_attrs={SETTINGS: _told(self.now)})
        self.ground.end, self.ground.tell = self.study.user_attrs[END], self._heard
        self._begun, self._until, self._budget, self._before, self._said = self.clock(), float("inf"), 1.0, 0.0, ""

    def run(self, seconds: float) -> Tuned:
        """Search for so many seconds by the clock, and tell what was found so far.

        A training is given up at the end of its pass under way; the last judgement goes on to its end.
        """
        self._begun, self._budget, self._before = self.clock(), seconds, float(self.study.user_attrs.get(SECONDS, 0.0))
        self._until = deadline = self._begun + seconds
        for trial in self.study.get_trials(states=(TrialState.RUNNING,)):  # of a session that was killed
            self._again(trial)
        *searched, newest = self.ground.slices
        try:
            for number, one in enumerate((*searched, newest), 1):
                self._said = f"the present settings, slice {number} of {self.ground.count}"
                self._answers(self.now, one)
            self._until = deadline - ROOM * float(self.study.user_attrs[_key(SECONDS, newest)])
            while self.clock() < self._until:
                self._try(self.study.ask(self._drawn_from()), searched)
                self._spent()
        except OutOfTime:  # in the middle of a training, of which nothing is kept
            pass
        self._until, self._said = float("inf"), "the best is judged by the newest slice"
        if (best := self._best()) is not None:
            self._answers(_settings(best), newest)
        self._spent()
        return self._tuned(best)

    def _spent(self) -> None:
        """Write down how long the study has been searched in; what a session that is killed was at is not counted."""
        self.study.set_user_attr(SECONDS, self._before + self.clock() - self._begun)

    def _heard(self, what: str) -> None:
        """What the ground is at; ends that if time is over."""
        now = self.clock()
        if now >= self._until:
            raise OutOfTime
        self.tell(f"{self._said}: {what}", min(1.0, (now - self._begun) / self._budget))

    def _again(self, trial: FrozenTrial) -> None:
        """Give a trial up, and try its settings first next time; what they have answered is known."""
        self.study.tell(trial.number, state=TrialState.FAIL)
        known = {name: trial.user_attrs[name] for name in (SETTINGS,) if name in trial.user_attrs}
        self.study.enqueue_trial(trial.params, user_attrs=known)

    def _drawn_from(self) -> dict[str, BaseDistribution]:
        return {
            name: IntDistribution(int(span.low), int(span.high), log=span.log)
            if span.whole
            else FloatDistribution(float(span.low), float(span.high), log=span.log)
            for name, span in self.space.items()
        }

    def _try(self, trial: Trial, searched: Sequence[Slice]) -> None:
        """Try settings on slice after slice, for as long as they are among the best of those that got so far."""
        if SETTINGS not in trial.user_attrs:
            trial.set_user_attr(SETTINGS, _told({name: span.tried(trial.params[name]) for name, span in self.space.items()}))
        chosen, gains, best = _settings(trial), list[float](), self._best()
        found = f"; best so far {best.value:+.4f}" if best else ""
        for step, one in enumerate(searched, 1):
            self._said = f"settings {trial.number}, slice {step} of {len(searched)}{found}"
            try:
                sheet = self._sheet(one, chosen)
            except OutOfTime:
                self._again(self.study.trials[trial.number])
                raise
            gains.append(sheet.recall(sheet.best) - sheet.recall(sheet.present))
            trial.report(float(np.mean(gains)), step)
            if step < len(searched) and trial.should_prune():
                self.study.tell(trial, state=TrialState.PRUNED)
                return
        self.study.tell(trial, float(np.mean(gains)))

    def _answers(self, chosen: Values, one: Slice) -> list[bool]:
        """What settings answer on a slice. It is asked once in a study, however often they are drawn."""
        key = _key(durable.sha256(_told(chosen).encode())[:12], one)
        if key not in self.study.user_attrs:
            begun = self.clock()
            hits = self.ground.hits(self.present.model_copy(update=dict(chosen)), one)
            if chosen == self.now:
                self.study.set_user_attr(_key(SECONDS, one), self.clock() - begun)
            self.study.set_user_attr(key, f"{self.ground.digest(one)} {''.join('01'[hit] for hit in hits)}")
        digest, _, answered = self.study.user_attrs[key].partition(" ")
        if digest != self.ground.digest(one):
            raise UsageError(
                str(self.file),
                expected=f"answers to the questions at offsets {one.cut + 1} to {one.end}",
                found="answers to others: events there were forgotten, or features changed",
                fix="Begin anew with --anew.",
            )
        return [hit == "1" for hit in answered]

    def _sheet(self, one: Slice, chosen: Values | None) -> Sheet:
        ours = self._answers(chosen, one) if chosen else ()
        return Sheet(self.ground.users(one), self.ground.weights(one), self._answers(self.now, one), ours)

    def _best(self) -> FrozenTrial | None:
        """The trial with the best mean gain over the searched slices; None if none gains."""
        done = [trial for trial in self.study.get_trials(states=(TrialState.COMPLETE,)) if (trial.value or 0.0) > 0]
        return max(done, key=lambda trial: trial.value or 0.0, default=None)

    def _tuned(self, best: FrozenTrial | None) -> Tuned:
        asked = [one for one in self.ground.slices if _key(SECONDS, one) in self.study.user_attrs]
        sheets = [self._sheet(one, _settings(best) if best else None) for one in asked]
        others = [trial.state for trial in self.study.trials if trial.user_attrs.get(SETTINGS) != _told(self.now)]
        counts = others.count(TrialState.COMPLETE), others.count(TrialState.PRUNED)
        about = (self.ground.surface, self.ground.k, self.ground.end, str(self.file))
        return told(about, sheets, self.now, _settings(best) if best else None, self.study.user_attrs[SECONDS], counts)


def study_file(ground: Ground) -> Path:
    """Where the study of a surface is kept: one for all that its figures follow from."""
    shop, settings = ground.shop, ground.house.settings
    about = [settings.training.model_dump_json(), shop.features.schema().hash, ground.count, ground.k, repr(shop.labels)]
    about += [repr(shop.caps), sorted(space(settings.training).items()), shop.plan.full]
    return ground.house.home / "tuning" / f"{ground.surface}-{durable.sha256(repr(about).encode())[:12]}.journal"


def _key(what: str, one: Slice) -> str:
    return f"{what} {one.cut} {one.end}"


def _told(chosen: Values) -> str:
    return json.dumps(dict(chosen), sort_keys=True)


def _settings(trial: Trial | FrozenTrial) -> Values:
    found: Values = json.loads(trial.user_attrs[SETTINGS])
    return found
