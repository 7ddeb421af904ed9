"""pytest tests/unit/test_supplementary_tables.py: Supplementary Tables 1 to 3."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from scscope.methods.magic import magic
from scscope.report.supplementary_tables import (
    hyperparameters,
    method_table,
    short,
    simulations,
    supplementary_tables,
)
from scscope.settings import PRESETS, Settings

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())
RUNS = pd.DataFrame(
    {
        "method": ["pca_log", "pca_log", "dca_paper"],
        "versions": ["scikit-learn 1.9", "scikit-learn 1.8", ""],
    }
)


def values(table: pd.DataFrame, name: str) -> dict[str, tuple[str, str]]:
    """Value and origin of each parameter of a method or dataset."""
    rows = table[table.iloc[:, 0] == name]
    assert not rows["parameter"].duplicated().any()
    return dict(zip(rows["parameter"], zip(rows["value"], rows["from"], strict=True), strict=True))


def test_every_method_of_the_config_has_a_row_with_its_version_and_input():
    table = method_table(CONFIG["methods"], RUNS).set_index("method")
    assert list(table.index) == list(CONFIG["methods"])
    assert table.loc["pca_log", "versions"] == "scikit-learn 1.8; scikit-learn 1.9"
    assert table.loc["dca_paper", "versions"] == "not recorded"
    assert table.loc["scvi_paper", "versions"] == "not run"
    assert table.loc["scscope_size", ["label", "input"]].tolist() == [
        "scScope",
        "size-normalised, no log",
    ]
    assert table.loc["simlr", "uses"].startswith("python3 examples/simlr.py")
    assert table.loc["magic_on_20000", "fitted_to"] == "20,000 at random; the others by an SVM"
    assert table.loc["truth", "role"] == "control"


def test_hyperparameters_say_where_each_comes_from():
    table = hyperparameters(CONFIG["methods"])
    ours = values(table, "scscope_10_units_log")
    assert ours["n_latent"] == ("10", "config")
    assert ours["learning_rate"] == (str(Settings().learning_rate), "preset paper")
    assert ours["encoder_layers"] == ("none", "preset paper")
    package = values(table, "scscope_package_log")
    assert package["beta1"] == (str(PRESETS["package"].beta1), "preset package")
    assert values(table, "ae_log")["n_steps"] == ("1", "method")
    assert values(table, "dca_paper")["hidden_layers"] == ("64, 50, 64", "config")
    assert values(table, "dca_paper")["stop_after"] == ("15", "default")
    knn = str(magic.__kwdefaults__["knn"])
    assert values(table, "magic_today")["knn"] == (knn, "default")
    assert values(table, "magic_paper")["knn"] == ("10", "config")
    assert values(table, "simlr") == {"n_types": ("3", "config")}
    assert not {"preset", "seed", "device"} & set(table["parameter"])


def test_settings_that_no_fit_can_use_are_listed_as_they_stand():
    entry = {"use": "scscope", "scale": "log", "params": {"preset": "papre", "n_latent": 0}}
    found = values(hyperparameters({"typo": entry}), "typo")
    assert found["n_latent"] == ("0", "config")
    assert "learning_rate" not in found


def test_every_simulated_dataset_has_all_its_settings():
    table = simulations(CONFIG["datasets"])
    simulated = {
        name
        for name, entry in CONFIG["datasets"].items()
        if entry["source"] in ("splat", "splatter", "simlr")
    }
    assert set(table["dataset"]) == simulated
    simlr = values(table, "simlr_p5_rare005")
    assert simlr["rare_share"] == ("0.0005", "config")
    assert simlr["latent_variance"] == ("0.1", "default")
    assert "seed" not in simlr
    assert values(table, "splat_mid3")["dropout_mid"] == ("3", "config")
    assert values(table, "splat_mid3")["all others"] == ("as the program has them", "default")
    stand_ins = set(table.loc[table["dataset"] == "synthetic_brain_5k", "stands_for"])
    assert stand_ins == {"brain"}


def test_the_short_form_parts_what_is_set_from_what_is_left():
    rows = {row["name"]: row for row in short(hyperparameters(CONFIG["methods"]), "method")}
    assert rows["magic_today"]["set"] == "transform sqrt"
    assert "knn 5" in rows["magic_today"]["left"]
    assert rows["simlr"]["left"] == ""


@pytest.mark.parametrize(
    "config", [CONFIG, yaml.safe_load((ROOT / "config/demo.yaml").read_text())]
)
def test_tables_are_three_and_whole(config):
    tables = supplementary_tables(config, RUNS)
    assert list(tables) == [f"supplementary_table_{number}" for number in (1, 2, 3)]
    for table in tables.values():
        assert len(table)
        assert table.notna().all(axis=None)


def test_a_config_without_simulations_has_an_empty_table():
    datasets = {"mine": {"source": "file", "path": "a.h5ad"}}
    tables = supplementary_tables({"methods": CONFIG["methods"], "datasets": datasets}, RUNS[:0])
    table = tables["supplementary_table_3"]
    assert table.empty
    assert "parameter" in table
    assert set(tables["supplementary_table_1"]["versions"]) == {"not run"}
