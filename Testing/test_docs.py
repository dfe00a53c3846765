"""README, Docs and the files beside them: links lead somewhere, commands and options exist, the version is one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import CSAFusionLib
from CSAFusionLib.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "Docs").rglob("*.md"))]
COMMANDS = ("fuse", "register", "apply", "batch", "qc", "train", "average", "evaluate", "ablate", "demo")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text_of(page: Path) -> str:
    """The text without what stands in code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def links(page: Path) -> list[str]:
    """The targets of links and pictures that lie in the repository."""
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)) if not link.startswith("https://")]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    titles = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists() and ROOT in target.parents, link
        assert not anchor or anchor in anchors(target), link


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in reached:
            reached.add(page)
            ahead += [(page.parent / link.split("#")[0]).resolve() for link in links(page) if ".md" in link]
    assert set(PAGES) - reached <= {ROOT / "Docs" / "README.md"}


def test_every_picture_is_shown_once_and_those_of_the_panel_are_small() -> None:
    shown = [
        (page.parent / picture).resolve()
        for page in PAGES
        for picture in re.findall(r"!\[.+\]\((.+?)\)", text_of(page))
    ]
    assert len(shown) > 9 and len(set(shown)) == len(shown)
    for picture in shown:
        is_of_panel = "panel" in picture.name or "tutorial" in picture.name
        assert picture.stat().st_size < (150_000 if is_of_panel else 2**20), picture


def test_the_readme_begins_with_a_picture_and_is_short() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines[2].startswith("![")
    assert len(lines) <= 130


def test_the_two_commands_of_a_newcomer_stand_in_the_readme_as_ever() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\npython3 Testing/bootstrap.py demo     # registers and fuses a T1 and a PET, writes demo-output/\n" in text
    assert "\npython3 Testing/bootstrap.py tests    # runs linter, type checker and tests\n" in text


def test_every_option_that_is_written_of_is_one_of_a_command() -> None:
    helps = [CliRunner().invoke(app, ["--help"]).stdout]
    helps += [CliRunner().invoke(app, [command, "--help"]).stdout for command in COMMANDS]
    known = {option for text in helps for option in re.findall(r"--[a-z][a-z-]+", text)}
    for page in PAGES:
        said = re.findall(r"^csafusion .*$|`csafusion [^`]*`|`--[^`]*`", page.read_text(encoding="utf-8"), re.MULTILINE)
        written = {option for line in said for option in re.findall(r"--[a-z][a-z-]+", line)}
        assert written <= known, (name(page), written - known)


def test_every_python_block_uses_names_that_there_are() -> None:
    blocks = [
        block
        for page in PAGES
        for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    ]
    assert len(blocks) > 4
    for block in blocks:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "csafusion":
                assert node.attr in CSAFusionLib.__all__


def test_the_version_is_the_same_everywhere() -> None:
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE).group(1)
    latest = re.search(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE).group(1)
    assert {cited, latest} == {CSAFusionLib.__version__}


def test_the_article_is_cited_alike_in_the_readme_and_for_citation_managers() -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").replace("\n> ", " ").split())
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8").split("preferred-citation:")[1]
    for field in ("title", "journal", "doi"):
        value = re.search(rf'^  {field}: "?(.+?)"?$', cited, re.MULTILINE).group(1)
        assert value in readme, value
