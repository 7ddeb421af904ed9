"""Data cards of the report: what a dataset looks like, in numbers and a small drawing."""

from collections.abc import Iterable

from scscope.figures.tables import natural

WIDTH, HEIGHT, GAP = 132, 44, 16  # of each of the two bar charts of a card, and between them
SHOWN_GROUPS = 8


def data_cards(cards: Iterable[dict]) -> list[dict]:
    """One card for each dataset, of what its seeds have in common.

    Parameters
    ----------
    cards
        Cards of all datasets and seeds, as `scscope.data.write_dataset` returns them, with
        `dataset`, `source`, `seed` where it is simulated, and `targets` where truth is known.

    Returns
    -------
    list
        For each dataset: `dataset`, `source`, `facts` (pairs of words), and the drawing: `bars`
        of library sizes and of groups, each (x, y, width, height), and `axis`, its ends in words.
        Sizes of groups and the drawing are those of the first seed.
    """
    by_name: dict[str, list[dict]] = {}
    for card in cards:
        by_name.setdefault(card["dataset"], []).append(card)
    return [card_of(by_name[name]) for name in sorted(by_name, key=natural)]


def card_of(cards: list[dict]) -> dict:
    """The card of one dataset, from those of its seeds."""
    first = min(cards, key=lambda card: card.get("seed") or 0)
    sizes = first["library_size"]
    facts = [
        ("shape", f"{spread(cards, 'n_cells')} cells × {spread(cards, 'n_genes')} genes"),
        ("values", first["values"]),
        ("zeros", percent([card["sparsity"] for card in cards])),
    ]
    if any(card["negative"] for card in cards):
        negative = percent([card["negative"] for card in cards])
        facts.append(("negative", f"{negative}, fed to methods as zeros and counted with them"))
    median = [card["library_size"]["median"] for card in cards]
    facts.append(("total per cell", f"median {between(median)}, quartiles {quartiles(sizes)}"))
    for kind in ("groups", "batches"):
        if first[kind]:
            facts.append((kind, sizes_in_words(first[kind])))
    if "targets" in first:
        facts.append(("imputation targets", targets_in_words(first["targets"])))
    facts += history(first)
    return {
        "dataset": first["dataset"],
        "source": first["source"],
        "synthetic": "synthetic" in first["source"],
        "n_seeds": len(cards),
        "facts": facts,
        "libraries": bars(sizes["bins"]),
        "groups": bars(sorted(first["groups"].values(), reverse=True)),
        "axis": (f"{sizes['min']:,.0f}", f"{sizes['max']:,.0f}"),
    }


def history(card: dict) -> list[tuple[str, str]]:
    """What a card says of where its data come from: files, steps, labels, facts and surprises."""
    facts = []
    if card.get("labels"):
        facts.append(("labels", card["labels"]))
    facts += [("step", step_in_words(step)) for step in card.get("steps", [])]
    facts += list(card.get("facts", {}).items())
    facts += [("note", note) for note in card.get("notes", [])]
    facts += [
        ("file", f"{file['name']}, {file['bytes']:,} bytes, sha256 {file['sha256']}")
        for file in card.get("files", [])
    ]
    return facts


def step_in_words(step: dict) -> str:
    """Shape, and share of zeros where it is known, after a step of the preparation."""
    shape = f"{step['step']}: {step['n_cells']:,} cells × {step['n_genes']:,} genes"
    sparsity = step["sparsity"]
    return shape if sparsity is None else f"{shape}, {100 * sparsity:.1f} % zeros"


def bars(heights: list[float]) -> list[tuple[float, float, float, float]]:
    """Rectangles of a bar chart of WIDTH × HEIGHT, each (x, y, width, height)."""
    if not heights:
        return []
    step, most = WIDTH / len(heights), max(heights)
    return [
        (
            round(i * step, 2),
            round(HEIGHT * (1 - height / most), 2),
            round(max(step - 1, 0.7 * step), 2),
            round(HEIGHT * height / most, 2),
        )
        for i, height in enumerate(heights)
    ]


def spread(cards: list[dict], name: str) -> str:
    """A number that is mostly the same for all seeds."""
    return between([card[name] for card in cards])


def between(values: list[float]) -> str:
    """Smallest to largest of some numbers, or the one."""
    low, high = f"{min(values):,.0f}", f"{max(values):,.0f}"
    return low if low == high else f"{low} to {high}"


def percent(shares: list[float]) -> str:
    """Shares of the seeds as percentages."""
    low, high = f"{100 * min(shares):.1f}", f"{100 * max(shares):.1f}"
    return f"{low} %" if low == high else f"{low} to {high} %"


def quartiles(sizes: dict) -> str:
    """Lower and upper quartile of the library sizes."""
    return f"{sizes['q25']:,.0f} and {sizes['q75']:,.0f}"


def sizes_in_words(sizes: dict[str, int]) -> str:
    """How many cells there are of each group: of the largest ones, and of the smallest."""
    ranked = sorted(sizes.items(), key=lambda item: (-item[1], natural(item[0])))
    words = [f"{name} {size:,}" for name, size in ranked]
    if len(words) > SHOWN_GROUPS:
        words = [*words[: SHOWN_GROUPS - 2], "…", words[-1]]
    return f"{len(ranked)}: {', '.join(words)}"


def targets_in_words(targets: dict[str, int]) -> str:
    """How many entries imputation could be judged at, and at how many it is."""
    most = targets["max_of_each"]
    words = []
    for kind, name in (("missed", "missed entries"), ("true_zeros", "true zeros")):
        n = targets[kind]
        sampled = f", {most:,} of them sampled" if n > most else ""
        words.append(f"{n:,} {name}{sampled}")
    return "; ".join(words)
