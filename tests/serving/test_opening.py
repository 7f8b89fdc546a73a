"""From settings to an application."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from ratoon.config import Paths, Settings, Surface
from ratoon.serving import open_app
from ratoon.serving.opening import Check, Checking
from ratoon.wiring import House
from tests.fakes.serving_world import asking


def test_each_surface_of_the_settings_is_served(tmp_path: Path) -> None:
    """An application opens over a home where nothing has been bootstrapped, with the surfaces that the settings name."""
    settings = Settings(paths=Paths(home=tmp_path), surfaces={"home": Surface(), "radio": Surface(repeat="allow")})
    house = House(settings)
    with asking(open_app(house)) as ask:
        assert ask("GET", "/v1/releases/current?surface=radio").status_code == 503
        assert "home, radio" in ask("GET", "/v1/releases/current").json()["detail"]
        event = {"user_id": "u", "item_id": "i"}
        assert ask("POST", "/v1/events", json=event).json() == {"accepted": 1, "duplicates": 0, "offset": 1, "applied": False}
        assert "ratoon_catch_up_failures_total 0.0" in ask("GET", "/metrics").text
    house.log.close()


def test_what_features_may_be_is_looked_for_now_and_then() -> None:
    """A change of what is applied holds from the next look on, and until then nothing is looked for."""
    now, looks, refused = [0.0], [0], [False]

    def look() -> Check:
        looks[0] += 1
        refusing = refused[0]

        def check(_features: Mapping[str, object]) -> None:
            if refusing:
                raise ValueError("no such feature")

        return check

    checking = Checking(look, 5.0, lambda: now[0])
    refused[0] = True
    for now[0] in (1.0, 4.9):
        checking({})
    assert looks == [1]
    now[0] = 5.0
    with pytest.raises(ValueError, match="no such feature"):
        checking({})
    assert looks == [2]
