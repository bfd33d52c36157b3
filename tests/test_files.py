"""Files that are whole or not there, and what a killed writer leaves."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from src.config.errors import UserError
from src.config.places import CONF, is_name
from src.explaining.outputs import write_numbers
from src.explaining.run import Explained
from src.files import write_atomically
from src.runs.config_file import read_plain
from src.runs.metrics_file import read_metrics
from src.runs.record import read_record
from src.runs.study_record import read_planned, read_study

KILLED = """
import os, signal, sys
from pathlib import Path
from src.files import write_atomically
def write(out):
    out.write(b"half")
    out.flush()
    print("writing", flush=True)
    {then}
write_atomically(Path(sys.argv[1]), write)
"""


def writer(path: Path, then: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", KILLED.format(then=then), str(path)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(CONF.parent)}, stdout=-1, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


def test_what_a_killed_process_left_goes_with_the_next_writing_and_a_living_ones_stays(tmp_path: Path) -> None:
    path, other = tmp_path / "result.json", tmp_path / ".result.json.of-mine"
    path.write_bytes(b"old")
    other.write_text("another's")
    writer(path, "os.kill(os.getpid(), signal.SIGKILL)").communicate()
    left = set(tmp_path.iterdir()) - {path, other}
    assert (len(left), path.read_bytes()) == (1, b"old")
    living = writer(path, "import time; time.sleep(60)")
    (its,) = set(tmp_path.iterdir()) - {path, other} - left
    write_atomically(path, lambda out: out.write(b"new"))
    assert set(tmp_path.iterdir()) == {path, other, its}
    living.send_signal(signal.SIGKILL)
    living.communicate()
    write_atomically(path, lambda out: out.write(b"newer"))
    assert set(tmp_path.iterdir()) == {path, other}
    assert path.read_bytes() == b"newer"


def test_many_at_one_file_never_take_away_each_others(tmp_path: Path) -> None:
    path, failed = tmp_path / "a", []

    def work() -> None:
        try:
            for _ in range(40):
                write_atomically(path, lambda out: out.write(b"x" * 1000))
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_what_came_sooner_stays_where_it_may_not_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "width.json"
    for text in (b"first", b"second"):
        write_atomically(path, lambda out, text=text: out.write(text), over=False)  # type: ignore[misc]
    assert (path.read_bytes(), [p.name for p in tmp_path.iterdir()]) == (b"first", ["width.json"])


@pytest.mark.parametrize("name", ["result.json", "study.json", "planned.json", "config.yaml", "metrics.csv"])
@pytest.mark.parametrize("what", ["pipe", "device", "sparse"])
def test_a_file_without_end_is_refused_before_it_is_read(name: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    else:
        path.touch()
        os.truncate(path, 3 << 30)
    read: dict[str, Callable[[], object]] = {
        "result.json": lambda: read_record(tmp_path),
        "study.json": lambda: read_study(tmp_path),
        "planned.json": lambda: read_planned(tmp_path),
        "config.yaml": lambda: read_plain(path),
        "metrics.csv": lambda: read_metrics(path),
    }
    with pytest.raises(UserError, match=f"{path}.*(not a regular file|more than)"):
        read[name]()


def test_the_name_of_a_received_run_leads_nowhere(tmp_path: Path) -> None:
    """The label of a run is its model's name, from a result.json that anybody may have written."""
    folder = tmp_path / "inside"
    evil = Explained.__new__(Explained)
    vars(evil).update(label="../../../evil", gates=[], views={})
    files = write_numbers(folder, [evil])
    assert all(file.parent == folder for file in files)
    assert {p for p in tmp_path.rglob("*") if p.is_file()} == set(files)


@pytest.mark.parametrize("name", ["smoke", "chung2014_music", "a+b-c.d", "Zürich"])
def test_a_folder_may_be_called(name: str) -> None:
    assert is_name(name)
