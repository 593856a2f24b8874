"""Control headless Chromium to inspect how a page renders.

Uses the Chrome DevTools Protocol (https://chromedevtools.github.io/devtools-protocol/) over one
WebSocket; each page gets its own tab.
"""

import base64
import itertools
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from requirements import report_missing

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

TIMEOUT = 60
"""Maximum seconds the browser may take to answer."""

_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--disable-dev-shm-usage", "--remote-debugging-port=0"),
)


@dataclass
class Tab:
    """Control a tab of the browser.

    Attributes:
        messages: Console output and errors of the page.
        requests: URLs that the page requested.
    """

    socket: ClientConnection
    session: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    _number: Iterator[int] = field(default_factory=itertools.count)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result, recording events on the way."""
        number = next(self._number)
        message = {"id": number, "method": method, "params": parameters, **self.session}
        self.socket.send(json.dumps(message))
        while (answer := self._next()).get("id") != number:
            pass
        assert "error" not in answer, answer["error"]
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, page: Path) -> None:
        """Open a file and wait until it has loaded."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=page.as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def resize(self, width: int, *, scheme: str = "light") -> None:
        """Emulate a screen of this width in pixels; below 600 it is a phone."""
        phone = width < 600
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def evaluate(self, script: str) -> Any:
        """Run a script in the page and return its value."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self, **options: Any) -> bytes:
        """Capture the whole page, as PNG unless the protocol's options say otherwise."""
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=True, **options)
        return base64.b64decode(taken["data"])

    def print_to_pdf(self) -> bytes:
        """Print the page to PDF."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True)["data"])

    def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.socket.recv(timeout=TIMEOUT))
        method, given = message.get("method"), message.get("params", {})
        if method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.messages.append(json.dumps(given))
        if method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        return message


def require_chromium() -> str:
    """Return the path of Chromium; without it, skip the test, or fail in CI."""
    path = next((path for path in map(shutil.which, NAMES) if path), None)
    if path is None:
        report_missing(f"Chromium is not installed: none of {', '.join(NAMES)} is on the PATH")
    return path


@contextmanager
def browser(folder: Path) -> Iterator[Tab]:
    """Start the browser with a fresh profile and give one tab.

    Args:
        folder: Folder for the profile, empty or missing.
    """
    command = [require_chromium(), *_OPTIONS, f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            line = next(one for one in process.stderr if "DevTools listening on " in one)
            address = line.rpartition(" ")[2].strip()
            with connect(address, max_size=None, open_timeout=TIMEOUT) as socket:
                tab = Tab(socket)
                target = tab.call("Target.createTarget", url="about:blank")["targetId"]
                attached = tab.call("Target.attachToTarget", targetId=target, flatten=True)
                tab.session = {"sessionId": attached["sessionId"]}
                yield tab
                tab.session = {}
                with suppress(Exception):  # the browser may close before it answers
                    tab.call("Browser.close")
            process.wait(TIMEOUT)
        finally:
            process.kill()
