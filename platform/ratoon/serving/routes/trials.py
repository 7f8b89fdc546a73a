"""Routes about the release on trial."""

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool

from ratoon.domain.sequential import Followed, Sample
from ratoon.domain.trial import Figures, Judged, Trial
from ratoon.ports import TrialRegistry
from ratoon.serving.bodies.answers import ReleaseAnswer, Seen, TrialAnswer
from ratoon.serving.bodies.requests import EndTrialRequest
from ratoon.serving.problems import Unknown, documented
from ratoon.serving.rooms import Rooms
from ratoon.serving.routes.releases import SURFACE, told
from ratoon.serving.routes.surfaces import surface_of


class Trials:
    """Handlers, with the rooms they read from."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def router(self) -> APIRouter:
        """The routes."""
        routes = APIRouter(prefix="/v1/trial")
        routes.add_api_route("", self.trial, summary="The release on trial", responses=documented(404, 422, 503))
        routes.add_api_route(
            "/promote",
            self.promote,
            methods=["POST"],
            summary="Publish what is tried",
            responses=documented(404, 409, 422, 503),
        )
        routes.add_api_route(
            "/end",
            self.end,
            methods=["POST"],
            summary="Forget what is tried",
            responses=documented(400, 404, 409, 413, 415, 422, 503),
        )
        return routes

    async def trial(self, surface: SURFACE) -> TrialAnswer:
        """Say what is tried, and what was seen of it in the process that answers this."""
        found = surface_of(self._rooms, surface)
        trial = await _running(surface, found.registry.trials)
        here = found.trial.tried
        open_here = here is not None and here.trial == trial
        return _told(trial, found.trial.told() if open_here else Judged("go on"), found.trial.figures(), answering=open_here)

    async def promote(self, surface: SURFACE) -> ReleaseAnswer:
        """Publish what is tried, as the next release."""
        trials = surface_of(self._rooms, surface).registry.trials
        await _running(surface, trials)
        return told(await run_in_threadpool(trials.promote), current=True)

    async def end(self, body: EndTrialRequest, surface: SURFACE) -> TrialAnswer:
        """End the trial; everybody is answered by the current release, here from the next request on."""
        found = surface_of(self._rooms, surface)
        trial = await _running(surface, found.registry.trials)
        await run_in_threadpool(lambda: found.registry.trials.end(body.reason, of=trial))
        figures = found.trial.figures()
        found.trial.stop()
        return _told(trial, Judged("go on"), figures, answering=False)


async def _running(surface: str, trials: TrialRegistry) -> Trial:
    trial = await run_in_threadpool(trials.running)
    if trial is None:
        raise Unknown(
            "trial",
            expected=f"a release on trial for surface {surface!r}",
            found="none",
            fix="`ratoon refresh --trial shadow` begins one.",
        )
    return trial


def _told(trial: Trial, judged: Judged, seen: Figures, *, answering: bool) -> TrialAnswer:
    return TrialAnswer(
        surface=trial.surface,
        release=trial.release,
        parent=trial.parent,
        mode=trial.terms.mode,
        percent=trial.terms.percent,
        begun=trial.begun,
        answering=answering,
        call=judged.call,
        reasons=list(judged.reasons),
        seen=Seen(
            answers=seen.answers,
            errors=seen.errors,
            latency_ratio=seen.slower if seen.took.n and seen.usual.n else None,
            overlap=_mean(seen.overlap),
            rank_correlation=_mean(seen.order),
            missing_score=_mean(seen.missing),
            dropped=seen.dropped,
            trial_users=seen.trial.users,
            control_users=seen.control.users,
            trial_rate=_rate(seen.trial),
            control_rate=_rate(seen.control),
        ),
    )


def _mean(sample: Sample) -> float | None:
    return sample.mean if sample.n else None


def _rate(followed: Followed) -> float | None:
    return followed.rate if followed.shown else None
