"""What `snakemake --profile slurm` asks the queue for."""

import json
import shutil

import pytest
import yaml

from tests.conftest import ROOT
from tests.slurm.conftest import OnCluster

pytestmark = pytest.mark.workflow

FIT = "results/runs/tiny/two/seed_0"


def run_on_two_devices(undisturbed, folder, gpus):
    """Train a method with `n_devices: 2` through SLURM on a site with so many GPUs."""
    cluster = undisturbed.cluster
    checkout = OnCluster(folder, cluster)
    shutil.copytree(undisturbed.results / "data", checkout.results / "data")
    params = {"n_latent": 5, "max_epochs": 1, "n_devices": 2}
    checkout.config["methods"] = {"two": {"use": "scscope", "scale": "log", "params": params}}
    checkout.config["studies"]["main"]["methods"] = ["two"]
    site = yaml.safe_load((ROOT / "slurm/site.yaml").read_text())
    (folder / "slurm/site.yaml").write_text(yaml.safe_dump({**site, "gpus": gpus}))
    process = checkout.submit(target=f"{FIT}/status.json")
    assert process.wait(300) == 0, checkout.said()
    job = cluster.jobs(states="all")["rule_fit_deep_wildcards_tiny_two_0"]
    return checkout, cluster.call("scontrol", "show", "job", job)


def test_a_method_gets_gpus_where_the_site_has_some_and_gives_the_same_without(
    undisturbed, tmp_path_factory
):
    with_gpus, job = run_on_two_devices(undisturbed, tmp_path_factory.mktemp("gpus"), 2)
    assert "TresPerJob=gres:gpu:2" in job
    without, job = run_on_two_devices(undisturbed, tmp_path_factory.mktemp("none"), 0)
    assert "gpu" not in job
    status = [
        json.loads((each.folder / FIT / "status.json").read_text()) for each in (with_gpus, without)
    ]
    assert [each["n_gpus"] for each in status] == [2, 0]
    assert [each["device"] for each in status] == ["cpu", "cpu"]  # the GPUs are stand-ins
    assert (
        "finds none: it computes on the CPU"
        in (with_gpus.folder / "results/logs/fit/tiny/two/seed_0.log").read_text()
    )
    for name in ("latent.npy", "imputed.npy"):
        assert (with_gpus.folder / FIT / name).read_bytes() == (
            without.folder / FIT / name
        ).read_bytes()


@pytest.fixture
def checkout(cluster, tmp_path):
    return OnCluster(tmp_path, cluster)


@pytest.mark.parametrize(
    ("site", "message"),
    [
        ({"acount": "me"}, "site.yaml: unknown key 'acount'. Did you mean 'account'?"),
        ({"gpu_model": "a100"}, "site.yaml: `gpu_model` without GPUs"),
    ],
)
def test_a_mistake_in_the_site_is_refused(checkout, site, message):
    (checkout.folder / "slurm/site.yaml").write_text(yaml.safe_dump(site))
    result = checkout.snakemake("--dry-run")
    assert result.returncode != 0
    assert message in result.stdout
