"""From settings to an application."""

from pathlib import Path

from ratoon.config import Paths, Settings, Surface
from ratoon.serving import open_app
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
