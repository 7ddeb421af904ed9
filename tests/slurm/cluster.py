"""A real SLURM of one node, in a temporary folder, on ports of its own; needs root, and no systemd.

To try the workflow on it by hand:

    python tests/slurm/cluster.py
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
PATH = os.environ["PATH"] + ":/usr/sbin"
CONFIG = """\
ClusterName=scscope
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
# What ends a job beyond its memory where there are no cgroups.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
MinJobAge=600
ReturnToService=2
SlurmdTimeout=60
KillWait=2
MpiDefault=none
GresTypes=gpu
# The node may have fewer cores than jobs are to run at one time here.
SlurmdParameters=config_overrides
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=100000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """What keeps a cluster from starting here, or nothing."""
    if os.geteuid() != 0:
        return "the daemons start as root only"
    absent = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    return f"no {', '.join(absent)}: apt install slurm-wlm munge" if absent else ""


class Cluster:
    """The daemons, started and stopped by their pid files.

    `environment` is what a process needs to reach the cluster.
    """

    def __init__(self, folder: Path, cpus: int = 8):
        self.folder, self.cpus = folder, cpus
        self.config = folder / "slurm.conf"
        # The step of a job forgets SLURM_CONF: its `srun` is told again.
        path = f"{folder}/bin:{PATH}"
        self.environment = {**os.environ, "SLURM_CONF": str(self.config), "PATH": path}

    def start(self) -> None:
        for name in ("munge", "state", "spool", "bin"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        (self.folder / "munge.key").write_bytes(os.urandom(1024))
        (self.folder / "munge.key").chmod(0o600)
        for number in range(2):  # stands in for a device
            (self.folder / f"gpu{number}").touch()
        (self.folder / "gres.conf").write_text(f"Name=gpu File={self.folder}/gpu[0-1]\n")
        ports = dict(zip(("controller", "daemon"), free_ports(2), strict=True))
        self.config.write_text(CONFIG.format(folder=self.folder, cpus=self.cpus, **ports))
        srun = self.folder / "bin/srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.config} exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        files = {
            "key-file": "munge.key",
            "socket": "munge/socket",
            "pid-file": "munge/pid",
            "log-file": "munge/log",
            "seed-file": "munge/seed",
        }
        self.call(
            "munged", "--force", *(f"--{kind}={self.folder / file}" for kind, file in files.items())
        )
        self.call("slurmctld", "-f", str(self.config))
        self.start_node()

    def start_node(self) -> None:
        self.call("slurmd", "-N", "localhost", "-f", str(self.config))
        self.wait_for(lambda: "idle" in self.node() or "mix" in self.node(), "node")

    def stop_node(self) -> None:
        self.end(self.folder / "slurmd.pid")

    def node(self) -> str:
        return self.call("sinfo", "--noheader", "--format=%T", check=False)

    def stop(self) -> None:
        self.call("scancel", "--me", check=False)
        self.wait_for(lambda: not self.call("squeue", "--noheader", check=False), "end of all jobs")
        for file in ("slurmd.pid", "slurmctld.pid", "munge/pid"):
            self.end(self.folder / file)

    def jobs(self, *, states: str = "PENDING,RUNNING") -> dict[str, str]:
        """Number of each job in the queue by what it does, such as rule_fit_wildcards_tiny_pca_0."""
        said = self.call("squeue", "--noheader", f"--states={states}", "--format=%k|%i")
        return dict(line.split("|") for line in said.splitlines())

    def call(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def wait_for(self, what, name: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            if time.monotonic() > deadline:
                logs = [
                    (self.folder / f"{kind}.log").read_text()[-2000:]
                    for kind in ("slurmctld", "slurmd")
                ]
                raise TimeoutError(f"No {name} after {seconds} s.\n" + "\n".join(logs))
            time.sleep(0.1)

    def end(self, pid_file: Path) -> None:
        if not pid_file.exists():
            return
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        self.wait_for(lambda: not Path(f"/proc/{pid}").exists(), f"end of {pid_file.name}")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpus", type=int, default=8, help="that jobs share (default: 8)")
    options = parser.parse_args()
    if reason := missing():
        raise SystemExit(reason)
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        cluster = Cluster(Path(folder), options.cpus)
        cluster.start()
        for number in (signal.SIGINT, signal.SIGTERM):  # the first is ignored where it runs aside
            signal.signal(number, signal.default_int_handler)
        print(f"export SLURM_CONF={cluster.config} PATH={folder}/bin:$PATH", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            cluster.stop()


if __name__ == "__main__":
    main()
