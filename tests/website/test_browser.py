"""The built site in a browser: links, pictures, anchors, errors, widths, search.

It needs what `pip install -e '.[docs]'` brings, and Chromium. Without the browser the tests are skipped; where the
environment variable CI is set, they fail.
"""

import functools
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest

ROOT = Path(__file__).parents[2]
sync_api = pytest.importorskip(
    "playwright.sync_api", reason="the browser tests need playwright: pip install -e '.[docs]'"
)
CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
WIDE_AND_NARROW = (1400, 400)  # pixels
READ = ("index", "installation", "quickstart", "faq", "certificates", "layers", "why-shared", "benchmarks",
        "tutorials/tiling", "api/convolutions")  # fmt: skip

# What a page holds, in one call. A box cuts off its content where the content is wider, and no scroll bar shows the rest.
HELD = """() => ({
  links: [...document.querySelectorAll('a[href]')].map(a => a.href),
  files: [...document.querySelectorAll('img[src], script[src]')].map(e => e.src)
    .concat([...document.querySelectorAll('link[rel=stylesheet]')].map(e => e.href)),
  unseen: [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src),
  anchors: [...document.querySelectorAll('[id]')].map(e => e.id),
})"""
CUT = """() => {
  const page = document.scrollingElement
  const found = page.scrollWidth > page.clientWidth ? [`the page: ${page.scrollWidth} of ${page.clientWidth} pixels`] : []
  for (const box of document.querySelectorAll('.md-content *')) {
    const flow = getComputedStyle(box).overflowX
    const hidden = box.closest('.md-clipboard, .headerlink') || box.clientWidth < 2 || flow == 'auto' || flow == 'scroll'
    if (!hidden && flow != 'visible' && box.scrollWidth > box.clientWidth + 1)
      found.push(`${box.tagName}.${box.className}: ${box.scrollWidth} of ${box.clientWidth} pixels`)
  }
  return found
}"""
# Blocks in which 88 columns of code do not fit: `tests/test_site.py` says that none has more.
NARROW = """() => [...document.querySelectorAll('.md-content pre > code')].filter(box => {
  const probe = box.appendChild(document.createElement('span'))
  probe.textContent = '-'.repeat(88)
  const fits = !box.clientWidth || probe.getBoundingClientRect().width <= box.clientWidth
  probe.remove()
  return !fits
}).map(box => box.textContent.slice(0, 80))"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The site, built as `mkdocs build --strict` does."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(
        command, check=False, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def site(folder):
    """Its address."""
    with serving(folder) as address:
        yield address


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and logs nothing."""

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def serving(folder):
    """A folder, served at an address of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None and not os.environ.get("CI"):
        pytest.skip("the browser tests need Chromium: apt-get install chromium")
    assert CHROMIUM is not None, "CI should install Chromium"
    with (
        sync_api.sync_playwright() as tools,
        tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as browser,
    ):
        yield browser


def visited(browser, address, names):
    """What each page holds, and the faults that the browser saw: errors on its console, files that it did not get."""
    pages, faults = {}, []
    page = browser.new_page(viewport={"width": WIDE_AND_NARROW[0], "height": 900})
    page.on(
        "console", lambda message: faults.append(f"{page.url}: {message.text}") if message.type == "error" else None
    )
    page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
    page.on(
        "response",
        lambda response: faults.append(f"{response.url}: {response.status}") if response.status >= 400 else None,
    )
    for name in names:
        page.goto(address + name)
        pages[address + name] = page.evaluate(HELD)
    page.close()
    return pages, faults


def broken(pages, folder, address):
    """Links, pictures and files of the site that lead nowhere, each with its page."""
    found = []
    for url, held in pages.items():
        found += [f"{url} shows {picture}, which is no picture" for picture in held["unseen"]]
        for target in {*held["links"], *held["files"]}:
            bare, anchor = urldefrag(urljoin(url, target))
            if not bare.startswith(address):
                continue
            path = folder / unquote(bare.removeprefix(address) or "index.html")
            if not path.is_file():
                found.append(f"{url} leads to {bare}, which does not exist")
            elif anchor and bare in pages and unquote(anchor) not in pages[bare]["anchors"]:
                found.append(f"{url} leads to {target}, whose anchor does not exist")
    return found


def names_of(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))


def test_the_strict_build_passes(folder):
    assert (folder / "index.html").is_file()


def test_every_page_loads_without_an_error_and_no_link_is_broken(browser, folder, site):
    pages, faults = visited(browser, site, names_of(folder))
    assert len(pages) > 40
    assert sum(len(held["links"]) for held in pages.values()) > 1000
    assert faults == []
    assert broken(pages, folder, site) == []


def test_nothing_is_fetched_from_elsewhere(browser, folder, site):
    """A page can be read without a network."""
    page, asked = browser.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    for name in READ:
        page.goto(f"{site}{name}.html")
    page.close()
    assert len(asked) > len(READ)
    assert [url for url in asked if not url.startswith((site, "data:"))] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDE_AND_NARROW)
def test_nothing_is_cut_off(browser, site, width, scheme):
    """A wide table or code scrolls at 400 pixels; at 1400 code of 88 columns does not need to."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    cut = {}
    for name in READ:
        page.goto(f"{site}{name}.html")
        cut[name] = page.evaluate(CUT) + (page.evaluate(NARROW) if width == WIDE_AND_NARROW[0] else [])
    page.close()
    assert {name: boxes for name, boxes in cut.items() if boxes} == {}


def test_text_contrasts_with_its_ground_in_dark_mode(browser, site):
    """The page follows the reader's scheme."""
    grounds = []
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(site)
        grounds.append(page.evaluate("() => getComputedStyle(document.body).backgroundColor"))
        page.close()
    light, dark = ([int(part) for part in ground[4:-1].split(",")[:3]] for ground in grounds)
    assert min(light) > 200
    assert max(dark) < 80


@pytest.mark.parametrize(("words", "page"), [("tiling", "tutorials/tiling.html"), ("certificate", "certificates.html")])
def test_search_finds_the_page_of_a_subject(browser, site, words, page):
    view = browser.new_page(viewport={"width": WIDE_AND_NARROW[0], "height": 900})
    view.goto(site)
    view.fill("input[name=query]", words)
    view.wait_for_selector(".md-search-result__item a")
    found = view.eval_on_selector_all(".md-search-result__item a", "all => all.map(a => a.href)")
    view.close()
    assert any(page in url for url in found)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<a href='nothing.html'>it</a>", "nothing.html, which does not exist"),
        ("<a href='other.html#nothing'>it</a>", "whose anchor does not exist"),
        ("<img src='nothing.png'>", "nothing.png, which does not exist"),
        ("<script>console.error('planted')</script>", "planted"),
        ("<script>undefined.planted</script>", "planted"),
        ("<script src='nothing.js'></script>", "nothing.js"),
    ],
)
def test_a_planted_fault_is_found(browser, tmp_path, body, message):
    (tmp_path / "index.html").write_text(f"<!doctype html><link rel=icon href=data:,>{body}")
    (tmp_path / "other.html").write_text("<!doctype html><link rel=icon href=data:,><p id=one>")
    with serving(tmp_path) as address:
        pages, faults = visited(browser, address, ["index.html", "other.html"])
        assert message in "\n".join(faults + broken(pages, tmp_path, address))


@pytest.mark.parametrize("style", ["width: 600px", "max-width: 300px; overflow: hidden"])
def test_what_is_planted_too_wide_is_found(browser, tmp_path, style):
    (tmp_path / "index.html").write_text(
        f"<!doctype html><div class=md-content><div style='{style}'><pre style='width: 500px'>planted</pre></div></div>"
    )
    page = browser.new_page(viewport={"width": WIDE_AND_NARROW[1], "height": 900})
    with serving(tmp_path) as address:
        page.goto(address)
        assert page.evaluate(CUT) != []
    page.close()
