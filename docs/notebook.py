"""The notebooks of the documentation, each from the part of its page between its marks: ``python docs/notebook.py``."""

import json
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGES = ("inside_gru", "python")
PART = re.compile(r"<!-- notebook: begin -->\n(.*?)<!-- notebook: end -->", re.DOTALL)
CODE = re.compile(r"```(python|bash)\n(.*?)```\n", re.DOTALL)


def notebook(page: str) -> str:
    """The notebook, version 4.5 of its format, without outputs; commands of a shell are cells that begin %%bash.

    >>> page = "<!-- notebook: begin -->\\nA\\n```python\\nb = 1\\n```\\n```bash\\nls\\n```\\n<!-- notebook: end -->"
    >>> [cell["source"] for cell in json.loads(notebook(page))["cells"]]
    [['A'], ['b = 1'], ['%%bash\\n', 'ls']]

    Args:
        page: Markdown, in which the part between the marks becomes cells: its blocks of code, and the text around them.
    """
    (part,) = PART.findall(page)
    text, *rest = CODE.split(part)
    cells = [("markdown", text)]
    for kind, code, after in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        cells += [("code", "%%bash\n" * (kind == "bash") + code), ("markdown", after)]
    made = [_cell(k, kind, text.strip()) for k, (kind, text) in enumerate(cells) if text.strip()]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    outputs = {"execution_count": None, "outputs": []} if kind == "code" else {}
    source = text.splitlines(keepends=True)
    return {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, **outputs, "source": source}


if __name__ == "__main__":
    for name in PAGES:
        page = (HERE / f"{name}.md").read_text(encoding="utf-8")
        (HERE / f"{name}.ipynb").write_text(notebook(page), encoding="utf-8")
