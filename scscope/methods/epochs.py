"""Which settings give every fit of a trained method the same number of epochs."""


def epochs_not_fixed(entry: dict) -> str:
    """Why an entry's fits may differ in length for another reason than speed; empty if they do not.

    Parameters
    ----------
    entry
        Of a registered method, as in the config.
    """
    wrong = EARLY_ENDS.get(entry.get("use"))
    if wrong is None:
        return ""
    params = entry.get("params", {})
    if words := wrong(params):
        return f"every fit must train for the same number of epochs: set {words}"
    return "" if "max_epochs" in params else "the number of epochs must be set: `max_epochs`"


def _of_scscope(params: dict) -> str:
    may_end = params.get("stopping", "change") != "change" or params.get("tolerance") != 0
    return "`tolerance: 0`" if may_end else ""


def _of_dca(params: dict) -> str:
    # The first epoch always gains, so that at most `max_epochs` - 1 pass without.
    most = params.get("max_epochs", float("inf"))
    return (
        "" if params.get("stop_after", 0) >= most else "`stop_after` to no less than `max_epochs`"
    )


def _of_scvi(params: dict) -> str:
    return "`early_stopping: false`" if params.get("early_stopping") else ""


# Method -> what to set so that nothing but `max_epochs` ends its training; "" if it is set.
EARLY_ENDS = {"scscope": _of_scscope, "ae": _of_scscope, "dca": _of_dca, "scvi": _of_scvi}
