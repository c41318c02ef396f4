"""The review desk as a browser sees it: from the click to the painted queue, and to the task."""

import gc
import random
import shutil
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.db import Database, migrate
from app.settings import Settings
from benchmarks.review import fill

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
REST_MS = 300
"""After the queue is painted: its event stream keeps the network busy for ever."""
NAME, PASSWORD = "reviewer-browser", "correct horse battery"
WATCH = """
new MutationObserver(() => {
  if (window.listed === undefined && document.querySelector('[data-testid="task"]')) {
    window.listed = null;
    requestAnimationFrame(() => setTimeout(() => { window.listed = performance.now(); }));
  }
}).observe(document, { childList: true, subtree: true });
"""
LISTED = """() => new Promise((done) => {
  const look = () =>
    typeof window.listed === "number" ? done(window.listed) : setTimeout(look, 5);
  look();
})"""
"""Milliseconds from the start of the navigation until the first rows are painted."""
OPEN = """(row) => new Promise((done, failed) => {
  const began = performance.now();
  const title = () => document.getElementById("task-title");
  const before = title();
  const seen = new MutationObserver(() => {
    if (!title() || title() === before) return;
    seen.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
  });
  seen.observe(document, { childList: true, subtree: true });
  setTimeout(() => seen.disconnect() || failed(new Error("no task was painted")), 10_000);
  document.querySelectorAll('[data-testid="task"]')[row].click();
})"""
"""Milliseconds from a click on a row until its task is painted."""


def measure_browser(tasks: int, runs: int, seed: int = 0) -> dict[str, Any]:
    """Milliseconds in Chromium at the median and the 95th percentile, on SQLite; all ``tasks`` are
    open. Needs Playwright (``countersign[test]``) and a Chromium."""
    with tempfile.TemporaryDirectory(prefix="countersign-browser-") as folder:
        settings = Settings(data_dir=Path(folder), questions_per_minute=10_000)
        database = Database(settings.database)
        migrate(database)
        fill(database, tasks, random.Random(seed), states=["open"])
        database.close()
        with _served(settings) as address:
            queue, item = _looked_at(address, runs)
    figures = {name: _figures(ms) for name, ms in (("queue", queue), ("item", item))}
    return {"tasks": tasks, "runs": runs, **figures}


def _looked_at(address: str, runs: int) -> tuple[list[float], list[float]]:
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    queue, item = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        login = {"username": NAME, "password": PASSWORD}
        context.request.post(f"{address}/v1/session", data=login)
        page = context.new_page()
        page.add_init_script(WATCH)
        for run in range(runs):
            page.goto(f"{address}/review")
            queue.append(float(page.evaluate(LISTED)))
            page.wait_for_timeout(REST_MS)
            item.append(float(page.evaluate(OPEN, 1 + run % 20)))
        browser.close()
    return queue, item


@contextmanager
def _served(settings: Settings) -> Iterator[str]:
    """The service on a free port of this machine; no model is loaded."""
    import uvicorn

    from app.main import create_app
    from app.wiring import build_services

    services = build_services(settings)
    # As the service does when it starts; else each full collection looks through all of it.
    gc.collect()
    gc.freeze()
    services.access.accounts.create(NAME, ["reviewer"], password=PASSWORD)
    app = create_app(settings)
    app.state.services = services
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = uvicorn.Config(app, port=port, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        services.close()
        gc.unfreeze()


def _figures(ms: list[float]) -> dict[str, float]:
    return {
        "p50_ms": round(statistics.median(ms), 1),
        "p95_ms": round(statistics.quantiles(ms, n=20)[-1], 1),
    }
