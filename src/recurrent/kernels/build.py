"""Build and load the C++ library: once per kind of CPU, kept in the user's cache.

Building is one compiler call of a few seconds, without headers of Python or torch, so any version of either can load
the result. The file name has a hash of the source, the compiler and the CPU: in a cache shared by different machines
(a home directory on a cluster), each uses its own build and none runs unsupported instructions.

Environment variables: ``CXX`` is the compiler (default: the first of g++, clang++ and c++ found),
``GATEBENCH_CACHE_DIR`` the cache folder (default ``$XDG_CACHE_HOME/gatebench`` or ``~/.cache/gatebench``).
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
    """The library is unavailable; the message says why."""


@functools.cache
def library(normalised: bool = False) -> ctypes.CDLL | Unavailable:
    """Return the loaded kernels, built if not cached for this source, compiler and CPU; or why they are unavailable.

    Kernels with layer normalisation are a separate library, so that only their users wait for the build.
    """
    try:
        path = target(normalised)
        return ctypes.CDLL(str(path if path.exists() else build(normalised)))
    except (Unavailable, OSError, RuntimeError, subprocess.SubprocessError) as error:  # RuntimeError: no home folder
        return error if isinstance(error, Unavailable) else Unavailable(f"the kernels cannot be loaded: {error}")


def compiler() -> str:
    """Return the C++ compiler.

    Raises:
        Unavailable: there is no compiler.
    """
    wanted = os.environ.get("CXX")
    for name in [wanted] if wanted else ["g++", "clang++", "c++"]:
        if path := shutil.which(name):
            return path
    raise Unavailable(f"CXX={wanted} is not a program" if wanted else "no C++ compiler (g++ or clang++) was found")


def flags(normalised: bool) -> tuple[str, ...]:
    """Return the compiler's flags."""
    return (*FLAGS, "-DNORMALISED") if normalised else FLAGS


def target(normalised: bool = False) -> Path:
    """Return the path of the library for this source, compiler and CPU."""
    sources = sorted([*SOURCE.parent.glob("*.cpp"), *SOURCE.parent.glob("*.h")])
    texts = [f"{path.name}\n{path.read_text()}" for path in sources]
    key = hashlib.sha256(
        "\0".join([compiler(), version(compiler()), " ".join(flags(normalised)), cpu(), *texts]).encode()
    )
    own, caches = (os.environ.get(name) for name in ("GATEBENCH_CACHE_DIR", "XDG_CACHE_HOME"))
    folder = Path(own or Path(caches or Path.home() / ".cache") / "gatebench")
    return folder / f"recurrent-{key.hexdigest()[:20]}.so"


def version(program: str) -> str:
    """Return the compiler's version."""
    return subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout


def cpu() -> str:
    """Return what distinguishes CPUs for which ``-march=native`` means different instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    telling = ("vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU ")
    return "\n".join([platform.machine(), *(line for line in lines if line.startswith(telling))])


def build(normalised: bool = False) -> Path:
    """Compile into the cache; safe with concurrent processes, because the finished file is renamed.

    Raises:
        Unavailable: the compiler failed, or the cache is not writable.
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
            beside = path.with_name(f".{path.name}.{Path(folder).name}")  # unique among threads, too
            shutil.copyfile(built, beside)  # built in the system's temporary folder, which is cleaned up after a kill
            os.replace(beside, path)
    except OSError as error:
        raise Unavailable(f"the kernels could not be built in {path.parent}: {error}") from error
    return path
