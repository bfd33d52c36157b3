"""The documentation site has every page, and no link of a page leads nowhere; ``make docs`` builds it."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def site() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_pages", ROOT / "docs" / "site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entries(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    inner = node.values() if isinstance(node, dict) else node
    return [path for one in inner for path in entries(one)]


def test_every_page_is_in_the_menu_and_every_entry_is_a_page(site: ModuleType, tmp_path: Path) -> None:
    site.put_together(tmp_path / "pages")
    menu = entries(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    assert len(menu) == len(set(menu))
    assert {str(page) for page in site.pages()} <= set(menu)
    assert all((tmp_path / "pages" / path).is_file() for path in menu)


def test_the_site_has_its_style_and_follows_the_system(site: ModuleType, tmp_path: Path) -> None:
    site.put_together(tmp_path / "pages")
    read = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert all((tmp_path / "pages" / path).is_file() for path in read["extra_css"])
    palette = read["theme"]["palette"]
    assert palette[0]["media"] == "(prefers-color-scheme)", "else the first visit decides for ever"
    assert {one["media"]: one.get("scheme") for one in palette[1:]} == {
        "(prefers-color-scheme: light)": "default",
        "(prefers-color-scheme: dark)": "slate",
    }
    style = (tmp_path / "pages" / read["extra_css"][0]).read_text()
    assert ".md-grid { max-width" in style, "a wide screen is used"
    assert "break-inside: avoid" in style, "a printed block is whole"


def test_what_a_page_links_to_comes_along_and_a_dead_link_ends_it(
    site: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("")
    (tmp_path / "docs" / "one.md").write_text("[a](../src/a.py#L1) [folder](../src) [page](two.md) [web](https://a.b)")
    (tmp_path / "docs" / "two.md").write_text("")
    monkeypatch.setattr(site, "ROOT", tmp_path)
    monkeypatch.setattr(site, "INTERFACE", {})
    site.put_together(tmp_path / "out")
    assert (tmp_path / "out" / "src" / "a.py").is_file()
    assert "[folder](../src/index.md)" in (tmp_path / "out" / "docs" / "one.md").read_text()
    (tmp_path / "docs" / "two.md").write_text("[gone](three.md)")
    with pytest.raises(SystemExit, match=r"two\.md links to three\.md, which is not there"):
        site.put_together(tmp_path / "out")


def test_the_modules_of_the_python_interface_are_there(site: ModuleType) -> None:
    for module in site.INTERFACE.values():
        assert importlib.import_module(module).__doc__
