"""Put together the pages of the documentation site: ``python docs/site.py FOLDER``; ``make docs`` builds it.

The pages lie in the site as they do in the project, so that their links hold in both: README.md is the first, and
what a page links to comes along. Each module of the Python interface gets a page that mkdocstrings fills from its
docstrings.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md")
PAGES += ("experiments/README.md", "experiments/*/README.md")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)|<(?:img|source)[^>]+src(?:set)?=\"([^\":]+)\"")
# Found last where another page has the word, too: lists, tables of measurements, and what only developers read.
LAST = ("docs/config.md", "docs/benchmarks*.md", "docs/error_rates.md", "docs/gate_cost.md", "experiments/*/README.md")
LAST += ("docs/private_interfaces.md", "docs/licences.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "python/*.md")
# What users' programs may import; everything else may change from version to version.
INTERFACE = {
    "the package": "gatebench",
    "recurrent": "src.recurrent",
    "data": "src.data",
    "fitting data in memory": "src.api.fit",
    "answers": "src.api.answer",
    "runs as objects": "src.api.fitted",
    "loading runs": "src.runs.load",
    "statistics: decisions": "src.statistics.decision",
    "statistics: seeds and sequences": "src.statistics.crossed",
    "statistics: looks": "src.statistics.looks",
}


def pages() -> list[Path]:
    """All pages, from the project's folder on."""
    return sorted(path.relative_to(ROOT) for pattern in PAGES for path in ROOT.glob(pattern))


def linked(page: Path) -> set[Path]:
    """The files of the project that a page links to or shows, but for other pages.

    Raises:
        SystemExit: one of them is not there.
    """
    found = set()
    for groups in LINK.findall((ROOT / page).read_text()):
        target = (ROOT / page).parent / (groups[0] or groups[1])
        if not target.exists():
            sys.exit(f"{page} links to {groups[0] or groups[1]}, which is not there.")
        found.add(target.resolve().relative_to(ROOT))
    return found - set(pages())


def put_together(folder: Path) -> None:
    """Write the pages and what they link to into a folder, which is emptied before."""
    shutil.rmtree(folder, ignore_errors=True)
    files = {path for page in pages() for path in linked(page)}
    files |= {path.relative_to(ROOT) for path in ROOT.glob("docs/*.css")}
    for path in [*pages(), *sorted(files)]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / path).is_dir():
            listed = "\n".join(f"- `{one.name}`" for one in sorted((ROOT / path).iterdir()) if one.name[0] not in "._")
            (folder / path).mkdir(exist_ok=True)
            (folder / path / "index.md").write_text(f"# {path}\n\n{listed}\n")
        else:
            shutil.copy(ROOT / path, folder / path)
    for page in pages():  # a folder is no page
        text = (folder / page).read_text()
        for target in {a for a, _ in LINK.findall(text) if ((ROOT / page).parent / a).is_dir()}:
            text = text.replace(f"]({target})", f"]({target.rstrip('/')}/index.md)")
        (folder / page).write_text(text)
    (folder / "python").mkdir()
    for title, module in INTERFACE.items():
        page = folder / "python" / f"{module.removeprefix('src.').replace('.', '_')}.md"
        page.write_text(f"# {title.capitalize()}: `{module}`\n\n::: {module}\n")
    for path in {path for pattern in LAST for path in folder.glob(pattern)}:
        path.write_text(f"---\nsearch: {{boost: 0.1}}\n---\n{path.read_text()}")


if __name__ == "__main__":
    put_together(Path(sys.argv[1]))
