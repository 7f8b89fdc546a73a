"""ratoon.toml and the environment are read once, whole, and every mistake is told at once."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from ratoon.config import CONFIG, HOME, Processes, Settings, Surface, load, processes
from ratoon.domain.errors import UsageError
from ratoon.domain.labels import Weight

SHIPPED = Path(__file__).resolve().parents[2] / "ratoon.toml"


def written(folder: Path, text: str) -> Path:
    file = folder / "ratoon.toml"
    file.write_text(text)
    return file


def test_the_shipped_file_states_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped ratoon.toml says what holds without any file."""
    monkeypatch.chdir(tmp_path)
    without = load(environment={})
    shipped = load(SHIPPED, environment={})
    assert shipped.model_copy(update={"paths": without.paths}) == without
    assert Settings.model_validate(tomllib.loads(SHIPPED.read_text())) == Settings()
    assert shipped.paths.home == SHIPPED.parent / "var"
    assert shipped.paths.feature_repo == SHIPPED.parent / "feature_repo"


def test_without_a_file_everything_has_a_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no ratoon.toml, home and the repository are in the working directory."""
    monkeypatch.chdir(tmp_path)
    settings = load(environment={})
    assert (settings.paths.home, settings.paths.feature_repo) == (tmp_path / "var", tmp_path / "feature_repo")
    assert settings.surfaces == {"default": Surface()}


def test_a_file_in_the_working_directory_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """./ratoon.toml is read unasked."""
    written(tmp_path, "[training]\nseed = 7\n")
    monkeypatch.chdir(tmp_path)
    assert load(environment={}).training.seed == 7


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths in a file count from its folder, whatever the working directory; absolute ones stay."""
    file = written(tmp_path, f'[paths]\nhome = "state"\nfeature_repo = "{tmp_path}/elsewhere"\n')
    monkeypatch.chdir("/")
    settings = load(file, environment={})
    assert (settings.paths.home, settings.paths.feature_repo) == (tmp_path / "state", tmp_path / "elsewhere")


def test_the_environment_names_home_and_file(tmp_path: Path) -> None:
    """RATOON_CONFIG chooses the file and RATOON_HOME overrides its home; a file given by the caller comes first."""
    file = written(tmp_path, '[paths]\nhome = "state"\n[serving]\nport = 1\n')
    assert load(environment={CONFIG: str(file)}).serving.port == 1
    assert load(environment={CONFIG: str(file), HOME: "/data"}).paths.home == Path("/data")
    assert load(environment={CONFIG: str(file), HOME: ""}).paths.home == tmp_path / "state"
    (tmp_path / "other").mkdir()
    other = written(tmp_path / "other", "[serving]\nport = 2\n")
    assert load(other, environment={CONFIG: str(file)}).serving.port == 2


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """One error lists each wrong setting by its full name, with what is wrong and what was found."""
    text = """
    colour = "red"
    [training]
    dim = 1
    epochs = "many"
    learning_rate = 0.1
    [clock]
    mode = "sun"
    [gate]
    tolerance = 1.5
    [surfaces.home]
    repeat = "never"
    """
    file = written(tmp_path, text)
    with pytest.raises(UsageError, match=f"^{re.escape(str(file))}: expected valid settings, found ") as refused:
        load(file, environment={})
    for mistake in (
        "colour: Extra inputs are not permitted (found 'red')",
        "training.dim: Input should be greater than or equal to 2 (found 1)",
        "training.epochs: Input should be a valid integer, unable to parse string as an integer (found 'many')",
        "training.learning_rate: Extra inputs are not permitted (found 0.1)",
        "clock.mode: Input should be 'wall' or 'log' (found 'sun')",
        "gate.tolerance: Input should be less than 1 (found 1.5)",
        "surfaces.home.repeat: Input should be 'mask' or 'allow' (found 'never')",
    ):
        assert mistake in refused.value.found
    assert refused.value.found.count("; ") == 6
    assert refused.value.fix == "Correct these; the shipped ratoon.toml lists every setting."
    assert refused.value.exit_code == 2


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    """A syntax error is told with the file and the line."""
    file = written(tmp_path, "[paths]\nhome = \n")
    with pytest.raises(
        UsageError, match=rf"^{re.escape(str(file))}: expected TOML, found .*line 2.*\. Correct the syntax at that line\.$"
    ):
        load(file, environment={})


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are refused like any other syntax error."""
    file = tmp_path / "ratoon.toml"
    file.write_bytes(b"[paths]\nhome = '\xff'\n")
    with pytest.raises(UsageError, match=rf"^{re.escape(str(file))}: expected TOML, found .*utf-8"):
        load(file, environment={})


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    """A file that was asked for and is not there is an error, not the defaults."""
    missing = tmp_path / "missing.toml"
    message = f"RATOON_CONFIG: expected an existing file, found {missing}. Correct the path."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        load(environment={CONFIG: str(missing)})


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """RATOON_CONFIG that names a folder is an error of usage, like one that names nothing."""
    message = f"RATOON_CONFIG: expected an existing file, found the folder {tmp_path}. Correct the path."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        load(environment={CONFIG: str(tmp_path)})


def test_an_unknown_surface_is_refused(tmp_path: Path) -> None:
    """Asking for a surface that is not configured names those that are."""
    settings = load(written(tmp_path, "[surfaces.home]\n[surfaces.ads]\nrepeat = 'allow'\n"), environment={})
    assert settings.surface("ads").repeat == "allow"
    message = "surface: expected one of home, ads, found 'shop'. Add it to ratoon.toml under [surfaces], or name another."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        settings.surface("shop")


def test_settings_do_not_change() -> None:
    """Nothing can be set after reading."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings().training.dim = 3  # type: ignore[misc]


def test_every_setting_is_described() -> None:
    """Each setting says what it is."""

    def undescribed(model: type[BaseModel], name: str) -> list[str]:
        silent = []
        for field, about in model.model_fields.items():
            kind = about.annotation
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                silent += [*undescribed(kind, f"{name}{field}."), *([] if kind.__doc__ else [field])]
            elif not about.description:
                silent.append(f"{name}{field}")
        return silent

    assert [*undescribed(Settings, ""), *undescribed(Surface, "surfaces.")] == []


def test_drift_limits_are_in_order(tmp_path: Path) -> None:
    """What warns warns no later than what is learnt anew, and that comes no later than what is refused."""
    with pytest.raises(UsageError, match="drift: .*psi_warn <= psi_full <= psi_refuse is asked"):
        load(written(tmp_path, "[drift]\npsi_full = 30.0\n"), environment={})


@pytest.mark.parametrize(("text", "seconds"), [('"never"', None), ('"30 d"', 2_592_000.0), ('"90min"', 5_400.0)])
def test_a_half_life_is_a_span_or_none(tmp_path: Path, text: str, seconds: float | None) -> None:
    """The age that halves the odds of replay is read as seconds, and `never` as none."""
    file = written(tmp_path, f"[training]\nreplay_half_life = {text}\n")
    assert load(file, environment={}).training.replay_half_life == seconds


@pytest.mark.parametrize("text", ['"a while"', '"0 d"', "30", '"30"'])
def test_another_half_life_is_refused(tmp_path: Path, text: str) -> None:
    """What is no span longer than nothing is refused, and what would be right is said."""
    file = written(tmp_path, f"[training]\nreplay_half_life = {text}\n")
    with pytest.raises(UsageError, match="training.replay_half_life: .*a span such as `30 d`.* or `never` is asked"):
        load(file, environment={})


def test_torchrun_says_which_process_this_is() -> None:
    """RANK, WORLD_SIZE and LOCAL_RANK name this process; without them it is alone; anything but numbers is refused by name."""
    assert processes({}) == Processes(rank=0, world=1, local=0)
    assert processes({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}) == Processes(5, 8, 1)
    with pytest.raises(UsageError, match=r"environment: expected numbers, found RANK=first\. Start processes that train toge"):
        processes({"RANK": "first", "WORLD_SIZE": "2"})


def test_types_weigh_what_is_written(tmp_path: Path) -> None:
    """A surface's table of weights takes numbers and forms of the value; without it every type counts the same."""
    weights = '[surfaces.default.weights]\nclick = 1\nbuy = 5.5\nwatch = "0.2 * log1p(value)"\n'
    text = f"[surfaces.default]\nevents_per_pair = 3\n{weights}"
    surface = load(written(tmp_path, text), environment={}).surface("default")
    assert surface.weights == {"click": Weight(1.0), "buy": Weight(5.5), "watch": Weight(0.2, "log1p(value)")}
    assert (surface.events_per_pair, surface.events_per_user) == (3, 1_000)
    assert Surface().weights == {}


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('buy = "sqrt(value)"', r"weights\.buy: .*a number of 0 or more, `value`, `log1p\(value\)` or a multiple .* 'sqrt"),
        ("buy = -1", r"weights\.buy: .*a number of 0 or more, .* is asked, not -1"),
        ("buy = 0\nview = 0", "weights: at least one type that counts more than 0 is asked"),
    ],
)
def test_other_weights_are_refused(tmp_path: Path, text: str, mistake: str) -> None:
    """What is no weight is named by its type, and a table in which nothing counts is refused."""
    file = written(tmp_path, f"[surfaces.default.weights]\n{text}\n")
    with pytest.raises(UsageError, match=mistake):
        load(file, environment={})
