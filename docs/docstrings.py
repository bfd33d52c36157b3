"""For the site (mkdocs.yml): docstrings as Markdown, which would quote their doctests and print their Sphinx roles."""

import re
from typing import Any

import griffe

# From a prompt at the start of a paragraph to the next empty line, with the results.
EXAMPLE = re.compile(r"^>>> .*?(?=\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)
FLAG = re.compile(r"\s*# doctest:.*")
ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod|obj):(?=`)")


def markdown(text: str) -> str:
    """Return a docstring with a fence around each example, and names without roles."""
    return EXAMPLE.sub(lambda found: f"```pycon\n{FLAG.sub('', found[0])}\n```", ROLE.sub("", text))


def rewrite(obj: griffe.Object) -> None:
    """Rewrite the docstring of an object and of all its members."""
    if obj.docstring:
        obj.docstring.value = markdown(obj.docstring.value)
    for member in obj.members.values():
        if isinstance(member, griffe.Object):
            rewrite(member)


class Readable(griffe.Extension):
    """Rewrites the docstrings of each package that is loaded."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Rewrite what was loaded."""
        rewrite(pkg)
