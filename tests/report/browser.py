# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""Headless Chromium of the system, driven by its own ChromeDriver; nothing is downloaded."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

PHONE = (360, 740)
DESK = (1280, 900)
SWITCHES = (
    "--headless",
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)


class Browser:
    """One tab."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def command(self, name: str, **parameters: Any) -> dict[str, Any]:
        """A command of the DevTools protocol."""
        answer: dict[str, Any] = self.driver.execute_cdp_cmd(name, parameters)
        return answer

    def run(self, script: str, *args: Any) -> Any:
        return self.driver.execute_script(script, *args)

    def show(
        self, page: Path, size: tuple[int, int] = DESK, scheme: str = "light", media: str = "", script: bool = True
    ) -> None:
        """Open a page in a window of a size, with the reader's preferences."""
        width, height = size
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1.5 if size == PHONE else 1,
            mobile=size == PHONE,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", media=media, features=features)
        self.command("Emulation.setScriptExecutionDisabled", value=not script)
        self.driver.get("about:blank")
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)  # what was before is not this page's
        self.driver.get(page.as_uri())

    def console(self) -> list[str]:
        """What the page said on its console, violations of its policy too."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def _events(self, method: str) -> list[dict[str, Any]]:
        """Parameters of the events of a kind since the page was opened or asked last."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [event["params"] for event in events if event["method"] == method]

    def requests(self) -> list[str]:
        """The addresses that the page asked for, its own first."""
        return [event["request"]["url"] for event in self._events("Network.requestWillBeSent")]

    def refused(self) -> list[str]:
        """Why requests of the page were not sent."""
        return [event.get("blockedReason", "") for event in self._events("Network.loadingFailed")]

    def screenshot(self, path: Path) -> None:
        """The whole page, as long as it is."""
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        taken = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(taken["data"]))

    def pdf(self, path: Path) -> bytes:
        printed = base64.b64decode(self.command("Page.printToPDF", printBackground=False)["data"])
        path.write_bytes(printed)
        return printed


@contextmanager
def browser(home: Path) -> Iterator[Browser]:
    """A browser with an empty profile below ``home``."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        raise RuntimeError("chromium and chromedriver are not installed: make browser")
    options = Options()
    options.binary_location = chromium
    for switch in (*SWITCHES, f"--user-data-dir={home / 'profile'}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    here = {"no_proxy": "localhost,127.0.0.1", "NO_PROXY": "localhost,127.0.0.1"}  # the driver is on this machine
    with mock.patch.dict(os.environ, here):
        driver = webdriver.Chrome(options=options, service=Service(chromedriver))
        try:
            yield Browser(driver)
        finally:
            driver.quit()


__all__ = ["DESK", "PHONE", "Browser", "browser"]
