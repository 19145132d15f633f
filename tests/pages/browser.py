"""Drives a headless Chromium by the DevTools protocol over a pipe: it needs no driver and no port.

The protocol: https://chromedevtools.github.io/devtools-protocol/. Messages are JSON with a NUL behind each.
"""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import time
from collections import deque
from pathlib import Path
from typing import Any, Literal

from tests.conftest import need_program

OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # root has no sandbox; the pages are our own
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
WITHIN_S = 30.0

Scheme = Literal["light", "dark"]


class BrowserError(Exception):
    """The browser did not do what it was asked to."""


class Chromium:
    """A headless Chromium with one tab, which keeps everything it has in `folder`."""

    def __init__(self, folder: Path) -> None:
        program = need_program("chromium")
        theirs, self._out = os.pipe()
        self._in, answers = os.pipe()
        # The browser reads from descriptor 3 and writes to 4.
        launch = f'exec "$0" "$@" 3<&{theirs} 4>&{answers}'
        arguments = (*OPTIONS, f"--user-data-dir={folder / 'profile'}", "about:blank")
        with (folder / "chromium.log").open("wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", launch, program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs, answers),
                env={**os.environ, "HOME": str(folder)},
            )
        os.close(theirs)
        os.close(answers)
        self._received = b""
        self._number = 0
        self._events: deque[dict[str, Any]] = deque()
        try:
            target = self._ask("Target.createTarget", {"url": "about:blank"})["targetId"]
            attached = self._ask("Target.attachToTarget", {"targetId": target, "flatten": True})
            self._session: str = attached["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        os.close(self._out)  # which ends the browser
        os.close(self._in)
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Has the tab do something, and returns the result."""
        return self._ask(method, parameters, self._session)

    def look(self, width: int, scheme: Scheme) -> None:
        """Makes the window so wide, and wishes for light or dark pages."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        wish = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[wish])

    def come_from(self, client: str) -> None:
        """Sends the address of this client along with each request, as a proxy would."""
        self.call("Network.setExtraHTTPHeaders", headers={"X-Forwarded-For": client})

    def open(self, url: str) -> None:
        """Opens a page, and waits until all of it has come."""
        self._events.clear()
        failed = self.call("Page.navigate", url=url).get("errorText")
        if failed:
            raise BrowserError(f"{url}: {failed}")
        self._await_event("Page.loadEventFired")

    def follow(self, element: str) -> None:
        """Clicks on an element with the mouse, and waits for the page that comes of it. The element is a
        JavaScript expression."""
        spot = self.value(
            f"(e => {{ e.scrollIntoView({{block: 'center'}}); const r = e.getClientRects()[0];"
            f" return [r.x + r.width / 2, r.y + r.height / 2] }})({element})"
        )
        self._events.clear()
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent", type=kind, x=spot[0], y=spot[1], button="left", clickCount=1
            )
        self._await_event("Page.loadEventFired")

    def press(self, key: str) -> None:
        """Presses a key such as Tab or Enter."""
        codes = {"Tab": 9, "Enter": 13}
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=codes[key])

    def value(self, expression: str) -> Any:
        """Returns the value of a JavaScript expression, or what a promise has become."""
        done = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in done:
            raise BrowserError(json.dumps(done["exceptionDetails"]))
        return done["result"].get("value")

    @property
    def url(self) -> str:
        return str(self.value("location.href"))

    def requested(self) -> list[str]:
        """The URLs that the browser has asked for since it was sent to this page."""
        return [event["request"]["url"] for event in self._seen("Network.requestWillBeSent")]

    def complaints(self) -> list[str]:
        """What the browser says of the page: what its policy forbids, what was not there."""
        return [event["entry"]["text"] for event in self._seen("Log.entryAdded")]

    def picture(self, path: Path) -> None:
        """Saves the whole page as a PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 8000), "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _seen(self, method: str) -> list[dict[str, Any]]:
        return [event["params"] for event in self._events if event["method"] == method]

    def _ask(self, method: str, parameters: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        sent = memoryview(json.dumps(message).encode() + b"\0")
        while sent:
            sent = sent[os.write(self._out, sent) :]
        deadline = time.monotonic() + WITHIN_S
        while True:
            answer = self._next(deadline, method)
            if answer.get("id") == number:
                break
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _await_event(self, method: str) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not self._seen(method):
            self._next(deadline, method)

    def _next(self, deadline: float, awaited: str) -> dict[str, Any]:
        """Returns the next message. Events are kept. A dialog is an error at once, because the tab waits for
        its end."""
        while b"\0" not in self._received:
            if not select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise BrowserError(f"{awaited}: not within {WITHIN_S:g} s")
            received = os.read(self._in, 1 << 20)
            if not received:
                raise BrowserError(f"{awaited}: the browser has ended")
            self._received += received
        text, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if "method" in message:
            self._events.append(message)
            if message["method"] == "Page.javascriptDialogOpening":
                raise BrowserError(f"a page has opened a dialog: {message['params']['message']}")
        return message
