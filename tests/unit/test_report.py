"""pytest tests/unit/test_report.py: all scores here are synthetic."""

import base64
import gzip
import hashlib
import http.server
import io
import re
import shutil
import subprocess
import threading
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure
from matplotlib.image import imread, imsave

from scscope.claims.judge import COLUMNS
from scscope.figures import PANELS
from scscope.figures.style import rasterise
from scscope.report import cite
from scscope.report.cards import HEIGHT, WIDTH, bars, data_cards
from scscope.report.content import dataset_rows, score_rows, score_tables, verdict
from scscope.report.downloads import MAX_PLAIN, download, shown_scores
from scscope.report.method_cards import budgets_in_words, method_cards
from scscope.report.render import MAX_PNG, MAX_SVG, SCRIPT, Drawing, image, render
from scscope.report.summary import summary
from scscope.report.supplementary_tables import supplementary_tables
from scscope.report.verdicts import headline, stability_words, verdicts
from tests.conftest import need

MAGENTA, CYAN = (255, 0, 255), (0, 255, 255)
STATUSES = ["ok", "ok", "timeout"]


def block(colour: tuple, size: int = 40) -> tuple[bytes, bytes]:
    """A drawing of one colour, as SVG and as PNG."""
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


def drawing(name: str, svg: bytes, png: bytes) -> Drawing:
    behind = {"scores": pd.DataFrame({"value": [0.5, -0.25]}), "maps": None}
    return Drawing(name, name.title(), "Caption", svg, png, behind)


def claims(**changes) -> pd.DataFrame:
    """Verdicts on three claims, with a row of sensitivity and one of the released code."""
    rows = [
        ("lost", "judged", "not reproduced"),
        ("lost", "sensitivity", "reproduced"),
        ("lost", "sensitivity", "not reproduced"),
        ("lost", "released code", "not reproduced"),
        ("won", "judged", "reproduced"),
        ("unknown", "judged", "not testable here"),
    ]
    about = {"source": "Fig. 0", "statement": "scScope leads", "paper": ".94", "ours": "0.5"}
    about |= {
        "why": "1 of 2 checks failed.",
        "metric": "ari",
        "statistic": "leads",
        "threshold": "0",
    }
    about |= {"n_asked": "10", "cells_asked": "2000", "scale": "log", **changes}
    table = pd.DataFrame(
        [dict(zip(("claim", "role", "verdict"), row, strict=True)) for row in rows]
    )
    return table.assign(**about).reindex(columns=COLUMNS, fill_value="")


AGREEMENT = pd.DataFrame(
    {"study": ["main"], "changed": ["scale"], "n_pairs": [27], "mean_tau": [0.11]}
).assign(lowest_tau=-1, highest_tau=1, same_winner=0.5)


def supplementary() -> dict[str, pd.DataFrame]:
    methods = {"pca_log": {"use": "pca", "scale": "log", "params": {"n_latent": 7}}}
    splat = {"n_cells": 10, "n_genes": 5, "dropout_mid": 3}
    datasets = {"<b>": {"source": "splat", "params": splat}}
    return supplementary_tables({"methods": methods, "datasets": datasets}, tables()["runs"])


def page(hostile: str = "Mine", panels: tuple = (), cards: tuple = (card(),), **more) -> str:
    methods = {"pca_log": {"use": "pca", "scale": "log", "params": {"n_latent": 5}}}
    return render(
        title="Demo",
        panels=panels,
        cards=cards,
        config={"seeds": [0, 1, 2], "methods": methods},
        versions={"torch": "2.13.0"},
        **tables(hostile),
        **more,
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
    links = Links(page(panels=[drawing("one", *block(MAGENTA))], claims=claims()))
    inside = ("data:image/", "data:text/csv;", "#")
    outside = [target for target in links.targets if not target.startswith(inside)]
    assert len(links.targets) > 10
    assert outside == [f"https://doi.org/{cite.DOI}"]  # a link to follow, nothing that loads
    assert not links.tags & {"link", "iframe", "object", "base"}


def test_one_script_runs_and_it_is_ours():
    html = page()
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert scripts == [SCRIPT.read_text()]
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
        in html
    )


def test_names_and_messages_of_users_are_text():
    html = page('<script>alert("x")</script>', claims=claims(statement="<script>1</script>"))
    assert html.count("<script") == 1
    assert "&lt;script&gt;" in html


def test_verdicts_stand_before_the_figures_and_what_failed_before_the_rest():
    html = page(panels=[drawing("one", *block(MAGENTA))], claims=claims(), agreement=AGREEMENT)
    places = [
        html.index(f'id="{name}"') for name in ("claim-lost", "claim-won", "claim-unknown", "one")
    ]
    assert places == sorted(places)
    assert "3 claims of the paper: 1 reproduced, 1 not reproduced, 1 not testable here." in html
    assert "reproduced in 1 of 2 other choices" in html
    assert "1 claim that is not testable here, with the reason" in html
    assert "another input scale 0.11 (same leader in 50% of 27 pairs)" in html


def test_numbers_of_claims_are_grammatical():
    one = claims()[lambda table: table["claim"] == "won"]
    assert (
        headline(one)
        == "1 claim of the paper: 1 reproduced, 0 not reproduced, 0 not testable here."
    )
    two = pd.concat([one, one.assign(claim="other")])
    assert headline(two).startswith("2 claims of the paper: 2 reproduced")


def test_a_run_without_claims_says_nothing_of_them():
    assert "Verdicts" not in page()


def test_a_verdict_has_what_was_fixed_and_what_the_released_code_gave():
    lost, won, unknown = verdicts(claims())
    assert (lost.kind, won.kind, unknown.kind) == ("failed", "ok", "open")
    assert lost.asked == "ari: leads 0 (log; n = 10, at least 2,000 cells)"
    assert lost.released == ("not reproduced", "0.5")
    assert won.released is None
    assert headline(claims()).startswith("3 claims")
    assert stability_words(AGREEMENT[:0]) == []


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_that_a_spreadsheet_would_run_is_data(text):
    saved = saved_table(download("a", pd.DataFrame({"label": [text], text: ["x"]})).uri)
    assert saved.iloc[0, 0] == f"'{text}"
    assert saved.columns[1] == f"'{text}"


def test_numbers_stay_numbers():
    saved = saved_table(
        download("a", pd.DataFrame({"a": [-0.5, 1e-7], "b": ["-1.5", "+3e-2"]})).uri
    )
    assert saved["a"].astype(float).tolist() == [-0.5, 1e-7]
    assert saved["b"].tolist() == ["-1.5", "+3e-2"]


def saved_table(uri: str) -> pd.DataFrame:
    """What a browser would save."""
    kind, data = uri.split(",", 1)
    assert kind == "data:text/csv;charset=utf-8;base64"
    return pd.read_csv(io.BytesIO(base64.b64decode(data)), dtype=str, lineterminator="\n")


def test_the_table_behind_a_figure_is_in_the_page():
    html = page(panels=[drawing("one", *block(MAGENTA))])
    uri = re.search(r'download="one_scores.csv" href="([^"]+)"', html).group(1)
    assert saved_table(uri)["value"].tolist() == ["0.5", "-0.25"]
    assert "maps (too long for a page: tables/maps.tsv)" in html
    scores = re.search(r'download="scores.csv" href="([^"]+)"', html).group(1)
    assert len(saved_table(scores)) == len(tables()["scores"])


def test_score_rows_count_the_seeds_that_gave_a_value():
    rows = {(row["method"], row["clusterer"]): row for row in score_rows(tables()["scores"])}
    assert len(rows) == 6
    mine = rows["mine", "PhenoGraph"]
    assert (mine["value"], mine["n"], mine["seeds"]) == (pytest.approx(0.55), 2, 3)
    assert rows["bad", "PhenoGraph"]["value"] is None


def test_method_cards_have_settings_input_and_versions():
    runs = tables()["runs"]
    entry = {"use": "scscope", "scale": "log", "params": {"preset": "paper", "n_latent": 7}}
    cards = {card["method"]: dict(card["facts"]) for card in method_cards(runs, {"pca_log": entry})}
    pca = cards["pca_log"]
    assert pca["input"] == "log (size-normalised, log1p)"
    assert pca["settings"] == "preset paper, n_latent 7"
    assert "n_latent 7, n_steps 2" in pca["preset paper"]
    assert "learning_rate 0.001" in pca["preset paper"]
    assert pca["versions"] == "scscope 0.1.0"
    assert cards["mine"]["settings"] == "none to choose"


def test_the_card_of_an_autoencoder_says_one_pass():
    runs = tables()["runs"].assign(use="ae")
    entry = {"use": "ae", "scale": "log", "params": {"preset": "paper"}}
    cards = {card["method"]: dict(card["facts"]) for card in method_cards(runs, {"pca_log": entry})}
    assert "n_steps 1," in cards["pca_log"]["preset paper"]


def test_metrics_are_titled_and_in_order_and_shares_have_their_digits():
    scores = tables()["scores"].query("clusterer == 'phenograph'")
    names = ["unassigned", "rare_f1", "imputation_error", "ari", "n_clusters"]
    shown = score_tables(pd.concat([scores.assign(metric=name) for name in names]))
    assert [table.title for table in shown.values()] == [
        "ARI, PhenoGraph",
        "Imputation error, PhenoGraph",
        "Number of clusters, PhenoGraph",
        "Share of cells without a cluster, PhenoGraph",
        "Mean best F1 of rare types, PhenoGraph",
    ]
    texts = {metric: table.rows[0][1][0].text for (metric, _), table in shown.items()}
    assert (texts["unassigned"], texts["n_clusters"]) == ("0.600", "0.6")


def test_tuning_budgets_are_equal_or_declared_unequal():
    runs = tables()["runs"]
    entries = {"pca_log": {"use": "pca", "scale": "log", "fit_on": 20000}}
    cards = method_cards(runs, entries, budget=0)
    facts = dict(next(card["facts"] for card in cards if card["method"] == "pca_log"))
    assert facts["fitted to"] == "20,000 at random; the others by an SVM"
    assert facts["tuning budget"] == "0"
    assert budgets_in_words(cards) == "The tuning budget is the same for all methods: 0."
    entries["pca_log"]["tuning_budget"] = 12
    words = budgets_in_words(method_cards(runs, entries, budget=0))
    assert words.startswith("The tuning budget is unequal. 0: ")
    assert "12: pca_log" in words
    assert budgets_in_words(method_cards(runs, {})) == "The tuning budget is not stated."
    assert "The tuning budget is not stated." in page()


def test_how_to_cite_is_what_the_citation_file_says():
    file = yaml.safe_load((Path(__file__).parents[2] / "CITATION.cff").read_text())
    paper = file["preferred-citation"]
    assert paper["doi"] == cite.DOI
    for author in paper["authors"]:
        assert author["family-names"] in cite.PAPER
    for key in ("title", "journal", "year", "volume", "start", "end"):
        assert str(paper[key]) in cite.PAPER
    assert file["title"] in cite.SOFTWARE
    assert file["authors"][0]["name"] in cite.SOFTWARE


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


def test_a_picture_of_many_bytes_has_half_the_resolution():
    noise, buffer = np.random.default_rng(0).random((301, 502, 3)), io.BytesIO()
    imsave(buffer, noise)
    png = buffer.getvalue()
    assert len(png) > MAX_PNG
    uri = image(b" " * (MAX_SVG + 1), png)
    shown = imread(io.BytesIO(base64.b64decode(uri.split(",")[1])))
    assert shown.shape[:2] == (150, 251)
    np.testing.assert_allclose(shown[3, 4, :3], noise[6:8, 8:10].mean(axis=(0, 1)), atol=0.01)


def maps_and_scores() -> tuple[dict[str, pd.DataFrame], list[Drawing]]:
    """Tables with 5,000 scores, and 25 drawings of which nine are maps of 30,000 cells."""
    rng = np.random.default_rng(0)
    found = tables()
    part = found["scores"][found["scores"]["method"] == "pca_log"]
    scores = pd.concat([part.assign(method=f"method_{i}") for i in range(840)], ignore_index=True)
    scores["value"] = rng.random(len(scores))
    figure = Figure((7.2, 5))
    points = rng.normal(rng.normal(0, 5, (30, 1, 2)), 1, (30, 1_000, 2))
    for cells in points:
        figure.gca().scatter(*cells.T, s=1, linewidths=0)
    files = [io.BytesIO(), io.BytesIO()]
    rasterise(figure, max_points=500)
    for file, kind in zip(files, ("svg", "png"), strict=True):
        figure.savefig(file, format=kind, dpi=300)
    map_ = [file.getvalue() for file in files]
    plain = [block(CYAN)[0] + b" " * 200_000, map_[1]]
    drawings = [
        Drawing(name, "Title", "Caption.", *(map_ if i < 9 else plain), {"scores": scores[i::25]})
        for i, name in enumerate(f"panel_{i}" for i in range(25))
    ]
    return {**found, "scores": scores}, drawings


def test_maps_of_many_cells_and_long_tables_leave_the_page_small():
    found, drawings = maps_and_scores()
    assert sum(len(drawing.svg) for drawing in drawings) > 8_000_000
    html = render(title="x", panels=drawings, cards=[card()], config={}, versions={}, **found)
    # 50,000 scores, as the paper's studies have them, add about 4 MB to this.
    assert len(html.encode()) < 11_000_000
    packed = re.search(r'download="scores.csv.gz" href="data:application/gzip;base64,([^"]+)', html)
    saved = pd.read_csv(io.BytesIO(gzip.decompress(base64.b64decode(packed[1]))))
    assert len(saved) == len(found["scores"])


def test_only_long_tables_are_compressed_and_always_alike():
    short, long = pd.DataFrame({"a": ["x"]}), pd.DataFrame({"a": ["x" * MAX_PLAIN]})
    assert download("t", short).file == "t.csv"
    assert download("t", long).file == "t.csv.gz"
    assert download("t", long) == download("t", long)


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


def test_a_data_card_of_a_real_set_tells_its_history():
    told = card(
        labels="39 clusters by their authors",
        steps=[
            {"step": "as published", "n_cells": 49_300, "n_genes": 24_658, "sparsity": 0.971},
            {"step": "drawn", "n_cells": 5_000, "n_genes": 384, "sparsity": None},
        ],
        facts={"held out": "mask, share 0.1"},
        notes=["cells: 1, where 2 is stated."],
        files=[{"name": "x.gz", "bytes": 1_234, "sha256": "ab" * 32}],
    )
    facts = data_cards([told])[0]["facts"]
    assert [
        ("labels", "39 clusters by their authors"),
        ("step", "as published: 49,300 cells × 24,658 genes, 97.1 % zeros"),
        ("step", "drawn: 5,000 cells × 384 genes"),
        ("held out", "mask, share 0.1"),
        ("note", "cells: 1, where 2 is stated."),
        ("file", f"x.gz, 1,234 bytes, sha256 {'ab' * 32}"),
    ] == facts[-6:]
    assert "97.1 % zeros" in page(cards=(told,))


def test_names_in_data_cards_are_text():
    html = page(cards=(card(dataset="<script>x</script>", groups={"<b>": 1}),))
    assert html.count("<script") == 1
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
        settings += [f"screenshot={folder}/page.png", "enable-logging=stderr", "v=0"]
        flags = [f"--{flag}" for flag in [*quiet.split(), *settings]]
        shown = subprocess.run(
            [browser, *flags, path.as_uri()], capture_output=True, text=True, timeout=120
        )
        show.errors = [line for line in shown.stderr.splitlines() if "CONSOLE" in line]
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
                drawing("vector", *magenta),
                drawing("pixels", cyan[0] + b" " * MAX_SVG, cyan[1]),
            ],
        )
    )
    content, picture = chromium(path, width=1280)
    assert "How the runs ended" in content
    assert chromium.errors == []
    for colour in (MAGENTA, CYAN):
        assert np.all(np.abs(picture - np.array(colour) / 255) < 0.02, axis=2).mean() > 0.05
    assert requests == []


def test_page_is_as_wide_as_a_phone(chromium, tmp_path):
    path = tmp_path / "report.html"
    wide = drawing("vector", *block(MAGENTA, 600))
    path.write_text(page(panels=[wide], claims=claims(ours="0.5, " * 60), agreement=AGREEMENT))
    _, picture = chromium(path, width=390)
    # Wide things scroll in their own frame: the margin of the page stays white.
    assert picture.shape[1] == 390
    assert np.all(picture[:, -8:] == 1)


# What a reader does, in a script of the test's own; what came of it is written where it can be read.
READER = """
const table = document.getElementById("all-scores");
const shown = () => [...table.tBodies[0].rows].filter((row) => !row.hidden);
const column = (n) => shown().map((row) => row.cells[n].dataset.value ?? row.cells[n].textContent.trim());
const heads = [...table.querySelectorAll("th button")];
const said = {};
heads[5].click(); said.up = column(5);
heads[5].click(); said.down = column(5);
heads[1].click(); said.names = column(1);
const form = document.querySelector("form.filter");
const set = (name, value) => {
  form.elements[name].value = value;
  form.dispatchEvent(new Event("input"));
};
set("words", "pca LOG"); said.words = column(1); said.count = form.querySelector("output").textContent;
set("words", ""); set("clusterer", "PhenoGraph"); said.choice = column(3);
set("words", "nothing is called so"); said.none = shown().length;
const broken = [...document.querySelectorAll('a[href^="#"]')].map((a) => a.hash.slice(1));
said.broken = broken.filter((name) => !document.getElementById(name));
document.title = JSON.stringify(said);
"""


def test_a_reader_sorts_and_filters_without_an_error(chromium, server, tmp_path):
    html = page(panels=[drawing("one", *block(MAGENTA))], claims=claims(), agreement=AGREEMENT)
    digest = base64.b64encode(hashlib.sha256(READER.encode()).digest()).decode()
    html = html.replace("script-src '", f"script-src 'sha256-{digest}' '")
    path = tmp_path / "report.html"
    path.write_text(html.replace("</body>", f"<script>{READER}</script></body>"))
    content, _ = chromium(path, width=1280)
    assert chromium.errors == []
    said = yaml.safe_load(
        re.search(r"<title>(.*?)</title>", content).group(1).replace("&amp;", "&")
    )
    values = [float(value) for value in said["up"][:4]]
    assert values == sorted(values)
    assert said["up"][4:] == said["down"][4:] == ["", ""]  # without a value: last either way
    assert [float(value) for value in said["down"][:4]] == values[::-1]
    assert said["names"] == sorted(said["names"], key=str.lower)
    assert said["words"] == ["PCA pca_log"] * 2
    assert said["count"] == "2 of 6 rows"
    assert said["choice"] == ["PhenoGraph"] * 3
    assert said["none"] == 0
    assert said["broken"] == []


def test_supplementary_tables_are_shown_and_can_be_saved():
    html = render(
        title="x",
        panels=[],
        cards=[],
        config={},
        versions={},
        **tables(),
        supplementary_tables={name: table.astype(str) for name, table in supplementary().items()},
    )
    for number, what in ((1, "methods"), (2, "hyperparameters"), (3, "simulation settings")):
        assert f"Supplementary Table {number}: {what}" in html
        assert f'download="supplementary_table_{number}.csv"' in html
    assert "n_latent 7" in html
    assert "dropout_mid 3" in html
    assert "<code><b></code>" not in html
    saved = re.search(
        r'supplementary_table_2.csv" href="data:text/csv;charset=utf-8;base64,([^"]+)', html
    )
    table = pd.read_csv(io.BytesIO(base64.b64decode(saved[1])))
    assert table.loc[table["parameter"] == "n_latent", "value"].tolist() == ["7"]


def test_a_scheme_has_no_table_behind_it():
    svg, png = block(CYAN)
    scheme = Drawing("figure_1a", "Scheme", "Caption.", svg, png, {})
    html = render(title="x", panels=[scheme], cards=[], config={}, versions={}, **tables())
    assert 'id="figure_1a"' in html
    assert "Behind it" not in html


def test_every_panel_that_draws_seconds_of_a_fit_has_them_behind_it():
    drawing = {
        *("figure_1b", "figure_2a", "supplementary_1", "supplementary_3"),
        *("cost", "accuracy_by_cost"),
    }
    assert {name for name, panel in PANELS.items() if panel.costs} == drawing


def test_the_table_behind_a_panel_of_costs_has_them():
    row = {"dataset": "d", "metric": "ari", "value": 0.5, "seconds": 3.0, "peak_rss_mb": 9.0}
    scores = pd.DataFrame([row, {**row, "metric": "ami"}])
    assert list(shown_scores(scores, ("ari",))) == ["dataset", "metric", "value"]
    shown = shown_scores(scores, ("ari",), costs=True)
    assert shown[["metric", "seconds", "peak_rss_mb"]].values.tolist() == [["ari", 3.0, 9.0]]
