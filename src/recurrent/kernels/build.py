"""From the C++ source to a loaded library: built once for every kind of CPU, kept in the user's cache.

One compiler call of seconds; no header of Python or torch, so that any version of either can load the result.
The file's name holds a hash of the source, the compiler and the CPU: a cache that unlike machines share (a home
directory on a cluster) serves each its own build and none an instruction that it does not have.

Environment: ``CXX`` names the compiler (default g++, clang++ or c++, the first found), ``GATEBENCH_CACHE_DIR`` the
folder of the cache (default ``$XDG_CACHE_HOME/gatebench`` or ``~/.cache/gatebench``).
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parent / "recurrent.cpp"
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fPIC", "-shared", "-fopenmp")
log = logging.getLogger(__name__)


class Unavailable(Exception):
    """The library cannot be had here; its message says why."""


@functools.cache
def library(normalised: bool = False) -> ctypes.CDLL | Unavailable:
    """The loaded kernels, built if the cache has none for this source, compiler and CPU; or why there are none.

    Those with layer normalisation are a library of their own, so that nobody waits for what he does not use.
    """
    try:
        path = target(normalised)
        return ctypes.CDLL(str(path if path.exists() else build(normalised)))
    except (Unavailable, OSError, subprocess.SubprocessError) as error:
        return error if isinstance(error, Unavailable) else Unavailable(f"the kernels cannot be loaded: {error}")


def compiler() -> str:
    """The C++ compiler.

    Raises:
        Unavailable: there is none.
    """
    wanted = os.environ.get("CXX")
    for name in [wanted] if wanted else ["g++", "clang++", "c++"]:
        if path := shutil.which(name):
            return path
    raise Unavailable(f"CXX={wanted} is no program" if wanted else "no C++ compiler (g++ or clang++) was found")


def flags(normalised: bool) -> tuple[str, ...]:
    """The compiler's."""
    return (*FLAGS, "-DNORMALISED") if normalised else FLAGS


def target(normalised: bool = False) -> Path:
    """Where the library for this source, compiler and CPU belongs."""
    sources = sorted([*SOURCE.parent.glob("*.cpp"), *SOURCE.parent.glob("*.h")])
    texts = [f"{path.name}\n{path.read_text()}" for path in sources]
    key = hashlib.sha256(
        "\0".join([compiler(), version(compiler()), " ".join(flags(normalised)), cpu(), *texts]).encode()
    )
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("GATEBENCH_CACHE_DIR") or caches / "gatebench")
    return folder / f"recurrent-{key.hexdigest()[:20]}.so"


def version(program: str) -> str:
    """What the compiler says about itself."""
    return subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout


def cpu() -> str:
    """What tells CPUs apart for whom ``-march=native`` means different instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    telling = ("vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU ")
    return "\n".join([platform.machine(), *(line for line in lines if line.startswith(telling))])


def build(normalised: bool = False) -> Path:
    """Compile into the cache; safe beside other processes that do the same, since the finished file is renamed.

    Raises:
        Unavailable: the compiler failed, or the cache cannot be written.
    """
    path = target(normalised)
    log.info("building the recurrent kernels for this CPU, once: %s", path)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            built = Path(folder) / path.name
            command = [compiler(), *flags(normalised), str(SOURCE), "-o", str(built)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=600)
            if done.returncode != 0:
                first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:200])
                raise Unavailable(f"the compiler could not build the kernels: {first}")
            beside = path.with_name(f".{path.name}.{Path(folder).name}")  # which no other thread has either
            shutil.copyfile(built, beside)  # from the system's temporary folder, which is cleaned after a kill
            os.replace(beside, path)
    except OSError as error:
        raise Unavailable(f"the kernels cannot be built in {path.parent}: {error}") from error
    return path
