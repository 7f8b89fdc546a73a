"""A headless Chromium, driven through a pipe with the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from ratoon.domain.errors import StoreError, UsageError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # it is shown our own pages alone, and in a container there is no sandbox to have
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
LONGEST = 30.0
"""Seconds until something that is waited for counts as not coming."""

Scheme = Literal["light", "dark"]


def chromium() -> str:
    """The browser's program; UsageError that says how to get one where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise UsageError(
            "chromium",
            expected=f"one of {', '.join(NAMES)} on the PATH",
            found="none",
            fix="Install it: `apt install chromium`, `dnf install chromium` or `brew install --cask chromium`.",
        )
    return found


class Tab:
    """One page of the browser.

    Attributes:
        asked: the address of every request, in order.
        complaints: what the console was told as errors and warnings, and what scripts threw.
    """

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = to, back
        self._last, self._rest = 0, b""
        self._session = ""
        self.asked: list[str] = []
        self.complaints: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")

    def look(self, width: int, height: int, scheme: Scheme = "light", scale: float = 1.0) -> None:
        """See the page at this size, in CSS pixels; `scale` device pixels each."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 500}
        self._call("Emulation.setDeviceMetricsOverride", **metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]
        self._call("Emulation.setEmulatedMedia", features=features)

    def open(self, url: str) -> None:
        """Go to an address and wait until it is loaded."""
        if wrong := self._call("Page.navigate", url=url).get("errorText"):
            raise StoreError(url, expected="a page", found=wrong, fix="Is the server running? `ratoon serve` starts it.")
        self.until(f"document.readyState === 'complete' && location.href.startsWith({json.dumps(url)})")

    def run(self, script: str) -> Any:
        """The value of an expression; promises are awaited."""
        told = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in told:
            raise StoreError(script, expected="a value", found=str(told["exceptionDetails"]), fix="Mend the expression.")
        return told["result"].get("value")

    def until(self, condition: str, seconds: float = LONGEST) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > end:
                said = self.complaints or "no complaint on the console"
                raise StoreError(condition, expected=f"to be true within {seconds:g} s", found=str(said), fix="Look at the page.")
            time.sleep(0.02)

    def press(self, key: str) -> None:
        """One key, such as `Enter` or `Tab`, wherever the focus is."""
        codes = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, " ": 32}
        text = {"Enter": {"text": "\r"}, " ": {"text": " "}}.get(key, {})
        for kind in ("keyDown", "keyUp"):
            more = text if kind == "keyDown" else {}
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key], **more)

    def type(self, text: str) -> None:
        """Text, wherever the focus is."""
        self._call("Input.insertText", text=text)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write what is seen, or the whole page, as PNG."""
        told = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(told["data"]))

    def _call(self, method: str, **given: Any) -> dict[str, Any]:
        self._last += 1
        asked = {"id": self._last, "method": method, "params": given} | ({"sessionId": self._session} if self._session else {})
        try:
            os.write(self._to, json.dumps(asked).encode() + b"\0")
        except BrokenPipeError as error:
            raise _ended() from error
        while True:
            told = self._read()
            if told.get("id") == self._last:
                break
            self._heard(told.get("method", ""), told.get("params", {}))
        if "error" in told:
            raise StoreError(method, expected="an answer of the browser", found=told["error"]["message"], fix="Update Chromium.")
        result: dict[str, Any] = told["result"]
        return result

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._back, 1 << 20)
            if not more:
                raise _ended()
            self._rest += more
        told, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(told)
        return message

    def _heard(self, method: str, said: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.asked.append(said["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(said["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning"):
            self.complaints.append(str(said["args"]))
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")


def _ended() -> StoreError:
    return StoreError("chromium", expected="to run", found="that it has ended", fix="Run it by hand to see why.")


@contextmanager
def tab() -> Iterator[Tab]:
    """A tab of a browser of its own, without any past; both end with the body."""
    program = chromium()
    theirs_in, to = os.pipe()
    back, theirs_out = os.pipe()
    with tempfile.TemporaryDirectory(prefix="ratoon-browser-", ignore_cleanup_errors=True) as profile:
        # The protocol's pipes are descriptors 3 and 4, whatever they are called here.
        wired = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        command = ["bash", "-c", wired, "browser", program, *OPTIONS, f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            command, pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Tab(to, back)
        finally:
            os.close(to)
            os.close(back)
            try:
                process.wait(10)  # it ends with the pipe
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
