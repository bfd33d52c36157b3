"""Write the locks: every version that `make` installs, with the SHA-256 of each file it may come as.

`make lock` keeps what is pinned and adds what pyproject.toml newly asks for; `make lock ARGS=--upgrade` takes the
newest.
One lock serves Python 3.11 to 3.13 on every platform that the index has files for; no index is named in it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

LOCKS = Path(__file__).parent
PROJECT = LOCKS.parent / "pyproject.toml"
CUDA = re.compile(r"(nvidia-|cuda-)")  # what torch's own wheels for Linux want, and its CPU builds do not
ENTRY = re.compile(r"^\w.*?(?=^\w|\Z)", re.MULTILINE | re.DOTALL)
HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")
COMPILE = ("uv", "pip", "compile", "--quiet", "--universal", "--python-version=3.11", "--generate-hashes")


def compiled(lock: Path, *arguments: str | Path, requirements: str = "") -> list[str]:
    """The entries of a lock, each a requirement with its hashes; what the file pins already is kept where it can be."""
    command = [*COMPILE, "--no-header", "--no-annotate", f"--output-file={lock}", *map(str, arguments)]
    subprocess.run(command, input=requirements, text=True, check=True, stdout=subprocess.DEVNULL)
    return ENTRY.findall(lock.read_text())


def named(entry: str) -> str:
    """The package that an entry pins."""
    return entry.partition("==")[0]


def renew_cpu(torch: str) -> None:
    """Pin torch's build for the CPU, where pip is pointed at one here; what was allowed of the same version stays."""
    lock, version = LOCKS / "cpu.txt", torch.split()[0]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet"]
    report = subprocess.run([*command, "--report=-", version], capture_output=True, text=True, check=True)
    found = json.loads(report.stdout)["install"][0]
    here = f"torch=={found['metadata']['version']}"
    before = lock.read_text() if lock.exists() else ""
    known = before if before.startswith(f"{version}+cpu ") else ""
    if here == f"{version}+cpu":
        known += f"--hash=sha256:{found['download_info']['archive_info']['hashes']['sha256']}"
    hashes = sorted(set(HASH.findall(known)))
    lock.write_text(" \\\n    ".join([f"{version}+cpu", *(f"--hash={h}" for h in hashes)]) + "\n" if hashes else "")


def main() -> None:
    """Renew every lock."""
    options = sys.argv[1:]
    dev, cuda = LOCKS / "dev.txt", LOCKS / "cuda.txt"
    dev.write_text("".join(lock.read_text() for lock in (dev, cuda) if lock.exists()))
    entries = compiled(dev, PROJECT, "--extra=dev", *options)
    renew_cpu(next(entry for entry in entries if named(entry) == "torch"))
    cuda.write_text("".join(entry for entry in entries if CUDA.match(entry)))
    dev.write_text("".join(entry for entry in entries if not CUDA.match(entry)))
    # What builds is what is installed later: torch has a bound on setuptools.
    build = tomllib.loads(PROJECT.read_text())["build-system"]["requires"]
    compiled(LOCKS / "build.txt", "-", f"--constraint={dev}", *options, requirements="\n".join(build))
    # Ray's environment sees what .venv has, so that only what differs from it is installed there.
    ray, pinned = LOCKS / "ray.txt", {named(entry): entry for entry in entries}
    own = {named(entry): entry for entry in ENTRY.findall(ray.read_text() if ray.exists() else "")}
    ray.write_text("".join({**pinned, **own}.values()))
    wanted = compiled(ray, PROJECT, "--extra=ray", *options)
    ray.write_text("".join(e for e in wanted if e.split()[0] != pinned.get(named(e), "-").split()[0]))
    compiled(LOCKS / "peers.txt", LOCKS.parent / "benchmarks" / "peers.txt", "--no-deps", *options)
    for group in ("tools", "docs"):
        compiled(LOCKS / f"{group}.txt", "--group", f"{PROJECT}:{group}", *options)


if __name__ == "__main__":
    main()
