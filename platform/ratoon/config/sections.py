"""The sections of ratoon.toml; every setting is described where it stands."""

from math import inf
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ratoon.domain.caps import Caps
from ratoon.domain.dial import Codec, IndexPolicy
from ratoon.domain.drift import DriftPolicy
from ratoon.domain.duration import seconds
from ratoon.domain.gate import GatePolicy
from ratoon.domain.labels import LabelPolicy, Weight


class Section(BaseModel):
    """One table of ratoon.toml: frozen, and without settings that nobody reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def mistakes(error: ValidationError) -> list[str]:
    """Each mistake that was found: where, what is asked, and what stands there."""
    return [f"{'.'.join(map(str, one['loc']))}: {one['msg']} (found {one['input']!r})" for one in error.errors()]


class Paths(Section):
    """Where things are; relative paths are relative to the configuration file."""

    home: Path = Field(Path("var"), description="All state: events, features, releases. RATOON_HOME overrides it.")
    feature_repo: Path = Field(Path("feature_repo"), description="The Feast repository.")


class Events(Section):
    """The event log: where an event is acknowledged."""

    store: Literal["sqlite", "redis"] = Field(
        "sqlite", description="`sqlite`: the home's file; `redis`: a stream that several servers share, each with a copy of it."
    )
    url: str = Field("", description="Of the server, Redis 7.2 or Valkey: redis://[user:password@]host:port/db or unix://path.")
    replicas: int = Field(0, ge=0, description="Of that server, that have an event on disk before it is acknowledged.")
    may_lose: bool = Field(False, description="Take a server that could lose what it acknowledged.")
    waiting: int = Field(100_000, ge=1, description="Most events that wait for the disk; more are refused, with a time to retry.")
    waiting_mb: int = Field(64, ge=1, description="The same in mebibytes.")
    skew_s: float = Field(300, ge=0, le=86_400, description="Seconds that an event may be dated ahead of the machine's clock.")
    spare_mb: int = Field(256, ge=0, description="With less of the disk free no events are taken.")

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.store == "redis" and not self.url:
            raise ValueError("url: the server's is asked, with store = redis")
        return self


class Clock(Section):
    """What time it is."""

    mode: Literal["wall", "log"] = Field(
        "wall", description="`wall`: the machine's; `log`: the newest acknowledged event's, for replays of old data."
    )


def _span(said: object) -> float | None:
    """Seconds, or None for `never`."""
    span = seconds(said) if isinstance(said, str) and said != "never" else None
    if not span and said != "never":
        raise ValueError("a span such as `30 d`, `12 h`, `5 min` or `20 s`, longer than nothing, or `never` is asked")
    return span


class Training(Section):
    """The towers and how they learn."""

    objective: Literal["softmax", "bce", "mse"] = Field("softmax", description="What is minimised.")
    metric: Literal["cosine", "dot"] = Field("cosine", description="How vectors are compared, in training and in the index.")
    logq: float = Field(
        1.0, ge=0, le=1, description="How much of the logQ correction is made; at 0 popularity is left to the traits."
    )
    temperature: float = Field(0.1, gt=0, description="What the softmax divides scores by.")
    negatives: int = Field(256, ge=0, description="Items drawn from the catalogue per step, that the batch shares.")
    dim: int = Field(64, ge=2, le=4096, description="Length of the vectors.")
    epochs: int = Field(3, ge=1, description="Most passes over history when learning from nothing.")
    passes: int = Field(1, ge=1, description="Passes over new and replayed rows when refreshing.")
    replay_half_life: Annotated[float | None, BeforeValidator(_span)] = Field(
        None, description="Age that halves the odds of a past interaction to be replayed, as `30 d`; `never`: the same odds."
    )
    seed: int = Field(0, ge=0, description="Of every random choice.")
    batch: int = Field(512, ge=1, description="Interactions per step; of all processes together. A GPU wants thousands.")
    threads: int = Field(1, ge=1, description="CPU threads of training; more of them spin where cores are shared.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="What computes; `auto`: CUDA where there is one.")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="Of the towers' matrix products.")
    tables: Literal["device", "host"] = Field(
        "device", description="Where learned rows are kept; `host`: in the processor's memory, for more than a GPU can hold."
    )
    lr_dense: float = Field(1e-3, gt=0, description="Learning rate of the shared layers.")
    lr_rows: float = Field(1e-2, gt=0, description="Learning rate of the learned rows.")
    optimiser: Literal["adam", "adamw"] = Field("adam", description="Of the shared layers; rows have sparse Adam.")
    weight_decay: float = Field(0.01, ge=0, description="Of the shared layers, with `adamw`.")
    warmup: int = Field(0, ge=0, description="Steps over which a training's learning rates rise; 0: none.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of hidden units left out while learning.")
    id_dropout: float = Field(0.1, ge=0, lt=1, description="Share of ids taken for unknown ones while learning.")
    newcomers: float = Field(
        0.0, ge=0, lt=1, description="Share of items shown while learning as if nobody had met them, for those of few events."
    )
    gradient_norm: float = Field(inf, gt=0, description="Length at which a step's gradient is cut off; `inf`: never.")
    row_bound: float = Field(
        inf, gt=0, description="Most a row or layer may move in a refresh, relative to its length; `inf`: as far as it likes."
    )
    absorb_bound: float = Field(0.1, ge=0, description="The same when the rows held back for judging are learnt last.")
    warm_optimiser: bool = Field(False, description="Whether releases carry what the optimisers remember.")


class Gate(Section):
    """What a candidate must hold."""

    k: int = Field(50, ge=1, description="Depth at which recall is judged.")
    tolerance: float = Field(0.05, ge=0, lt=1, description="Relative loss of recall that is let pass.")
    taste: float = Field(0.07, ge=0, lt=1, description="The same where the towers answer without what is popular.")
    weights: float = Field(0.15, ge=0, lt=1, description="The same where new weights of popularity meet the old ones.")
    old: float = Field(0.15, ge=0, lt=1, description="The same on rows from all over the past: forgetting.")
    index_recall: float = Field(0.95, ge=0, le=1, description="Least share of the exact top k that the index returns.")
    rows: int = Field(1000, ge=1, description="Most interactions judged per slice.")
    variety: float = Field(0.5, ge=0, le=1, description="Least share left of the items that answers are spread over.")
    reach: float = Field(0.5, ge=0, le=1, description="Least share left of the items that answers reach at all.")
    head: float = Field(0.2, ge=0, le=1, description="Rise let pass of the share of answers that 1 % of the items take.")
    latency: float = Field(2.0, ge=1, description="How many times the CPU time per user the user tower may take.")
    skew: float = Field(0.2, ge=0, lt=1, description="Relative loss let pass while old and new vectors are mixed.")
    win: float = Field(0.0, ge=-1, le=1, description="Gain in recall that `full` needs beside a good release; -1: none.")

    def policy(self, drift: DriftPolicy) -> GatePolicy:
        """What the gate asks for."""
        return GatePolicy(**self.model_dump(exclude={"rows"}), drift=drift)


Weighing = Annotated[Weight, BeforeValidator(Weight.parse)]
"""A number, or a form such as `log1p(value)`."""


class Explored(Section):
    """The last candidates of an answer, of which chance may show others: what `ratoon ope` learns from."""

    slots: int = Field(1, ge=1, description="How many of the last candidates.")
    epsilon: float = Field(0.1, gt=0, lt=1, description="How likely each of them is another one.")
    pool: int = Field(20, ge=1, description="How many of the candidates ranked next it is drawn from.")
    salt: str = Field("", description="Of the experiment: another salt draws others.")

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.pool < self.slots:
            raise ValueError("pool: at least as many as slots are asked")
        return self


class Surface(Section):
    """One place where recommendations are shown; it has its own releases."""

    user_service: str = Field("user_tower", description="FeatureService that feeds the user tower.")
    item_service: str = Field("item_tower", description="FeatureService that feeds the item tower.")
    repeat: Literal["mask", "allow"] = Field("mask", description="Whether items a user has had may be offered again.")
    weights: dict[str, Weighing] = Field(
        {},
        description="Interaction type -> what one counts, learnt and judged: a number, `value`, `log1p(value)`, `0.2 * value`. A "
        "type that is not listed counts nothing and hides nothing; without any, all count 1.",
    )
    events_per_user: int = Field(1_000, ge=1, description="Most interactions of one user of one day that are learnt.")
    events_per_pair: int = Field(10, ge=1, description="Most of them with one item.")
    exploration: Explored | None = Field(None, description="What is left to chance; without it, nothing.")

    def labels(self, objective: str) -> LabelPolicy:
        """What its interactions count, and which of them can be right answers under a training objective."""
        return LabelPolicy(self.weights, self.repeat, above_zero=objective == "bce")

    @property
    def caps(self) -> Caps:
        """How much one person can teach it."""
        return Caps(self.events_per_user, self.events_per_pair)

    @model_validator(mode="after")
    def _something_counts(self) -> Self:
        if self.weights and not any(weight.times > 0 for weight in self.weights.values()):
            raise ValueError("weights: at least one type that counts more than 0 is asked")
        return self


class Index(Section):
    """How items are searched for. `ratoon index explain` says what comes of it."""

    recall: float = Field(0.95, gt=0, le=1, description="Least share of the exact top k that a search returns.")
    k: int = Field(100, ge=1, description="The depth at which that is measured.")
    exact: int = Field(20_000, ge=0, description="Up to so many items every one is looked at.")
    codec: Codec = Field("fp16", description="How numbers are kept beyond that: `flat`, `fp16`, `sq8`, or `sq4` in half a byte.")
    copies: Literal[1, 2] = Field(2, description="Copies a server keeps: with 1, searches wait for changes.")
    filter_mib: int = Field(
        128, ge=0, description="MiB a server keeps of vectors that filters match, of filters asked again and again; 0: none."
    )
    mapped: bool = Field(False, description="Whether the servers of a machine map one file instead of holding a copy each.")
    device: Literal["cpu", "cuda", "auto"] = Field(
        "auto", description="Where a server searches; `auto`: on a CUDA device if there is one that the installed torch can use."
    )

    @property
    def policy(self) -> IndexPolicy:
        """What a server's index is asked for."""
        return IndexPolicy(**self.model_dump(exclude={"device", "mapped"}))


class Exposures(Section):
    """The log of what was shown to whom: what policies are judged by."""

    share: float = Field(0.1, ge=0, le=1, description="Of all answers, that is logged; 0: none.")
    salt: str = Field("", description="Of the hash that decides which those are; the same for all servers.")
    keep: Annotated[float | None, BeforeValidator(_span)] = Field(
        90 * 86_400.0, description="Age beyond the newest at which servers and `ratoon gc` delete them, as `90 d`; `never`."
    )


class Serving(Section):
    """The retrieval API."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 for any free one.")
    poll_seconds: float = Field(0.5, gt=0, description="How often to look for a new release.")
    workers: int = Field(1, ge=1, le=256, description="Processes that answer; one for each core that they may have.")
    queue_ms: float = Field(10.0, gt=0, description="Requests that would have to wait longer for their turn are refused.")
    client_seconds: float = Field(10.0, gt=0, description="The longest that sending a request or reading its answer may take.")
    drain_seconds: float = Field(2.0, ge=0, description="For so long after SIGTERM connections are still taken, and asked to go.")
    certificate: str = Field("", description="PEM file with the certificate chain to show; empty: no TLS. SIGHUP reads it again.")
    private_key: str = Field("", description="PEM file with its key.")
    rate: str = Field(
        "",
        description="Requests that a key without a rate of its own may send, as `100/second`; empty: any. Each worker counts "
        "those that it gets.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="From which on log lines are written.")
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="`json`: an object a line; `text`: for people; `auto`: for people where standard error is a terminal."
    )
    access: Literal["none", "failed", "all"] = Field(
        "failed",
        description="Which answers leave a log line: `failed`: what the server is to blame for, and operators' calls that fail.",
    )


class Tracing(Section):
    """Spans of requests and their stages, by OpenTelemetry (`pip install 'ratoon[otel]'`)."""

    address: str = Field(
        "", pattern=r"^(https?://\S+)?$", description="Where spans are sent, by OTLP over HTTP; empty: none are made."
    )
    share: float = Field(0.01, ge=0, le=1, description="Of requests that come without `traceparent`, that is traced.")
