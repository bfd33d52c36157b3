"""A kill between the two files of a study's first record leaves the copy alone, which is the record then."""

from pathlib import Path

import pytest

from src.runs.study_record import COPY, PLANNED, STUDY, read_study, write_planned, write_study
from src.runs.typed_json import Damaged
from tests.analysis.fake import fake_study


def test_the_copy_is_the_record_before_anything_was_planned(tmp_path: Path) -> None:
    directory = fake_study(tmp_path / "mine", pairs=1, tuning=False)
    record = read_study(directory)
    assert record is not None
    write_study(directory, record)
    (directory / STUDY).unlink()
    assert (directory / COPY).is_file()
    assert read_study(directory) == record
    write_planned(directory, {})  # later on it was removed, and whoever did must know
    assert (directory / PLANNED).is_file()
    with pytest.raises(Damaged, match="is missing"):
        read_study(directory)
