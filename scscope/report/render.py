"""The report: one HTML file that needs no network and runs no script but its own."""

import base64
import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pandas as pd
import yaml

from scscope.report import TITLES, cite, content
from scscope.report.cards import GAP, HEIGHT, WIDTH, data_cards
from scscope.report.downloads import data_uri, download, shown_scores
from scscope.report.method_cards import budgets_in_words, method_cards
from scscope.report.supplementary_tables import short
from scscope.report.verdicts import headline, stability_words, verdicts
from scscope.version import __version__

SCRIPT = Path(__file__).with_name("page.js")
# Bytes. Larger drawings are shown as pixels, and larger pixels at half of their resolution: maps
# of many cells would fill the page. The figures themselves lie beside it.
MAX_SVG, MAX_PNG = 300_000, 300_000


@dataclass(frozen=True)
class Drawing:
    """A figure of the report.

    Parameters
    ----------
    name, title, caption
        Of the panel.
    svg, png
        The drawing in both formats.
    tables
        What it was drawn from: each table by its name, None for one that is too long for a page; none
        for a scheme.
    """

    name: str
    title: str
    caption: str
    svg: bytes
    png: bytes
    tables: Mapping[str, pd.DataFrame | None]


def render(
    *,
    title: str,
    panels: Iterable[Drawing],
    scores: pd.DataFrame,
    runs: pd.DataFrame,
    datasets: pd.DataFrame,
    cards: Iterable[dict],
    config: Mapping,
    versions: Mapping[str, str],
    claims: pd.DataFrame | None = None,
    agreement: pd.DataFrame | None = None,
    supplementary_tables: Mapping[str, pd.DataFrame] = MappingProxyType({}),
) -> str:
    """Write the report as one self-contained HTML page.

    Parameters
    ----------
    title
        Headline.
    panels
        The figures.
    scores, runs, datasets
        The gathered tables.
    cards
        Data cards of all datasets and seeds.
    config
        Settings of the run.
    versions
        Version of each piece of software.
    claims
        Table of verdicts, all text; None where no claims were judged.
    agreement
        Table of how far orders of methods agree.
    supplementary_tables
        As `scscope.report.supplementary_tables` makes them, all text.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    tables = content.score_tables(scores)
    main = [table for (metric, _), table in tables.items() if metric in content.MAIN]
    further = [table for (metric, _), table in tables.items() if metric not in content.MAIN]
    script = SCRIPT.read_text()
    rows = content.score_rows(scores)
    budget = config.get("tuning_budget")
    shown_cards = method_cards(runs, config.get("methods", {}), budget=budget)
    return environment.get_template("template.html.j2").render(
        title=title,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        verdict=content.verdict(runs),
        headline="" if claims is None else headline(claims),
        claims=[] if claims is None else verdicts(claims),
        stability=[] if agreement is None else stability_words(agreement),
        panels=[
            {
                "name": panel.name,
                "title": panel.title,
                "caption": panel.caption,
                "image": image(panel.svg, panel.png),
                "tables": [
                    (name, None if table is None else download(f"{panel.name}_{name}", table))
                    for name, table in panel.tables.items()
                ],
            }
            for panel in panels
        ],
        downloads=[
            download(name, table)
            for name, table in (
                ("scores", shown_scores(scores, ())),
                ("runs", runs),
                ("claims", claims),
            )
            if table is not None
        ],
        supplementary_tables=[
            {
                "name": name,
                "title": TITLES[name],
                "save": download(name, table),
                "columns": list(table),
                "rows": table.to_numpy().tolist(),
                "short": short(table, table.columns[0]) if "parameter" in table else [],
            }
            for name, table in supplementary_tables.items()
        ],
        score_rows=rows,
        choices={
            name: list(dict.fromkeys(row[name] for row in rows))
            for name in ("dataset", "metric", "clusterer", "scale")
        },
        method_cards=shown_cards,
        budgets=budgets_in_words(shown_cards),
        cite={
            "paper": cite.PAPER,
            "doi": cite.DOI,
            "software": f"{cite.SOFTWARE}, version {__version__}.",
        },
        main=main,
        further=further,
        statuses=content.by_method_and_dataset(runs, "How the runs ended", content.status_cell),
        costs=content.by_method_and_dataset(runs, "Time and memory", content.cost_cell),
        devices=", ".join(sorted(set(runs["device"].dropna().astype(str)))),
        without_result=content.without_result(runs),
        datasets=content.dataset_rows(datasets),
        cards=data_cards(cards),
        chart={"width": WIDTH, "height": HEIGHT, "second": WIDTH + GAP},
        config=yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True),
        versions=versions,
        run_versions=runs["versions"].dropna().value_counts().sort_index().to_dict(),
    )


def image(svg: bytes, png: bytes) -> str:
    """A drawing as data URI: the SVG, or the PNG where the SVG is large."""
    if len(svg) <= MAX_SVG:
        return data_uri("image/svg+xml", svg)
    return data_uri("image/png", png if len(png) <= MAX_PNG else halved(png))


def halved(png: bytes) -> bytes:
    """A picture with half as many pixels along each side."""
    from matplotlib.image import imread, imsave

    pixels = imread(io.BytesIO(png))
    height, width = (n // 2 for n in pixels.shape[:2])
    blocks = pixels[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1)
    small = io.BytesIO()
    imsave(small, blocks.mean(axis=(1, 3)), format="png", metadata={"Software": None})
    return small.getvalue()


def _plain(value):
    """Nested settings as the dicts, lists and scalars that YAML knows."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)
