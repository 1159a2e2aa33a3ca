"""`make docs`: the site builds without a warning, its links and pictures lead somewhere, nothing needs a network."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag

import pytest
from support import REPOSITORY

pytestmark = pytest.mark.slow

DOCS = REPOSITORY / "docs"


class Page(HTMLParser):
    """What a page links to, what it loads, and the places in it that can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") not in ("index", "search", "next", "prev", "canonical"):
            self.loaded.append(given["href"])
        elif given.get("src"):
            self.loaded.append(given["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    sphinx = pytest.importorskip("sphinx.cmd.build", reason="the extra `docs` is not installed")
    folder = tmp_path_factory.mktemp("site")
    out, doctrees = str(folder / "html"), str(folder / "doctrees")
    assert sphinx.build_main(["-q", "-W", "--keep-going", "-E", "-d", doctrees, str(DOCS), out]) == 0
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path.read_text()) for path in site.rglob("*.html")}


def test_every_link_and_picture_is_there(site, pages):
    for path, page in pages.items():
        for target in page.links + page.loaded:
            if re.match(r"\w+:", target):  # another site, or data inside the page
                continue
            file, fragment = urldefrag(target.partition("?")[0] if "?" in target else target)
            found = (path.parent / unquote(file)).resolve() if file else path
            assert found.is_file(), f"{path.relative_to(site)}: {target}"
            if fragment and found in pages:
                assert unquote(fragment) in pages[found].ids, f"{path.relative_to(site)}: {target}"


def test_nothing_is_loaded_from_a_network(site, pages):
    for path, page in pages.items():
        for target in page.loaded:
            assert not re.match(r"(https?:)?//", target), f"{path.relative_to(site)}: {target}"
    for path in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//|@import", path.read_text()), path


def test_every_page_is_in_the_navigation(pages, site):
    entries = set(pages[site / "index.html"].links)
    for path in DOCS.rglob("*.md"):
        page = path.relative_to(DOCS).with_suffix(".html").as_posix()
        assert page in entries or page == "index.html", page


def test_formulas_are_rendered(site):
    text = (site / "explanation" / "refiner.html").read_text()
    formulas = re.findall(r"\$[^$\n]+\$", (DOCS / "explanation" / "refiner.md").read_text().replace("$$", ""))
    assert text.count("<math") >= len(formulas) > 20
    assert r"\lambda" not in text
    assert "&#x003BB;" in text  # lambda


def test_search_finds_words_of_pages_and_names_of_the_api(site):
    index = (site / "searchindex.js").read_text()
    assert "how-to/add-a-net" in index
    assert "SequenceFocal" in index


def test_reference_documents_the_public_names(site):
    from outpaint_lightning import losses, nets

    for package in (nets, losses):
        name = package.__name__.rpartition(".")[2]
        text = (site / "reference" / "api" / f"{name}.html").read_text()
        missing = [public for public in package.__all__ if f'id="{package.__name__}' not in text or public not in text]
        assert not missing
