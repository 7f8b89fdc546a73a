"""Beside the floor, at rest: requests a second, CPU, tails; and what a second worker adds."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from ratoon.bench.row import Row, at_least, at_most, not_run, told
from ratoon.bench.serving import asking, servers, wrk
from ratoon.bench.serving.servers import Server
from ratoon.bench.serving.setting import MANY, REPEATS, Setting
from ratoon.bench.serving.wrk import Load

WARM_SECONDS = 1.0
NO_WORKERS = "`ratoon serve` has no --workers"


@dataclass(frozen=True, slots=True)
class Measured:
    """One server's figures, medians over repeats.

    Attributes:
        one, many: at one connection, and at MANY.
        cpu_us: CPU of its processes per request at MANY.
    """

    one: Load
    many: Load
    cpu_us: float

    def line(self) -> str:
        """For people."""
        return (
            f"{self.many.qps:,.0f}/s, p50 {self.many.p50:.2f} and p99 {self.many.p99:.2f} ms, {self.cpu_us:.0f} us of CPU; at "
            f"one connection {self.one.qps:,.0f}/s, p50 {self.one.p50:.2f} and p99 {self.one.p99:.2f} ms"
        )


def side_by_side(setting: Setting, sides: dict[str, Server]) -> dict[str, Measured]:
    """Each server in turns, so that what the machine does besides falls on all of them."""
    ones: dict[str, list[Load]] = {name: [] for name in sides}
    manies: dict[str, list[Load]] = {name: [] for name in sides}
    cpus: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(REPEATS):
        for name, server in sides.items():
            setting.tell(f"{name}, {repeat + 1} of {REPEATS}", repeat / REPEATS)
            load(setting, server, MANY, WARM_SECONDS)
            ones[name].append(load(setting, server, 1))
            before = server.cpu_seconds()
            manies[name].append(load(setting, server, MANY))
            cpus[name].append((server.cpu_seconds() - before) / manies[name][-1].requests * 1e6)
    return {name: Measured(wrk.middle(ones[name]), wrk.middle(manies[name]), sorted(cpus[name])[REPEATS // 2]) for name in sides}


def load(setting: Setting, server: Server, connections: int, seconds: float = 0.0) -> Load:
    """The usual requests, by wrk."""
    bodies = asking.bodies(asking.askers(setting.world))
    return wrk.run(server.retrieve, bodies, connections, seconds or setting.seconds, server.headers)


def floor(setting: Setting) -> Iterator[Row]:
    """One worker beside the floor."""
    with servers.floor() as below, servers.ratoon(setting.world) as own:
        found = side_by_side(setting, {"the floor": below, "Ratoon": own})
    base, ours = found["the floor"], found["Ratoon"]
    against = f"{ours.line()}; the floor: {base.line()}; medians of {REPEATS}"
    yield at_least("one worker's QPS / FastAPI POST floor's", ours.many.qps / base.many.qps, 0.45, against)
    yield at_most("CPU per request / floor's", ours.cpu_us / base.cpu_us, 2.2, f"{ours.cpu_us:.0f} us against {base.cpu_us:.0f}")
    yield at_most("p99 at 1 connection", ours.one.p99, 1.2, f"the floor's {base.one.p99:.2f} ms", "ms")
    against = f"{ours.many.p99:.2f} ms against {base.many.p99:.2f}"
    yield at_most(f"p99 at {MANY} connections / floor's", ours.many.p99 / base.many.p99, 3.0, against)
    failed = ours.one.failed + ours.many.failed + base.one.failed + base.many.failed
    yield at_most("failed requests meanwhile", failed, 0, "all repeats, both servers", "requests")


def workers(setting: Setting) -> Iterator[Row]:
    """Two workers beside one."""
    quantity = "two workers' QPS / one's, wrk on the same cores"
    if not servers.takes("--workers"):
        yield not_run(quantity, ">= 1.5", NO_WORKERS)
        return
    with ExitStack() as running:
        sides = {f"{count} workers": running.enter_context(servers.ratoon(setting.world, count)) for count in (1, 2)}
        found = side_by_side(setting, sides)
    one, two = found.values()
    against = f"two: {two.line()}; one: {one.line()}"
    yield at_least(quantity, two.many.qps / one.many.qps, 1.5, against)
    yield told("p99 of two workers / one's", two.many.p99 / one.many.p99, "ratio", f"{two.many.p99:.2f} ms")
