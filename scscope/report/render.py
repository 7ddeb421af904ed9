"""The report: one HTML file that needs no network and runs no script."""

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path

import jinja2
import pandas as pd
import yaml

from scscope.report import content
from scscope.report.cards import GAP, HEIGHT, WIDTH, data_cards
from scscope.report.methods import budgets_in_words, method_rows

MAX_SVG = 1_500_000  # bytes; larger drawings are shown as pixels


def render(
    *,
    title: str,
    panels: Iterable[tuple[str, str, str, bytes, bytes]],
    scores: pd.DataFrame,
    runs: pd.DataFrame,
    datasets: pd.DataFrame,
    cards: Iterable[dict],
    config: Mapping,
    versions: Mapping[str, str],
) -> str:
    """Write the report as one self-contained HTML page.

    Parameters
    ----------
    title
        Headline.
    panels
        Name, title, caption, and the drawing as SVG and as PNG of each figure.
    scores, runs, datasets
        The gathered tables.
    cards
        Data cards of all datasets and seeds.
    config
        Settings of the run.
    versions
        Version of each piece of software.
    """
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
    return environment.get_template("template.html.j2").render(
        title=title,
        verdict=content.verdict(runs),
        panels=[
            {"name": name, "title": heading, "caption": caption, "image": image(svg, png)}
            for name, heading, caption, svg, png in panels
        ],
        main=main,
        further=further,
        statuses=content.by_method_and_dataset(runs, "How the runs ended", content.status_cell),
        costs=content.by_method_and_dataset(runs, "Time and memory", content.cost_cell),
        devices=", ".join(sorted(set(runs["device"].dropna().astype(str)))),
        without_result=content.without_result(runs),
        datasets=content.dataset_rows(datasets),
        cards=data_cards(cards),
        chart={"width": WIDTH, "height": HEIGHT, "second": WIDTH + GAP},
        methods=method_rows(config),
        budgets=budgets_in_words(method_rows(config)),
        config=yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True),
        versions=versions,
        run_versions=runs["versions"].dropna().value_counts().sort_index().to_dict(),
    )


def image(svg: bytes, png: bytes) -> str:
    """A drawing as data URI: the SVG, or the PNG where the SVG is large."""
    kind, data = ("svg+xml", svg) if len(svg) <= MAX_SVG else ("png", png)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _plain(value):
    """Nested settings as the dicts, lists and scalars that YAML knows."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)
