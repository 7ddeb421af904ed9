"""pytest tests/unit/test_report.py: all scores here are synthetic."""

import http.server
import io
import shutil
import subprocess
import threading
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from scscope.report import render, summary
from scscope.report.cards import HEIGHT, WIDTH, bars, data_cards
from scscope.report.content import dataset_rows, score_tables, verdict
from scscope.report.methods import budgets_in_words, method_rows
from scscope.report.render import MAX_SVG, image
from tests.conftest import need

MAGENTA, CYAN = (255, 0, 255), (0, 255, 255)
STATUSES = ["ok", "ok", "timeout"]


def block(colour: tuple, size: int = 40) -> tuple[bytes, bytes]:
    """A drawing of one colour, as SVG and as PNG."""
    from matplotlib.image import imsave

    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}">'
        f'<style>rect {{ fill: rgb{colour} }}</style><rect width="100%" height="100%"/></svg>'
    )
    png = io.BytesIO()
    imsave(png, np.full((size, size, 3), colour, dtype=np.uint8))
    return svg.encode(), png.getvalue()


def tables(hostile: str = "Mine", n_datasets: int = 1) -> dict[str, pd.DataFrame]:
    """Scores, runs and datasets of three methods; the third has no result."""
    methods = [
        ("pca_log", "PCA", "pca", "ok"),
        ("mine", hostile, "mine", ""),
        ("bad", "Bad", "b", "error"),
    ]
    runs = []
    for dataset in range(n_datasets):
        for method, label, use, status in methods:
            for seed in range(3):
                runs.append(
                    {
                        "dataset": f"simulated_{dataset}",
                        "method": method,
                        "label": label,
                        "use": use,
                        "scale": "log",
                        "control": False,
                        "seed": seed,
                        "status": status or STATUSES[seed],
                        "message": "" if status == "ok" else f"Traceback\n{hostile} gave up",
                        "seconds": 2.5,
                        "peak_rss_mb": 300.0,
                        "peak_gpu_mb": np.nan,
                        "device": "cpu",
                        "versions": "scscope 0.1.0",
                    }
                )
    runs = pd.DataFrame(runs)
    value = (0.5 + 0.1 * runs["seed"]).where(runs["status"] == "ok")
    scores = [
        runs.assign(metric="ari", clusterer=clusterer, value=value)
        for clusterer in ("phenograph", "kmeans")
    ]
    datasets = (
        runs[["dataset", "seed"]]
        .drop_duplicates()
        .assign(
            source="splatter",
            n_cells=2000,
            n_genes=500,
            sparsity=lambda table: 0.3 + 0.01 * table["seed"],
            n_labels=3,
            n_batches=0,
            values="counts",
            dropped_cells=0,
            dropped_genes=np.nan,
            hash="ab" * 32,
        )
    )
    return {"scores": pd.concat(scores), "runs": runs, "datasets": datasets}


def card(seed: int = 0, **facts) -> dict:
    """Data card of a simulated dataset."""
    sizes = {
        "min": 100.0,
        "q25": 900.0,
        "median": 1000.0 + (seed or 0),
        "q75": 1200.0,
        "max": 5000.4,
    }
    return {
        "dataset": "simulated_0",
        "seed": seed,
        "source": "splat",
        "n_cells": 2000,
        "n_genes": 500,
        "sparsity": 0.3 + 0.01 * (seed or 0),
        "negative": 0.0,
        "values": "counts",
        "groups": {"Group1": 1500, "Group2": 500},
        "batches": {},
        "library_size": {**sizes, "bins": [1, 4, 0, 2]},
        "targets": {"missed": 2_500_000, "true_zeros": 30, "max_of_each": 1_000_000},
        **facts,
    }


def page(
    hostile: str = "Mine",
    panels: tuple = (),
    cards: tuple = (card(),),
    config: dict | None = None,
) -> str:
    return render(
        title="Demo",
        panels=panels,
        cards=cards,
        config={"seeds": [0, 1, 2]} if config is None else config,
        versions={"torch": "2.13.0"},
        **tables(hostile),
    )


class Links(HTMLParser):
    """Collects whatever a browser would load or follow, and the names of all tags."""

    def __init__(self, html: str):
        super().__init__()
        self.targets, self.tags = [], set()
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.targets += [value for name, value in attributes if name in ("src", "href", "srcset")]


def test_report_loads_nothing():
    links = Links(page(panels=[("one", "One", "Caption", *block(MAGENTA))]))
    assert links.targets
    assert all(target.startswith(("data:image/", "#")) for target in links.targets)
    assert not links.tags & {"script", "link", "iframe", "object", "base"}


def test_names_and_messages_of_users_are_text():
    html = page('<script>alert("x")</script>')
    assert "script" not in Links(html).tags
    assert "&lt;script&gt;" in html


def test_report_shows_what_failed():
    html = page()
    assert "9 runs: 5 ok, 4 failed (3 error, 1 timeout)." in html
    assert '<td class="partial">0.550 ± 0.071<br>1/3 timeout</td>' in html
    assert '<td class="failed">error</td>' in html
    assert '<td class="partial">2 ok, 1 timeout</td>' in html
    assert "Mine gave up" in html


def test_report_states_settings_and_software():
    html = page()
    for text in ("seeds:\n- 0", "2.13.0", "scscope 0.1.0", "ab" * 32, "30.0 to 32.0"):
        assert text in html


def test_large_drawing_is_embedded_as_pixels():
    svg, png = block(CYAN)
    assert image(svg, png).startswith("data:image/svg+xml;base64,")
    assert image(svg + b" " * MAX_SVG, png).startswith("data:image/png;base64,")


def test_verdict_without_failures():
    runs = pd.DataFrame({"status": ["ok", "ok", "not_applicable"]})
    assert verdict(runs).text == "3 runs: 2 ok, 1 not applicable, none failed."
    assert verdict(runs).kind == "ok"


def test_true_labels_stand_in_the_table_of_every_clusterer():
    scores = tables()["scores"]
    truth = scores[scores["method"] == "pca_log"].assign(
        method="truth", label="truth", use="truth", control=True, clusterer="given", value=1.0
    )
    shown = score_tables(pd.concat([scores, truth]))
    for clusterer in ("phenograph", "kmeans"):
        entry, cells = shown["ari", clusterer].rows[-1]
        assert (entry.method, cells[0].text) == ("truth", "1.000")


def test_real_dataset_has_no_seed():
    datasets = tables()["datasets"][:1].assign(seed=np.nan)
    row = dataset_rows(datasets)[0]
    assert (row["seeds"], row["n_cells"], row["zeros"]) == (0, "2,000", "30.0")
    assert row["hashes"] == [("", "ab" * 32)]


def test_a_data_card_sums_up_the_seeds_of_a_dataset():
    shown = data_cards([card(1), card(0), card(dataset="a", seed=None)])
    assert [one["dataset"] for one in shown] == ["a", "simulated_0"]
    assert shown[1]["n_seeds"] == 2
    assert dict(shown[1]["facts"]) == {
        "shape": "2,000 cells × 500 genes",
        "values": "counts",
        "zeros": "30.0 to 31.0 %",
        "total per cell": "median 1,000 to 1,001, quartiles 900 and 1,200",
        "groups": "2: Group1 1,500, Group2 500",
        "imputation targets": "2,500,000 missed entries, 1,000,000 of them sampled; 30 true zeros",
    }
    assert shown[1]["axis"] == ("100", "5,000")


def test_bars_fill_their_chart():
    drawn = np.array(bars([1, 4, 0, 2]))
    assert drawn[:, 3].tolist() == [HEIGHT / 4, HEIGHT, 0, HEIGHT / 2]
    assert np.all(drawn[:, 1] + drawn[:, 3] == HEIGHT)
    assert drawn[-1, 0] + drawn[-1, 2] <= WIDTH
    assert bars([]) == []


def test_many_groups_are_cut_short_and_rare_ones_stay():
    groups = {f"Type{i}": 1_000 - i for i in range(50)}
    words = dict(data_cards([card(groups=groups)])[0]["facts"])["groups"]
    assert words.startswith("50: Type0 1,000, Type1 999, ")
    assert words.endswith("…, Type49 951")


def test_synthetic_and_negative_data_are_said_to_be():
    html = page(cards=(card(source="splat, synthetic, in place of brain", negative=0.1),))
    assert '<div class="synthetic">splat, synthetic, in place of brain</div>' in html
    assert "10.0 %, fed to methods as zeros" in html


def test_names_in_data_cards_are_text():
    html = page(cards=(card(dataset="<script>x</script>", groups={"<b>": 1}),))
    assert "script" not in Links(html).tags
    assert "&lt;b&gt; 1" in html


def test_summary_fits_the_terminal():
    given = tables(n_datasets=20)
    text = summary(given["scores"], given["runs"], figures="results/figures", report="r.html")
    assert max(map(len, text.splitlines())) <= 100
    for dataset in range(20):
        assert f"simulated_{dataset}" in text
    for expected in (
        "0.550 (1/3 timeout)",
        "error",
        "180 runs: 100 ok",
        "results/figures",
        "r.html",
    ):
        assert expected in text


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """Open a page in a real browser; returns its content and a picture of it."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    need("chromium", browser is not None, "apt-get install chromium")
    quiet = (
        "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"
    )
    quiet += " disable-component-update disable-sync hide-scrollbars dump-dom"

    def show(path, *, width: int):
        folder = tmp_path_factory.mktemp("chromium")
        settings = [f"user-data-dir={folder}/user", f"window-size={width},3000"]
        settings.append(f"screenshot={folder}/page.png")
        flags = [f"--{flag}" for flag in [*quiet.split(), *settings]]
        shown = subprocess.run(
            [browser, *flags, path.as_uri()], capture_output=True, text=True, timeout=120
        )
        return shown.stdout, imread(folder / "page.png")[..., :3]

    return show


@pytest.fixture
def server():
    """A web server that nobody should ask for anything; returns its address and the requests."""
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            self.send_error(404)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", requests
        running.shutdown()


def test_browser_shows_the_figures_and_asks_for_nothing(chromium, server, tmp_path):
    address, requests = server
    magenta, cyan = block(MAGENTA), block(CYAN)
    path = tmp_path / "report.html"
    path.write_text(
        page(
            f'<img src="{address}/name.png"><script src="{address}/x.js"></script>',
            panels=[
                ("vector", "Vector", "Caption", *magenta),
                ("pixels", "Pixels", "Caption", cyan[0] + b" " * MAX_SVG, cyan[1]),
            ],
        )
    )
    content, picture = chromium(path, width=1280)
    assert "How the runs ended" in content
    for colour in (MAGENTA, CYAN):
        assert np.all(np.abs(picture - np.array(colour) / 255) < 0.02, axis=2).mean() > 0.05
    assert requests == []


def test_page_is_as_wide_as_a_phone(chromium, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page(panels=[("vector", "Vector", "Caption", *block(MAGENTA, 600))]))
    _, picture = chromium(path, width=390)
    # Wide things scroll in their own frame: the margin of the page stays white.
    assert picture.shape[1] == 390
    assert np.all(picture[:, -8:] == 1)


def methods_of(html: str) -> str:
    start = html.index('id="methods"')
    return html[start : html.index('id="settings"')]


def test_methods_are_shown_with_input_settings_and_tuning_budget():
    config = {
        "tuning_budget": 0,
        "methods": {
            "truth": {"use": "truth", "scale": "log"},
            "dca_paper": {"use": "dca", "scale": "counts", "params": {"hidden_layers": [64, 50]}},
            "magic": {"use": "magic", "scale": "size_unit", "label": "M", "fit_on": 20000},
            "unused": {"use": "pca", "scale": "log"},
        },
        "studies": {"main": {"methods": ["truth", "dca_paper", "magic"]}},
    }
    rows = method_rows(config)
    assert [row.method for row in rows] == ["dca_paper", "magic", "truth"]
    assert rows[0].given == "counts, as observed"
    assert rows[0].settings == "hidden_layers: [64, 50]"
    assert rows[1].given == "size-normalised, no log, genes / s.d."
    assert rows[1].fitted == "20,000 at random; the others by an SVM"
    assert rows[1].settings == "its defaults"
    assert budgets_in_words(rows) == "The tuning budget is the same for all methods: 0."
    config["methods"]["magic"]["tuning_budget"] = 12
    words = budgets_in_words(method_rows(config))
    assert words == "The tuning budget is unequal. 0: dca_paper; 12: magic."
    del config["tuning_budget"], config["methods"]["magic"]["tuning_budget"]
    assert budgets_in_words(method_rows(config)) == "The tuning budget is not stated."
    html = methods_of(page(config=config))
    assert "counts, as observed" in html
    assert "not stated" in html
