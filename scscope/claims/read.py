"""Read claims, and refuse those that could not be judged, before anything runs."""

from collections.abc import Mapping
from pathlib import Path

from scscope.claims.criteria import AGAINST_RIVALS
from scscope.claims.judge import COSTS, sign_of
from scscope.metrics import METRICS
from scscope.validation import schema_errors, unknown_name

SCHEMA = Path(__file__).with_name("claims.schema.yaml")


def read_claims(path: str | Path) -> dict[str, dict]:
    """Claims of a file by name.

    Raises
    ------
    ValueError
        With all that is wrong with them.
    """
    import yaml

    content = yaml.safe_load(Path(path).read_text())
    if errors := claim_errors(content):
        raise ValueError(f"{path}: " + "; ".join(errors))
    return content["claims"]


def claim_errors(content: Mapping) -> list[str]:
    """What is wrong with the content of a file of claims, one sentence each."""
    import yaml

    errors = schema_errors(content, yaml.safe_load(SCHEMA.read_text()))
    if errors:
        return errors
    for name, claim in content["claims"].items():
        if "untestable" not in claim:
            errors += [f"claims.{name}{words}" for words in _errors_of(claim)]
    return errors


def _errors_of(claim: Mapping):
    statistic = claim["statistic"]
    if statistic in AGAINST_RIVALS and not claim.get("rivals"):
        yield f": `{statistic}` needs `rivals`."
    ranges = isinstance(claim["threshold"], Mapping)
    if statistic == "in_range" and set(claim["threshold"] if ranges else ()) != set(
        claim["datasets"]
    ):
        yield ": `in_range` needs a range for each dataset as `threshold`."
    if statistic != "in_range" and ranges:
        yield f": `{statistic}` needs a number as `threshold`."
    for metric in claim["metrics"]:
        known = METRICS.get(metric)
        if known is None and metric not in COSTS:
            yield f".metrics: {unknown_name('metric', metric, [*METRICS, *COSTS])}"
            continue
        if statistic == "leads" and not sign_of(metric) and "target" not in claim:
            yield f": `{metric}` has no better or worse: give a `target`."
        clusters = known is not None and known.needs_clusters
        if clusters and not claim.get("clusterer"):
            yield f": `{metric}` needs a `clusterer`."
        if not clusters and claim.get("clusterer"):
            yield f": `{metric}` is of no `clusterer`."
