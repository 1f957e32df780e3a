# Copyright (c) 2026 The freehyve.builder authors
# SPDX-License-Identifier: BSD-2-Clause
"""The report in a real browser. What it looked like is left in .cache/test/report."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from ansible_collections.freehyve.builder.plugins.plugin_utils._report import report
from tests.report.browser import DESK, PHONE, Browser, browser
from tests.unit.build_records import earlier, example, failed, hostile, large, unchanged

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / ".cache" / "test" / "report"
QUESTIONS = (Path(__file__).parent / "page.js").read_text(encoding="utf-8")
PAGES: dict[str, Callable[[], str]] = {
    "example": lambda: report(example(), earlier()),
    "unchanged": lambda: report(unchanged()),
    "failed": lambda: report(failed(), earlier()),
    "hostile": lambda: report(hostile(), earlier()),
    "empty": lambda: report({"schema": 1}),
    "large": lambda: report(large(300), example()),
}
SECTIONS = ["Summary", "Where the time went", "Packages", "Image", "Failed ports", "Files and digests", "Inputs"]
LOOKS = [("desk", DESK, "light"), ("desk", DESK, "dark"), ("phone", PHONE, "light"), ("phone", PHONE, "dark")]
SCREEN_ONLY = ("disk", "focus")  # of what the hostile page is not asked: its names are as long as they like


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("pages")
    PICTURES.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, make in PAGES.items():
        found[name] = home / f"{name}.html"
        found[name].write_text(make(), encoding="utf-8")
    return found


@pytest.mark.parametrize(
    ("name", "device", "size", "scheme"),
    [(name, *look) for name in PAGES for look in (LOOKS if name == "example" else LOOKS[::3])],
)
def test_page(tab: Browser, pages: dict[str, Path], name: str, device: str, size: tuple[int, int], scheme: str) -> None:
    tab.show(pages[name], size, scheme)
    if name == "example" or (name in ("hostile", "failed") and device == "desk"):
        tab.screenshot(PICTURES / f"{name}-{device}-{scheme}.png")
    tab.run("for (const node of document.querySelectorAll('details')) node.open = true")
    wrong = tab.run(QUESTIONS)
    if name == "hostile":
        wrong = {question: found for question, found in wrong.items() if question not in SCREEN_ONLY}
    assert wrong == {}
    assert [node.text for node in tab.driver.find_elements(By.TAG_NAME, "h2")] == SECTIONS
    assert tab.console() == []
    assert tab.requests() == [pages[name].as_uri()]
    assert tab.run("return window.pwned === undefined && document.title.endsWith(': build report')")


def test_light_and_dark_are_what_the_reader_asked_for(tab: Browser, pages: dict[str, Path]) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        tab.show(pages["example"], DESK, scheme)
        seen[scheme] = tab.run("return getComputedStyle(document.body).backgroundColor")
    assert seen == {"light": "rgb(251, 250, 248)", "dark": "rgb(21, 24, 27)"}


def test_a_table_that_is_too_wide_scrolls_by_itself(tab: Browser, pages: dict[str, Path]) -> None:
    tab.show(pages["example"], PHONE)
    tab.run("document.querySelector('#packages details').open = true")
    region = "document.querySelector('#packages details .scroll')"
    assert tab.run(f"return {region}.scrollWidth > {region}.clientWidth")
    assert tab.run("return document.documentElement.scrollWidth") == PHONE[0]


def copied(tab: Browser) -> str:
    tab.command("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    found = tab.driver.execute_async_script(
        "const done = arguments[0]; navigator.clipboard.readText().then(done, (error) => done(`error: ${error}`))"
    )
    return str(found)


def test_a_digest_is_copied(tab: Browser, pages: dict[str, Path]) -> None:
    tab.show(pages["example"])
    tab.command("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    buttons = tab.driver.find_elements(By.CSS_SELECTOR, "#files button")
    assert len(buttons) == 7
    for button in buttons:
        button.click()
        target = button.get_attribute("data-copy")
        assert copied(tab) == tab.run("return document.getElementById(arguments[0]).textContent", target)
        assert button.text == "Copied"
    assert copied(tab).count("\n") == 4
    assert tab.run("return document.getElementById('status').textContent") == "Copy all digests: copied"
    assert tab.console() == []


@pytest.mark.parametrize(("command", "label"), [("true", "Copied"), ("false", "Selected")])
def test_without_a_clipboard_the_digest_is_selected(
    tab: Browser, pages: dict[str, Path], command: str, label: str
) -> None:
    tab.show(pages["example"])
    tab.run(
        f"Object.defineProperty(navigator, 'clipboard', {{value: undefined}});document.execCommand = () => {command};"
    )
    button = tab.driver.find_element(By.CSS_SELECTOR, "#files button")
    button.click()
    assert button.text == label
    assert re.fullmatch("[0-9a-f]{64}", tab.run("return getSelection().toString()"))


def test_without_javascript_everything_is_there_to_select(tab: Browser, pages: dict[str, Path]) -> None:
    tab.show(pages["example"], script=False)
    assert [button for button in tab.driver.find_elements(By.TAG_NAME, "button") if button.is_displayed()] == []
    code = tab.driver.find_element(By.ID, "digest-1")
    assert code.value_of_css_property("user-select") == "all"
    assert re.fullmatch("[0-9a-f]{64}", code.text)
    assert "0 of" not in tab.driver.find_element(By.ID, "summary").text


def test_the_policy_lets_nothing_else_run_or_load(tab: Browser, pages: dict[str, Path]) -> None:
    tab.show(pages["example"])
    tab.driver.set_script_timeout(5)
    tab.driver.execute_async_script(
        """
        const done = arguments[0];
        const script = document.createElement("script");
        script.textContent = "window.pwned = 1";
        document.body.append(script);
        document.body.insertAdjacentHTML("beforeend", "<p id=x style='color: red' onclick='window.pwned = 1'>x</p>");
        document.getElementById("x").click();
        const image = new Image();
        image.onerror = () => done();
        image.src = "http://127.0.0.1:9/x";
        """
    )
    assert tab.run("return window.pwned === undefined")
    assert tab.refused() == ["csp"]
    assert len(tab.console()) >= 3


def test_it_prints_whole_and_on_white(tab: Browser, pages: dict[str, Path]) -> None:
    tab.show(pages["example"], scheme="dark", media="print")
    assert tab.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.run("return document.querySelector('nav').getClientRects().length") == 0
    heights = tab.run("return [...document.querySelectorAll('details')].map((node) => node.offsetHeight)")
    assert min(heights) > 60
    assert tab.pdf(PICTURES / "example.pdf").startswith(b"%PDF")
