"""How the kernels come from source to library: cached by CPU, safe side by side, honest without a compiler."""

from __future__ import annotations

import ctypes
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from src.recurrent.kernels import build


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source of one function and an empty cache; the answer of `library` is asked for anew."""
    if not shutil.which("g++"):
        pytest.skip("no g++")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("GATEBENCH_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "tiny.cpp").write_text('extern "C" int answer() { return 42; }')
    monkeypatch.setattr(build, "SOURCE", tmp_path / "tiny.cpp")
    build.library.cache_clear()
    yield tmp_path
    build.library.cache_clear()


def test_built_once_then_taken_from_the_cache(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert build.library().answer() == 42
    build.library.cache_clear()
    monkeypatch.setattr(build, "build", lambda *_: pytest.fail("built again"))
    assert build.library().answer() == 42
    assert [path.suffix for path in (tiny / "cache").iterdir()] == [".so"]


def test_layer_norm_is_a_library_of_its_own(tiny: Path) -> None:
    (tiny / "tiny.cpp").write_text("""
    #ifdef NORMALISED
    extern "C" int answer() { return 43; }
    #else
    extern "C" int answer() { return 42; }
    #endif
    """)
    assert build.library().answer() == 42
    assert len(list((tiny / "cache").iterdir())) == 1
    assert build.library(normalised=True).answer() == 43
    assert len(list((tiny / "cache").iterdir())) == 2


def test_side_by_side(tiny: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: build.build(), range(4)))
    assert len(set(paths)) == 1
    assert ctypes.CDLL(str(paths[0])).answer() == 42
    assert list((tiny / "cache").iterdir()) == paths[:1]


@pytest.mark.parametrize("what", ["cpu", "version", "flags", "source"])
def test_the_key_holds(what: str, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build.target()
    if what == "cpu":
        monkeypatch.setattr(build, "cpu", lambda: "another")
    elif what == "version":
        monkeypatch.setattr(build, "version", lambda program: "another")
    elif what == "flags":
        monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-g"))
    else:
        (tiny / "new.h").write_text("// a comment")
    assert build.target() != before
    assert build.target().parent == before.parent


def test_the_cpu_is_told_by_its_instructions() -> None:
    assert "flags" in build.cpu() or "Features" in build.cpu()
    assert build.cpu() == build.cpu()


def test_no_compiler(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tiny))
    assert "no C++ compiler (g++ or clang++) was found" in str(build.library())


def test_a_compiler_that_is_none(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "CXX=no-such-compiler is not a program" in str(build.library())


def test_a_user_without_a_home_folder(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container: the cache folder needs none; without one there are no kernels, and no crash."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**30)
    assert build.library().answer() == 42
    build.library.cache_clear()
    monkeypatch.delenv("GATEBENCH_CACHE_DIR")
    assert "the kernels cannot be loaded: Could not determine home directory" in str(build.library())


def test_a_source_that_does_not_compile(tiny: Path) -> None:
    (tiny / "tiny.cpp").write_text("this is no C++")
    answer = build.library()
    assert isinstance(answer, build.Unavailable)
    assert "the compiler could not build the kernels: " in str(answer)
    assert list((tiny / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_written(tiny: Path) -> None:
    (tiny / "cache").write_text("a file where the folder should be")
    assert "could not be built in" in str(build.library())
