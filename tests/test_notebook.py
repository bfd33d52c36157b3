"""Each notebook is what its page says; the cells of docs/python.ipynb run in a process of their own.

Those of docs/inside_gru.ipynb are the blocks of its page, which tests/test_docs_blocks.py runs.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from docs.notebook import PAGES, notebook

ROOT = Path(__file__).resolve().parent.parent
# As a notebook does: each cell's last expression is shown, as HTML where it has that.
KERNEL = """
import ast, json, sys

names = {"__name__": "__main__"}
for number, cell in enumerate(json.load(open(sys.argv[1], encoding="utf-8"))["cells"]):
    if cell["cell_type"] != "code":
        continue
    tree = ast.parse("".join(cell["source"]))
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, f"cell {number}", "exec"), names)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names)
        if value is None:
            continue
        shown = value._repr_html_() if hasattr(value, "_repr_html_") else repr(value)
        print("shown", number, len(shown or ""))
"""


@pytest.mark.parametrize("name", PAGES)
def test_a_notebook_is_its_page(name: str) -> None:
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / f"{name}.ipynb").read_text(encoding="utf-8") == notebook(page), "make notebook"


def test_the_notebook_runs(tmp_path: Path) -> None:
    file = ROOT / "docs" / "python.ipynb"
    code = ["".join(cell["source"]) for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]]
    for part in ("gatebench.fit(frame", ".metrics", ".predict(", ".explain(", ".compare("):
        assert any(part in cell for cell in code)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GATEBENCH_CACHE_DIR": str(tmp_path / ".cache")}
    done = subprocess.run(
        [sys.executable, "-c", KERNEL, str(file)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("shown ") == 5
    assert len(list((tmp_path / "runs" / "tutorial").glob("2*/result.json"))) == 8
