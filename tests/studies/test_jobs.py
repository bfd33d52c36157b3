"""A job's overrides give Hydra exactly the values that the plan says."""

from typing import Any

import pytest

from src.config.overrides import override
from tests.studies.conftest import parsed


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0.001, 3, "gru", "null", "1", "", "a b=c", "it's", '"quoted"', "C:\\data\\set", "ends in \\",
        "a\\'b", "a,b", "{a:1}", "[x", ["x", "it's", 1], {"a": ["b c", None], "b": {"c": False}},
    ],
)  # fmt: skip
def test_an_override_gives_its_value_back(value: Any) -> None:
    given = parsed([override("key", value), override("inside", {"list": [value]})])
    assert given == {"key": value, "inside": {"list": [value]}}
