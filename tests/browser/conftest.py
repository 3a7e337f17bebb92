"""A real browser on a small listening page, opened over file:// as a user would open it."""

import shutil

import pytest

from auralise.dissection.plants import plant_kernels
from auralise.listening.builder import build_listening_page
from auralise.networks.names import PLANTED
from tests.unit.test_listening import (
    FLOOR,
    KERNELS,
    NETWORKS,
    SONGS,
    TOURED,
    make_results,
    make_tour,
)

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

FLAGS = [
    "--no-sandbox",  # containers run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no playwright: pip install -e '.[dev]'"
    )
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(
            f"no browser ({', '.join(BROWSERS)}) on the PATH: apt-get install chromium, "
            "or install Google Chrome"
        )
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """Results of two networks and two songs with their page; tests leave them as they are."""
    results = make_results(tmp_path_factory.mktemp("a browser's results #1") / "toy")
    build_listening_page(results, NETWORKS, SONGS, results / "listening", FLOOR)
    return results


@pytest.fixture(scope="session")
def folder(results):
    return results / "listening"


@pytest.fixture(scope="session")
def toured(results, tmp_path_factory):
    """The page of the same results with a tour."""
    copy = tmp_path_factory.mktemp("toured") / "toy"
    shutil.copytree(results, copy, ignore=shutil.ignore_patterns("listening"))
    make_tour(copy)
    kernels = KERNELS | {PLANTED: plant_kernels()}
    build_listening_page(copy, TOURED, SONGS, copy / "listening", FLOOR, kernels=kernels)
    return copy / "listening"


@pytest.fixture
def visit(browser, folder):
    """Opens the page with nothing remembered; afterwards nothing may have gone wrong in it.

    ``visit(address, **options)`` returns a playwright page; `options` are those of a context.
    """
    contexts, problems = [], []

    def listen_to(page):
        page.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request",
            lambda r: r.url.startswith(("file:", "data:", "blob:")) or problems.append(r.url),
        )

    def open_page(address="", at=folder, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        listen_to(page)
        page.goto((at / "index.html").as_uri() + address)
        page.wait_for_selector(".card")
        page.wait_for_function("auralise.player.sounds.original.length")
        return page

    open_page.problems = problems
    yield open_page
    for context in contexts:
        context.close()
    assert not problems
