"""The notebook of the tutorial, from the part of docs/tutorial.md between its marks: ``python docs/notebook.py``."""

import json
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PART = re.compile(r"<!-- notebook: begin -->\n(.*?)<!-- notebook: end -->", re.DOTALL)
CODE = re.compile(r"```python\n(.*?)```\n", re.DOTALL)


def notebook(page: str) -> str:
    """The notebook, version 4.5 of its format, without outputs.

    >>> page = "<!-- notebook: begin -->\\nA\\n```python\\nb = 1\\n```\\n<!-- notebook: end -->"
    >>> [cell["source"] for cell in json.loads(notebook(page))["cells"]]
    [['A'], ['b = 1']]

    Args:
        page: Markdown, in which the part between the marks becomes cells: its Python blocks, and the text around them.
    """
    (part,) = PART.findall(page)
    cells = [cell for k, text in enumerate(CODE.split(part)) if (cell := _cell(k, text.strip()))["source"]]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _cell(number: int, text: str) -> dict[str, Any]:
    kind = "code" if number % 2 else "markdown"
    outputs = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {
        "cell_type": kind,
        "id": f"cell-{number}",
        "metadata": {},
        **outputs,
        "source": text.splitlines(keepends=True),
    }


if __name__ == "__main__":
    (HERE / "tutorial.ipynb").write_text(notebook((HERE / "tutorial.md").read_text(encoding="utf-8")), encoding="utf-8")
