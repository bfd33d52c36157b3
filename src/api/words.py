"""Reword command-line messages for Python: keywords of fit instead of keys."""

from __future__ import annotations

import re

from src.config.schema import keys_of

# The arguments of fit that set a single key.
KEYWORDS = {
    **{"target": "data.target", "groups": "data.group_column", "times": "data.time_column"},
    **{"features": "data.features", "text": "data.text_column", "task": "data.task", "splits": "data.splits"},
    **{"split_by": "data.split_by", "lookback": "data.lookback", "horizon": "data.horizon"},
    **{"batch_size": "data.batch_size", "hidden_size": "model.hidden_size", "budget": "model.budget"},
    **{"lr": "optimizer.lr", "epochs": "trainer.max_epochs", "seed": "seed", "path": "paths.run_dir"},
    **{"runs": "paths.runs_dir"},
}
_KEYWORD = {key: keyword for keyword, key in KEYWORDS.items()} | {"data.path": "data"}
_VALUE = r"\.\.\.|\"[^\"]*\"|'[^']*'|\[[^\]]*\]|[^\s,;()]*[^\s,;.()?]"
_GIVEN = re.compile(rf"(?<![\w.\"'])([a-z_]+(?:\.[A-Za-z_]+)*)=({_VALUE})")
_NAMED = re.compile(r"(?<![\w.\"'=])[a-z_]+(?:\.[A-Za-z_]+)+(?![\w=])")


def for_python(sentence: str, *places: object) -> str:
    """Reword a command-line message, with arguments of fit instead of keys, and "the data" instead of their file.

    >>> for_python("data.group_column=take is not a column of runs/.data/3f/data.csv.", "runs/.data/3f/data.csv")
    "groups='take' is not a column of the data."
    >>> for_python("take a shorter data.lookback, or change data.season; e.g. data.season=7.")
    "take a shorter lookback, or change overrides['data.season']; e.g. overrides={'data.season': 7}."
    """
    for place in places:
        sentence = sentence.replace(f"data.path={place}", "the data").replace(str(place), "the data")
    sentence = _GIVEN.sub(_given, sentence)
    return _NAMED.sub(lambda found: _KEYWORD.get(found[0]) or _deeper(found[0]), sentence)


def _given(found: re.Match[str]) -> str:
    key, value = found[1], found[2]
    if key not in keys_of() or ("." not in key and key not in ("seed", "model")):  # optimizer=sgd: a fact, or a choice
        return found[0]
    number = value == "..." or re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?|\[.*\]|'.*'|\".*\"", value)
    said = {"true": "True", "false": "False", "null": "None"}.get(value) or (value if number else repr(value))
    if key in _KEYWORD:
        return f"{_KEYWORD[key]}={said}"
    return f"model={said}" if key == "model" else f"overrides={{{key!r}: {said}}}"


def _deeper(key: str) -> str:
    return f"overrides[{key!r}]" if key in keys_of() else key
