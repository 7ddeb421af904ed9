"""A cluster for the tests of this folder, and a checkout whose jobs go to it."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, need
from tests.slurm.cluster import Cluster, missing
from tests.workflow.conftest import Checkout

# What a fit runs into while a file in the folder `trouble`, named by its number of components, says.
TROUBLE = """\
def meet_trouble(number: int) -> None:
    import os
    import time
    from pathlib import Path

    begun, trouble = Path("begun"), Path("trouble") / str(number)
    begun.mkdir(exist_ok=True)
    (begun / f"{number}.{os.getpid()}").touch()
    if trouble.exists() and trouble.read_text() == "memory":
        held = b"x" * 800 * 2**20
        del held
    while trouble.exists() and trouble.read_text() == "wait":
        time.sleep(0.1)


def pca("""


class OnCluster(Checkout):
    """A checkout whose fits of `pca` meet the troubles that a test makes, and Snakemake with SLURM."""

    def __init__(self, folder: Path, cluster: Cluster):
        super().__init__(folder)
        self.cluster = cluster
        self.started: list[subprocess.Popen] = []
        shutil.copytree(ROOT / "slurm", folder / "slurm")
        self.edit("scscope/methods/pca.py", "def pca(", TROUBLE)
        self.edit(
            "scscope/methods/pca.py",
            "    check_n_latent(n_latent, data.X.shape)",
            "    meet_trouble(n_latent)\n    check_n_latent(n_latent, data.X.shape)",
        )
        self.config["methods"] = {
            f"pca{number}": {"use": "pca", "scale": "log", "params": {"n_latent": number}}
            for number in (3, 4, 5, 6)
        }
        self.config["studies"]["main"].update(methods=list(self.config["methods"]), panels=[])
        self.give(
            mem_mb="1000 * 2 ** (attempt - 1)",
            runtime="1 if attempt == 1 and wildcards.method == 'pca4' else 30",
        )
        (folder / "trouble").mkdir()

    def give(self, **needs) -> None:
        """Change what fits ask for, in the profile that is used here."""
        profile = yaml.safe_load((ROOT / "workflow/profiles/default/profile.yaml").read_text())
        profile["set-resources"]["fit"].update(needs)
        (self.folder / "tight").mkdir(exist_ok=True)
        (self.folder / "tight/profile.yaml").write_text(yaml.safe_dump(profile))

    def trouble(self, number: int, what: str) -> None:
        (self.folder / "trouble" / str(number)).write_text(what)

    def end_trouble(self, number: int) -> None:
        (self.folder / "trouble" / str(number)).unlink()

    def begun(self, number: int) -> int:
        """How many times a fit has begun."""
        return len(list((self.folder / "begun").glob(f"{number}.*")))

    def submit(self, target: str = "all") -> subprocess.Popen:
        """Start Snakemake with the profile for SLURM."""
        return self.start("--profile", "slurm", target=target)

    def start(self, *options, target: str = "all") -> subprocess.Popen:
        """Start Snakemake; what it says goes to the file `said`."""
        command = self.command("--workflow-profile", "tight", *options, target=target)
        if "--profile" in options:
            del command[(at := command.index("--cores")) : at + 2]  # nobody types it on a cluster
        with (self.folder / "said").open("a") as said:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.cluster.environment,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Leave nothing running behind a test that failed."""
        for number in (3, 4, 5, 6):
            (self.folder / "trouble" / str(number)).unlink(missing_ok=True)
        for process in self.started:
            process.kill()
            process.wait()
        self.cluster.call("scancel", "--me", check=False)
        resume = ("scontrol", "update", "NodeName=localhost", "State=RESUME")
        self.cluster.call(*resume, check=False)

    def said(self) -> str:
        return (self.folder / "said").read_text()

    def job_of(self, number: int, *, states: str = "RUNNING") -> str | None:
        """Number in the queue of a fit."""
        return self.cluster.jobs(states=states).get(f"rule_fit_wildcards_tiny_pca{number}_0")


@pytest.fixture(scope="session")
def cluster():
    """A running cluster."""
    need("slurm", not missing(), missing())
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        cluster = Cluster(Path(folder))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture
def with_data(undisturbed, tmp_path):
    """A checkout in which the data are there, and nothing is fitted."""
    checkout = OnCluster(tmp_path, undisturbed.cluster)
    shutil.copytree(undisturbed.results / "data", checkout.results / "data")
    yield checkout
    checkout.end()


@pytest.fixture
def on_cluster(cluster, tmp_path):
    """A fresh checkout."""
    checkout = OnCluster(tmp_path, cluster)
    yield checkout
    checkout.end()


@pytest.fixture(scope="session")
def undisturbed(cluster, tmp_path_factory) -> OnCluster:
    """A checkout in which the same has run on this machine, without SLURM and without trouble."""
    checkout = OnCluster(tmp_path_factory.mktemp("undisturbed"), cluster)
    checkout.run("--workflow-profile", "tight")
    return checkout
