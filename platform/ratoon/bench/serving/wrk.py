"""wrk, a load generator that costs the machine little: how many requests a second, how long they took."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ratoon.domain.errors import StoreError, UsageError

SAID = "ratoon:"
_SCRIPT = """
local requests, at = {}, tonumber(os.getenv("RATOON_BENCH_FIRST") or "0")
function init(args)
  for line in io.lines(os.getenv("RATOON_BENCH_BODIES")) do
    requests[#requests + 1] = wrk.format("POST", nil, HEADERS, line)
  end
end
function request()
  at = at + 1
  return requests[at % #requests + 1]
end
function done(summary, latency)
  io.write(string.format(
    '%s{"requests": %d, "seconds": %f, "status": %d, "lost": %d, "p50": %f, "p99": %f, "max": %f}\\n', "SAID",
    summary.requests, summary.duration / 1e6, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw.

    Attributes:
        requests: that were answered, in `seconds`.
        failed: answers other than 2xx and 3xx, and connections that broke.
        p50, p99, longest: milliseconds.
    """

    requests: int
    seconds: float
    failed: int
    p50: float
    p99: float
    longest: float

    @property
    def qps(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def installed() -> str:
    """Where wrk is.

    Raises:
        UsageError: nowhere.
    """
    found = shutil.which("wrk")
    if found is None:
        raise UsageError("bench serve", expected="wrk on the path", found="none", fix="Install it: `apt-get install wrk`.")
    return found


def run(
    url: str, bodies: Iterable[Mapping[str, Any]], connections: int, seconds: float, headers: Mapping[str, str], timeout: int = 10
) -> Load:
    """Ask for `seconds` over so many connections that are kept open, one body after the other, again and again.

    Raises:
        UsageError: wrk is not installed.
        StoreError: it did not finish.
    """
    with tempfile.TemporaryDirectory(prefix="ratoon-wrk-") as folder:
        script, lines = Path(folder) / "ask.lua", Path(folder) / "bodies"
        script.write_text(_script({"Content-Type": "application/json", **headers}))
        lines.write_text("".join(f"{json.dumps(body, separators=(',', ':'))}\n" for body in bodies))
        command = [
            installed(),
            "-t1",
            f"-c{connections}",
            f"-d{max(1, round(seconds))}s",
            f"--timeout={timeout}s",
            "-s",
            str(script),
            url,
        ]
        done = subprocess.run(command, capture_output=True, text=True, env={"RATOON_BENCH_BODIES": str(lines)}, check=False)
    told = [line for line in done.stdout.splitlines() if line.startswith(SAID)]
    if done.returncode or not told:
        found = (done.stderr or done.stdout).strip() or "no message"
        raise StoreError(f"wrk {url}", expected="to finish", found=found, fix="See that the server lives.")
    return load_of(json.loads(told[0].removeprefix(SAID)))


def load_of(said: Mapping[str, Any]) -> Load:
    """What the script told."""
    failed = int(said["status"]) + int(said["lost"])
    return Load(int(said["requests"]), float(said["seconds"]), failed, said["p50"], said["p99"], said["max"])


def _script(headers: Mapping[str, str]) -> str:
    table = ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items())
    return _SCRIPT.replace("HEADERS", f"{{{table}}}").replace("SAID", SAID)


def middle(loads: Sequence[Load]) -> Load:
    """The median of each figure over repeats; failures are added up."""

    def of(name: str) -> float:
        return float(median(getattr(load, name) for load in loads))

    requests, seconds = round(of("qps") * of("seconds")), of("seconds")
    return Load(requests, seconds, sum(load.failed for load in loads), of("p50"), of("p99"), of("longest"))
