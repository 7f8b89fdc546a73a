"""Releases and the process.

Made from the server's OpenAPI document by `python -m ratoon.serving.generating`; do not edit.
"""

from typing import Unpack

from ratoon.client.call import Call, OnSurface, Options, said, segment
from ratoon.client.generated.operating.answers import ReleaseAnswer, ReleasesAnswer, ServedAnswer, TrialAnswer
from ratoon.client.sending import Sending


class Operating(Sending):
    """Releases and the process."""

    def current_release(self, **options: Unpack[OnSurface]) -> ServedAnswer:
        """What a surface serves.

        Describe the release that answers for a surface.

        Raises:
            Invalid, NotFound, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return self._send(Call("GET", "/v1/releases/current", ServedAnswer.read, True), options)

    def releases(self, **options: Unpack[OnSurface]) -> ReleasesAnswer:
        """The releases that are kept.

        List what can be served again, newest first.

        Raises:
            Invalid, NotFound, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return self._send(Call("GET", "/v1/releases", ReleasesAnswer.read, True), options)

    def activate(self, release_id: str, reason: str, **options: Unpack[OnSurface]) -> ReleaseAnswer:
        """Serve an earlier release again.

        Publish the content of an earlier release as a new one, and hold refreshing until somebody resumes it.

        Args:
            reason: For whoever finds refreshing on hold: it is, until `ratoon resume`.

        Raises:
            Conflict, Invalid, NotFound, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return self._send(
            Call("POST", f"/v1/releases/{segment(release_id)}/activate", ReleaseAnswer.read, False, body=said(reason=reason)),
            options,
        )

    def trial(self, **options: Unpack[OnSurface]) -> TrialAnswer:
        """The release on trial.

        Say what is tried, and what was seen of it in the process that answers this.

        Raises:
            Invalid, NotFound, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return self._send(Call("GET", "/v1/trial", TrialAnswer.read, True), options)

    def promote_trial(self, **options: Unpack[OnSurface]) -> ReleaseAnswer:
        """Publish what is tried.

        Publish what is tried, as the next release.

        Raises:
            Conflict, Invalid, NotFound, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return self._send(Call("POST", "/v1/trial/promote", ReleaseAnswer.read, False), options)

    def end_trial(self, reason: str, **options: Unpack[OnSurface]) -> TrialAnswer:
        """Forget what is tried.

        End the trial; everybody is answered by the current release, here from the next request on.

        Args:
            reason: Kept with what became of earlier trials.

        Raises:
            Conflict, Invalid, NotFound, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return self._send(Call("POST", "/v1/trial/end", TrialAnswer.read, False, body=said(reason=reason)), options)

    def healthz(self, **options: Unpack[Options]) -> str:
        """Whether the process lives.

        Answer while the process lives, whatever it can serve.

        Raises:
            TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return self._send(Call("GET", "/healthz", str, False, text=True), options)

    def readyz(self, **options: Unpack[Options]) -> str:
        """Whether requests may be sent here.

        Answer 200 once every surface has a release to answer from, until the process is told to stop.

        Raises:
            TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return self._send(Call("GET", "/readyz", str, False, text=True), options)

    def metrics(self, **options: Unpack[Options]) -> str:
        """Prometheus metrics.

        Everything counted since the start.

        Raises:
            TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return self._send(Call("GET", "/metrics", str, False, text=True), options)
