"""Debian's Chromium, driven headless, and servers for it."""

import contextlib
import shutil
import threading

import pytest

from viewer.app import make_viewer

PATHS = ("chromium", "chromium-browser", "google-chrome")
WINDOW = {"width": 1440, "height": 900}


@contextlib.contextmanager
def open_browser():
    """Yield a browser, or skip the test with the reason why there is none."""
    path = next(filter(None, map(shutil.which, PATHS)), None)
    if path is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def serving(scorer, predictor=None):
    """Yield the address of a viewer that runs in a thread of this process."""
    server, address = make_viewer(scorer, 0, predictor)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Watched:
    """A page that notes what goes wrong: errors, refused content, requests to other hosts."""

    def __init__(self, browser, address):
        self.page = browser.new_page(viewport=WINDOW)
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("console", self._note)
        self.page.on("request", lambda request: self._check(request.url, address.partition("?")[0]))
        self.page.on("dialog", self._dismiss)
        self.page.goto(address)
        self.page.locator("#caption h2").wait_for()

    def _note(self, message):
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")

    def _dismiss(self, dialog):
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _check(self, url, address):
        if not url.startswith((address, "data:", "blob:")):
            self.problems.append(f"request: {url}")

    def wait(self, script, argument=None):
        """Wait until JavaScript is true."""
        try:
            self.page.wait_for_function(script, arg=argument, timeout=20_000)
        except Exception as error:
            raise AssertionError(f"never true: {script} with {argument!r}; {self.problems}") from error
