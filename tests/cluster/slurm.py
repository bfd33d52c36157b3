"""A Slurm of one machine for as long as it is needed: munged, slurmctld and two slurmd, each a node.

The first node has two GPUs that are none and is the default partition; the partition ``both`` has the two.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONFIG = """\
ClusterName=gatebench
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
AuthInfo=socket={folder}/munge/socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SchedulerParameters=sched_interval=1
NodeName={host} NodeAddr=127.0.0.1 Port=17001 CPUs={cpus} RealMemory={memory} Gres=gpu:2
NodeName={other} NodeHostname={host} NodeAddr=127.0.0.1 Port=17002 CPUs={cpus} RealMemory={memory}
PartitionName=short Nodes={host} Default=YES MaxTime=60 State=UP
PartitionName=both Nodes={host},{other} MaxTime=60 State=UP
"""
FAKE = os.makedev(1, 3)  # /dev/null: Slurm hands GPUs out by their device files and never opens them


@contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """Start Slurm in an empty folder that everyone may enter; SLURM_CONF points to it until the end. Needs root."""
    host, memory = socket.gethostname().partition(".")[0], os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    other = f"{host}-other"  # the name of a machine that is not there: the first process's machine is the one asked for
    for name in ("state", f"spool.{host}", f"spool.{other}", "munge"):
        (folder / name).mkdir()
    for n in range(2):
        os.mknod(folder / f"gpu{n}", 0o20666, FAKE)
    settings = {
        "host": host,
        "other": other,
        "folder": folder,
        "cpus": os.cpu_count(),
        "memory": int(0.8 * memory / 2**20),
    }
    (folder / "slurm.conf").write_text(CONFIG.format(**settings))
    (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu File={folder}/gpu[0-1]\n")
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")

    munge = folder / "munge"
    (munge / "key").write_bytes(os.urandom(128))
    for path in (munge, munge / "key"):
        shutil.chown(path, "munge", "munge")
    munge.chmod(0o755)
    (munge / "key").chmod(0o400)
    places = [f"--{name}-file={munge / name}" for name in ("key", "pid", "log", "seed")]
    commands = [
        ["runuser", "-u", "munge", "--", "munged", "--foreground", f"--socket={munge / 'socket'}", *places],
        ["slurmctld", "-D"],
        ["slurmd", "-D", "-N", host],
        ["slurmd", "-D", "-N", other],
    ]
    running = []
    try:
        for number, command in enumerate(commands):
            with open(folder / f"{number}-{command[0]}.log", "w") as log:
                running.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
            if command[0] == "runuser":
                _wait(lambda: (munge / "socket").exists(), "munged", folder)
        _wait(lambda: set(_told("sinfo", "--noheader", "--format=%T").split()) == {"idle"}, "slurmd", folder)
        yield
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(30)
        del os.environ["SLURM_CONF"]


def _told(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout


def _wait(ready: object, what: str, folder: Path, seconds: float = 60) -> None:
    assert callable(ready)
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            logs = "\n".join(f"{log.name}:\n{log.read_text()[-2000:]}" for log in folder.glob("*.log"))
            raise TimeoutError(f"{what} was not ready within {seconds:g} seconds\n{logs}")
        time.sleep(0.2)
