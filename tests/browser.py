"""A real browser without a window: what a page looks like in it, and what it complains of.

Speaks Chromium's own protocol (https://chromedevtools.github.io/devtools-protocol/) over one
WebSocket; a page gets a tab of its own.
"""

from __future__ import annotations

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

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FOUND = next((path for path in map(shutil.which, NAMES) if path), None)
"""The browser of this machine, if it has one."""

SECONDS = 60
"""The longest that the browser may take for one thing."""

_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--disable-dev-shm-usage", "--remote-debugging-port=0"),
)


@dataclass
class Tab:
    """One page in the browser.

    Attributes:
        said: What it wrote to the console, and errors; empty when all is well.
        asked: Addresses it loaded or tried to.
    """

    socket: ClientConnection
    session: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    _number: Iterator[int] = field(default_factory=itertools.count)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What a method answers; events on the way are noted."""
        number = next(self._number)
        message = {"id": number, "method": method, "params": parameters, **self.session}
        self.socket.send(json.dumps(message))
        while (answer := self._next()).get("id") != number:
            pass
        assert "error" not in answer, answer["error"]
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, page: Path) -> None:
        """Load a file, and wait until it is all there."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=page.as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def show(self, width: int, *, scheme: str = "light") -> None:
        """Be a screen this wide, or, below 600 pixels, a phone."""
        phone = width < 600
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def ask(self, script: str) -> Any:
        """What a script finds out about the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, **options: Any) -> bytes:
        """The whole page as PNG, or as the browser's options for it say."""
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=True, **options)
        return base64.b64decode(taken["data"])

    def paper(self) -> bytes:
        """The page as it is printed, as PDF."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True)["data"])

    def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.socket.recv(timeout=SECONDS))
        method, given = message.get("method"), message.get("params", {})
        if method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.said.append(json.dumps(given))
        if method == "Network.requestWillBeSent":
            self.asked.append(given["request"]["url"])
        return message


@contextmanager
def browser(folder: Path) -> Iterator[Tab]:
    """Start the browser with nothing that it remembers, and give a tab of it.

    Args:
        folder: For its files; empty.
    """
    assert FOUND
    command = [FOUND, *_OPTIONS, f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            line = next(one for one in process.stderr if "DevTools listening on " in one)
            address = line.rpartition(" ")[2].strip()
            with connect(address, max_size=None, open_timeout=SECONDS) as socket:
                tab = Tab(socket)
                target = tab.call("Target.createTarget", url="about:blank")["targetId"]
                attached = tab.call("Target.attachToTarget", targetId=target, flatten=True)
                tab.session = {"sessionId": attached["sessionId"]}
                yield tab
                tab.session = {}
                with suppress(Exception):  # it may be faster than its answer
                    tab.call("Browser.close")
            process.wait(SECONDS)
        finally:
            process.kill()
