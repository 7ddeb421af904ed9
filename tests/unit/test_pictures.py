"""How panels look: each against a picture that was looked at, and pages and redraws of them.

The pictures are small (60 dpi) and of synthetic scores. A panel that is meant to look otherwise gets
a new one by `python -m tests.unit.test_pictures`: open it before you commit it.
"""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.testing.compare import compare_images

from scscope.figures import COMPOSITES, PANELS, load_panel, marks, panels_of, style
from scscope.figures.composite import compose
from scscope.figures.redraw import compose_page, draw_panel, redraw, stand_ins
from scscope.figures.style import MM, WIDTH, save
from scscope.gather import panel_table, read_panels, write_table
from tests.unit.tables_of_panels import EXAMPLES, draw_example
from tests.unit.test_figures import draw, synthetic

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "tests/data/figures"
DPI = 60
# Root mean square of the differences, of 255. Machines differ in how edges are smoothed, which gives
# up to about 1; a method in another colour, a moved axis or a lost label gives more than this.
TOLERANCE = 2.5


def scores(entry: str = "") -> pd.DataFrame:
    """Synthetic scores with failed runs; of an `entry`, other values."""
    table = synthetic(5, failing={"scscope_log": ("mid_2", 2, "timeout")})
    return table.assign(value=table["value"].where(table["method"] != entry, 0.97))


def picture(name: str, path: Path, table: pd.DataFrame) -> None:
    """Draw a panel as the committed pictures are drawn: in a font that comes with matplotlib."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(style.RC, "font.family", ["DejaVu Sans"])
        patch.setitem(style.RC, "savefig.dpi", DPI)
        save(draw_example(name) if name in EXAMPLES else draw(name, table), [path])


@pytest.mark.parametrize("name", PANELS)
def test_panel_looks_as_it_did_when_it_was_looked_at(name, tmp_path):
    path = tmp_path / f"{name}.png"
    picture(name, path, scores())
    assert compare_images(PICTURES / path.name, path, tol=TOLERANCE) is None


def test_other_values_look_otherwise(tmp_path):
    path = tmp_path / "figure_1c.png"
    picture("figure_1c", path, scores("pca_log"))
    assert compare_images(PICTURES / path.name, path, tol=TOLERANCE) is not None


def test_every_picture_is_of_a_panel():
    assert {path.stem for path in PICTURES.glob("*.png")} == set(PANELS)


def block(width: float, height: float, *letters: str) -> Figure:
    figure = Figure((width * MM, height * MM))
    for i, letter in enumerate(letters):
        axes = figure.add_axes([0.3, 0.2 + 0.4 * i, 0.5, 0.2], label=letter)
        marks.letter(axes, letter, titled=False)
    return figure


def places(page: Figure) -> list[tuple[float, ...]]:
    """Place of each panel in mm from the lower left corner: x, y, width, height."""
    boxes = [artist.panel.bbox_inches for artist in page.artists]
    return [tuple(round(float(v) / MM, 3) for v in box.bounds) for box in boxes]


def test_a_page_is_as_wide_as_the_journals_and_panels_flow():
    page = compose({"a": block(90, 40), "b": block(80, 50), "c": block(183, 30)})
    assert page.get_figwidth() == pytest.approx(183 * MM)
    height = 4.5 + 50 + 4 + 4.5 + 30
    assert page.get_figheight() == pytest.approx(height * MM)
    assert places(page) == [
        (0, pytest.approx(height - 44.5), 90, 40),
        (94, pytest.approx(height - 54.5), 80, 50),
        (0, 0, 183, 30),
    ]
    assert [text.get_text() for text in page.texts] == ["a", "b", "c"]


def test_what_does_not_fit_on_a_page_goes_on_to_the_next_beside_it():
    page = compose(
        {"a": block(183, 100), "b": block(90, 130), "c": block(80, 20), "d": block(183, 60)}
    )
    assert page.get_figwidth() == pytest.approx((183 + 10 + 183) * MM)
    height = 4.5 + 100 + 4 + 4.5 + 130
    assert page.get_figheight() == pytest.approx(height * MM)
    assert places(page) == [
        (0, pytest.approx(height - 104.5), 183, 100),
        (0, 0, 90, 130),
        (94, 110, 80, 20),
        (193, pytest.approx(height - 64.5), 183, 60),
    ]
    letters = [(text.get_text(), text.get_position()[0] * 376) for text in page.texts]
    assert letters == [("a", 0), ("b", 0), ("c", pytest.approx(94)), ("d", pytest.approx(193))]


def test_a_panel_taller_than_a_page_is_drawn_and_said_to_be(caplog):
    page = compose({"a": block(183, 20), "b": block(183, 250)})
    assert "Panel 'b' is 250 mm tall; a page has room for 242 mm" in caplog.text
    assert page.get_figheight() == pytest.approx(254.5 * MM)
    assert page.get_figwidth() == pytest.approx(376 * MM)


def test_letters_within_a_panel_do_not_compete_with_the_pages():
    panel, single = block(90, 40, "a", "b"), block(80, 40, "a")
    compose({"c": panel, "d": single})
    inner = [[text.get_text() for axes in f.axes for text in axes.texts] for f in (panel, single)]
    assert inner == [["i", "ii"], [""]]


def test_letters_within_a_panel_are_numbered_in_their_order_not_in_that_of_drawing():
    panel = block(90, 40, "c", "a", "b")
    compose({"a": panel})
    inner = [text.get_text() for axes in panel.axes for text in axes.texts]
    assert inner == ["iii", "i", "ii"]


def test_too_wide_a_panel_and_no_panel_are_refused():
    with pytest.raises(ValueError, match="Panel 'a' is 190 mm wide; a page has 183 mm"):
        compose({"a": block(190, 10)})
    with pytest.raises(ValueError, match="nothing to put on the page"):
        compose({})


def test_a_page_is_vector_with_its_fonts_and_always_the_same(tmp_path):
    for name in ("one", "two"):
        page = compose({"c": load_panel("supplementary_11")(scores()), "d": block(80, 20)})
        save(page, [tmp_path / f"{name}.svg", tmp_path / f"{name}.pdf"])
    for suffix in ("svg", "pdf"):
        first, second = (tmp_path / f"{name}.{suffix}" for name in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()
    pdf, svg = (tmp_path / "one.pdf").read_bytes(), (tmp_path / "one.svg").read_text()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert b"/Subtype /Image" not in pdf
    width = float(re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", pdf).group(1))
    assert width / 72 == pytest.approx(WIDTH)
    assert "<image" not in svg
    assert "Time of clustering" in svg
    assert "date" not in svg.lower()


def test_panels_of_a_page_are_those_that_are_drawn():
    assert panels_of("figure_1", ["figure_1c", "overview"]) == {"c": "figure_1c"}
    assert panels_of("figure_2", ["figure_1c"]) == {}
    assert panels_of("supplementary_7", ["supplementary_7c", "supplementary_7a"]) == {
        "a": "supplementary_7a",
        "c": "supplementary_7c",
    }


PAPER = [*(f"figure_{i}" for i in range(1, 4)), *(f"supplementary_{i}" for i in range(1, 16))]


def test_every_figure_of_the_paper_is_a_page_or_a_panel_and_never_both():
    lettered = {panel for page in COMPOSITES.values() for panel in page.values()}
    assert set(COMPOSITES) <= set(PAPER)
    assert not set(COMPOSITES) & set(PANELS)
    of_paper = {name for name in PANELS if name.startswith(("figure_", "supplementary_"))}
    assert of_paper <= lettered | set(PAPER)


def datasets_of_run() -> pd.DataFrame:
    """Two datasets, of which one stands for data that are not there."""
    sources = ["splat", "splat, synthetic, in place of brain"]
    shape = {"n_cells": 500, "n_genes": 400, "n_batches": 0}
    return pd.DataFrame({"dataset": ["mid_1", "mid_2"], "source": sources, **shape})


def stamps(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts if text.get_gid() == marks.STAMP]


@pytest.mark.parametrize("panel", ["supplementary_11", "supplementary_6"])
def test_figures_of_data_that_stand_for_others_are_stamped(panel):
    selection = dict.fromkeys(("datasets", "methods", "seeds", "metrics", "clusterers"), [])
    tables = {"scores": scores(), "datasets": datasets_of_run()}
    plain = draw_panel(panel, tables, {**selection, "datasets": ["mid_1"]})
    assert stamps(plain) == []
    both = {**selection, "datasets": ["mid_1", "mid_2"]}
    figure = draw_panel(panel, tables, both)
    assert stamps(figure) == ["synthetic, in place of brain"]
    figure.draw_without_rendering()
    box, page = figure.texts[-1].get_window_extent(), figure.bbox
    assert box.x0 >= page.x0
    assert box.x1 <= page.x1
    page = compose_page({"a": panel, "b": panel}, tables, {panel: both})
    assert [stamps(artist.panel) for artist in page.artists] == 2 * [stamps(figure)]


def test_a_stamp_is_seen_and_what_is_under_it_still_read(tmp_path):
    figure = Figure((2, 1), facecolor="white")
    marks.stamp(figure, "synthetic, in place of brain")
    save(figure, [tmp_path / "a.png"])
    pixels = imread(tmp_path / "a.png")[..., :3]
    assert (pixels.min(axis=2) < 0.9).mean() > 0.01  # seen
    assert pixels.max(axis=2).min() > 0.8  # pale: black type under it stays the darkest


def test_data_that_stand_for_others_are_named_once_each():
    table = datasets_of_run()
    assert stand_ins(table[:1]) == ""
    assert stand_ins(pd.concat([table, table])) == "synthetic, in place of brain"
    more = table.assign(source="splat, synthetic, in place of lung")
    assert stand_ins(pd.concat([more, table])) == "synthetic, in place of brain, lung"


def kept_run(folder: Path) -> Path:
    """A folder with one kept run, as `results/reference` is one."""
    run = folder / "reference/mine"
    run.mkdir(parents=True)
    table = scores().assign(
        seconds=1.0, peak_rss_mb=1.0, data_hash="x", clusterer=lambda t: t["clusterer"].fillna("")
    )
    write_table(table, run / "scores.tsv")
    write_table(datasets_of_run(), run / "datasets.tsv")
    selection = {
        "datasets": ["mid_1", "mid_2"],
        "methods": sorted(set(table["method"])),
        "seeds": [0, 1, 2],
        "metrics": ["imputation_error", "zero_prediction", "cluster_seconds"],
        "clusterers": ["phenograph"],
    }
    panels = {"supplementary_11": selection}
    write_table(panel_table(panels), run / "panels.tsv")
    assert read_panels(run / "panels.tsv") == panels
    return folder / "reference"


def test_two_redraws_are_the_same_and_what_was_kept_stays(tmp_path):
    kept = kept_run(tmp_path)
    before = {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}
    for name in ("first", "second"):
        drawn = [path.name for path in redraw(kept, tmp_path / name)]
        assert drawn == ["supplementary_11"]
    for path in (tmp_path / "first").rglob("*.*"):
        other = tmp_path / "second" / path.relative_to(tmp_path / "first")
        assert path.read_bytes() == other.read_bytes(), path.name
    assert len(list((tmp_path / "first/mine").iterdir())) == 3
    assert before == {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}


def test_nothing_is_drawn_into_what_was_kept(tmp_path):
    kept = kept_run(tmp_path)
    for target in (kept, kept / "mine", kept / "new"):
        with pytest.raises(ValueError, match="which is only read: choose another folder"):
            next(redraw(kept, target))
    with pytest.raises(ValueError, match="no folder of it has a panels.tsv"):
        next(redraw(tmp_path / "first", tmp_path / "out"))


def test_a_panel_is_given_the_rows_of_its_study_in_the_tables_that_it_needs(tmp_path, monkeypatch):
    kept = kept_run(tmp_path)
    given = {}

    def drawn(scores, *, maps, datasets):
        given.update(maps=maps, datasets=datasets)
        return Figure()

    needing = replace(PANELS["supplementary_11"], needs=("maps", "datasets"))
    monkeypatch.setitem(PANELS, "supplementary_11", needing)
    monkeypatch.setattr("scscope.figures.redraw.load_panel", lambda name: drawn)
    with pytest.raises(ValueError, match="There is no .*maps.tsv, which panels of"):
        next(redraw(kept, tmp_path / "out"))
    chosen = dict.fromkeys(["dataset", "method", "clusterer"], "mid_1") | {"seed": 0, "x": 0.5}
    chosen |= {"method": "pca_log", "clusterer": "phenograph"}
    others = [{"dataset": "none"}, {"method": "none"}, {"clusterer": "kmeans"}, {"seed": 7}]
    maps = pd.DataFrame([chosen, *(chosen | other for other in others)])
    write_table(maps, kept / "mine/maps.tsv")
    datasets = pd.DataFrame(
        {"dataset": ["mid_1", "mid_1", "mid_2", "none"], "seed": [0, 7, None, 0], "source": "splat"}
    )
    write_table(datasets.astype({"seed": "Int64"}), kept / "mine/datasets.tsv")
    assert len(list(redraw(kept, tmp_path / "out"))) == 1
    assert given["maps"].to_dict("records") == [chosen]
    assert given["datasets"]["dataset"].tolist() == ["mid_1", "mid_2"]


def test_make_figures_draws_the_kept_runs():
    rule = (ROOT / "Makefile").read_text()
    assert "python -m scscope.figures.redraw results/reference results/redrawn" in rule
    kept = {path.parent.name for path in (ROOT / "results/reference").glob("*/panels.tsv")}
    assert "demo" in kept


if __name__ == "__main__":
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    for panel in PANELS:
        picture(panel, PICTURES / f"{panel}.png", scores())
        print(PICTURES / f"{panel}.png")
