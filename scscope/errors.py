"""The ways in which a fit may end that are results and not faults of the program."""


class Diverged(RuntimeError):
    """Training or its result left the finite numbers."""


class NotApplicable(RuntimeError):
    """The method cannot take this dataset, for instance counts are needed and there are none."""
