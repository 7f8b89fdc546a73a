"""Where servers search, by what the configuration says and what is there."""

from pathlib import Path

import pytest

from ratoon import config, wiring
from ratoon.domain.errors import UsageError
from ratoon.index import Choice, FaissIndexes, TensorIndexes, chosen
from ratoon.wiring import House


def house(tmp_path: Path, device: str) -> House:
    """A house without anything in it."""
    file = tmp_path / "ratoon.toml"
    file.write_text(f'[index]\ndevice = "{device}"\nexact = 7\n')
    return House(config.load(file, environment={}))


def test_servers_search_where_it_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU servers open tensors with the same policy, elsewhere FAISS in two copies; refreshes open FAISS's in any case."""
    auto = house(tmp_path, "auto")
    monkeypatch.setattr(wiring, "chosen", lambda wanted: Choice("cuda", f"{wanted}: there is one"))
    served = auto.served_indexes()
    assert isinstance(served, TensorIndexes)
    assert (served._policy.exact, served._device) == (7, "cuda")
    assert auto.index_device.why == "auto: there is one"
    assert isinstance(auto.indexes, FaissIndexes)
    monkeypatch.setattr(wiring, "chosen", lambda _wanted: Choice("cpu", "none"))
    assert auto.served_indexes().empty(2, "dot").stats()["copies"] == 2


def test_the_processor_is_what_was_asked_for(tmp_path: Path) -> None:
    """Where the processor is named, it is that, and the reason is the setting."""
    assert house(tmp_path, "cpu").index_device == Choice("cpu", 'index.device is "cpu"')
    assert isinstance(house(tmp_path, "cpu").served_indexes(), FaissIndexes)


def test_a_gpu_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is to search on CUDA does not start without it; refreshes go on; another name is no device."""
    monkeypatch.setattr(wiring, "chosen", lambda wanted: chosen(wanted, lambda: 0))
    named = house(tmp_path, "cuda")
    with pytest.raises(UsageError, match=r"index.device: expected a CUDA device and a torch that can use it"):
        named.served_indexes()
    assert len(named.indexes.empty(2, "dot")) == 0
    with pytest.raises(UsageError, match=r"index.device.*'cpu', 'cuda' or 'auto'"):
        house(tmp_path, "tpu")
