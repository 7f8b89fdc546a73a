"""`ratoon upkeep`: an operation on a release, whose candidate goes through the gate like any other."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.refreshing import raise_refused
from ratoon.cli.screen import AsJson, SurfaceName, bars, show
from ratoon.cli.tuning import tune
from ratoon.domain.report import RefreshReport
from ratoon.domain.upkeep import Upkeep
from ratoon.pictures.cells import size
from ratoon.remaking import Remaking
from ratoon.upkeep import Operation
from ratoon.upkeep.augment import Augment
from ratoon.upkeep.distil import Distil
from ratoon.upkeep.fuse import Fuse, How
from ratoon.upkeep.prune import Prune
from ratoon.upkeep.quantise import Asked, Quantise
from ratoon.upkeep.text import Learn, Text
from ratoon.upkeep.transfer import Transfer
from ratoon.upkeep.vectors import Least, Recode
from ratoon.wiring import House

app = typer.Typer(help="Keep what is served small, fast and good: each operation makes a candidate.", no_args_is_help=True)

Source = Annotated[str | None, typer.Option("--release", help="What it is made of: an id, or its beginning; the current one.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Make and judge the candidate, and publish nothing.")]

app.command()(tune)


@app.callback()
def upkeep() -> None:
    """Keep what is served small, fast and good."""


Loss = Annotated[float, typer.Option(help="The most of the recall of fit rows that may be lost, relative.")]


@app.command()
def augment(
    surface: SurfaceName = "default",
    newcomers: Annotated[
        float, typer.Option(help="Share of items shown while learning as if nobody had met them: above 0 and below 1.")
    ] = 0.3,
    release: Source = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Learn the release's history again so that items of few events are ranked by what they are."""
    run(Augment(newcomers), surface, release, dry_run, as_json)


@app.command()
def distil(
    surface: SurfaceName = "default",
    hidden: Annotated[int | None, typer.Option(help="Width of the student's hidden layers; as configured without it.")] = None,
    teachers: Annotated[int, typer.Option(help="How many teachers are taught, from as many seeds; 1 to 16.")] = 4,
    teacher: Annotated[str, typer.Option(help="Releases that teach instead: the beginnings of their ids, by commas.")] = "",
    teacher_hidden: Annotated[int, typer.Option(help="Width of the teachers' hidden layers.")] = 256,
    teacher_dim: Annotated[int, typer.Option(help="Length of the teachers' vectors.")] = 64,
    teacher_attention: Annotated[bool, typer.Option("--teacher-attention", help="Teachers read histories by attention.")] = False,
    share: Annotated[float, typer.Option(help="Share of the loss that is imitation: above 0, at most 1.")] = 0.9,
    release: Source = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Teach a narrow student what wide teachers say."""
    student = Distil(hidden, teachers, teacher, teacher_hidden, teacher_dim, teacher_attention, share)
    run(student, surface, release, dry_run, as_json)


@app.command()
def fuse(
    surface: SurfaceName = "default",
    release: Source = None,
    how: Annotated[
        How, typer.Option(help="What is made one: candidate sources, an ensemble of towers, or past releases.")
    ] = "sources",
    last: Annotated[int, typer.Option(help="How many releases are averaged, at most.")] = 3,
    rank: Annotated[int, typer.Option(help="Dimensions for what is had together.")] = 32,
    members: Annotated[int, typer.Option(help="Towers of an ensemble, the release's own included.")] = 2,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make one release of several models or sources of candidates, if it beats each of them for certain."""
    run(Fuse(how, last, rank, members), surface, release, dry_run, as_json)


@app.command()
def prune(
    seen: Annotated[int | None, typer.Option(help="Rows go below this many interactions; chosen by fit rows without it.")] = None,
    unseen: Annotated[int | None, typer.Option(help="Rows go after this many days without an interaction.")] = None,
    width: Annotated[bool, typer.Option(help="Try narrower layers too.")] = True,
    loss: Loss = 0.005,
    surface: SurfaceName = "default",
    release: Source = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take out learned rows of what was met seldom or long ago, then hidden units, as far as fit rows allow."""
    run(Prune(seen, unseen, width, loss), surface, release, dry_run, as_json)


@app.command()
def quantise(
    tables: Annotated[Asked, typer.Option(help="The form of learned rows; auto: what fit rows allow.")] = "auto",
    layers: Annotated[Asked, typer.Option(help="The form of layers.")] = "auto",
    loss: Loss = 0.005,
    surface: SurfaceName = "default",
    release: Source = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Store learned rows and layers in fewer bits, in files and in the server's memory."""
    run(Quantise(tables, layers, loss), surface, release, dry_run, as_json)


@app.command()
def text(
    field: Annotated[str, typer.Option(help="The items' text.")] = "title",
    user_field: Annotated[str, typer.Option(help="The users' own text; none without it.")] = "",
    learn: Annotated[Learn, typer.Option(help="Which text comes next, what value it is given, or nothing.")] = "click",
    texts: Annotated[int, typer.Option(help="Texts that are learnt from, at most, those of the newest interactions.")] = 4096,
    passes: Annotated[int, typer.Option(help="Most passes over them; fit rows say which is kept.")] = 4,
    rank: Annotated[int, typer.Option(help="Rank of what is learnt beside the encoder.")] = 8,
    dim: Annotated[int, typer.Option(help="Numbers for each text.")] = 64,
    surface: SurfaceName = "default",
    release: Source = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Add what texts say as a source of candidates, or go on learning it by what came since."""
    run(Text(field, user_field, learn, texts, passes, rank, dim), surface, release, dry_run, as_json)


@app.command()
def transfer(
    home: Annotated[str, typer.Option("--from", help="The folder of the other catalogue's state, its paths.home.")],
    surface: SurfaceName = "default",
    from_surface: Annotated[str, typer.Option(help="Its surface.")] = "default",
    from_release: Annotated[str, typer.Option(help="Its release, the beginning of the id; its current one without it.")] = "",
    items: Annotated[str, typer.Option(help="Items that both have: a CSV file of their_id,our_id, or `same`.")] = "",
    users: Annotated[str, typer.Option(help="Users that both have, likewise.")] = "",
    passes: Annotated[int, typer.Option(help="Most passes over the release's own history.")] = 3,
    release: Source = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Start from what another catalogue's release has learnt."""
    other = Transfer(home, from_surface, from_release, items, users, passes)
    run(other, surface, release, dry_run, as_json)


@app.command()
def vectors(
    codec: Annotated[str, typer.Option("--codec", help="auto, flat, fp16, sq8 or sq4.")] = "auto",
    loss: Annotated[float, typer.Option("--loss", help="The share of what is found uncompressed that `auto` may miss.")] = 0.02,
    least: Annotated[Least, typer.Option(help="What `auto` makes small: a server's memory, or a release's files.")] = "memory",
    surface: SurfaceName = "default",
    release: Source = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Keep item vectors in a smaller codec: each is measured on the release's own vectors and users."""
    run(Recode(codec, loss, least), surface, release, dry_run, as_json)  # type: ignore[arg-type]  # which it refuses itself


def run(operation: Operation, surface: str, release: str | None, dry_run: bool, as_json: bool) -> None:
    """Make a candidate, judge it, publish it if it passes, and tell what it saved and cost."""
    report = remade(open_house(), surface, Remaking(operation, release, dry_run))
    show(asdict(report.brief()), as_json, described(report))
    if not dry_run:
        raise_refused(report)


def remade(house: House, surface: str, remaking: Remaking) -> RefreshReport:
    """Do it, and show how it goes."""
    from ratoon.refresh import refresh

    with bars() as shown:
        stage, inner = shown.add_task("opening", total=None), shown.add_task("", total=1.0, visible=False)

        def done(what: str, share: float) -> None:
            shown.update(inner, description=f"  {what}", completed=share, visible=share < 1.0)

        shop = house.workshop(surface, done)
        watch = house.stopwatch(lambda name: shown.update(stage, description=f"{surface}: {name}"))
        return refresh(shop, watch, "upkeep", remaking=remaking)


def described(report: RefreshReport) -> str:
    """A report in lines."""
    release = f"Release {report.sequence} ({report.release[:12]})." if report.release else ""
    lines = [f"{report.surface}: {report.outcome} {report.plan.reason}. {release}"]
    if report.verdict:
        says = "Gate" if report.verdict.publish or report.outcome == "refused" else "The gate would refuse it"
        lines.append(f"{says}: {'; '.join(report.verdict.reasons)}.")
    return "\n".join([*lines, *(_told(report.upkeep) if report.upkeep else ())])


def _told(said: Upkeep) -> list[str]:
    lines = list(said.notes)
    for point in said.curve:
        took = f", {point.search_us:.0f} us of CPU a search" if point.search_us else ""
        lines.append(f"{point.name}: {size(point.bytes)}, recall {point.recall:.4f}{took}{' (chosen)' if point.chosen else ''}")
    if said.before and said.after:
        before, after = asdict(said.before), asdict(said.after)
        lines += [f"{name}: {_shown(name, before[name])} to {_shown(name, after[name])}" for name in before]
    for k, slices in said.recall.items():
        lines += [
            f"recall@{k} {name}: {one.parent:.4f} to {one.candidate:.4f} "
            f"(95 % interval of the difference {one.low:+.4f} to {one.high:+.4f}, {one.rows} rows)"
            for name, one in slices.items()
            if one.rows
        ]
    return lines


def _shown(name: str, value: Any) -> str:
    return f"{value:.1f} us" if name.endswith("_us") else size(value)
