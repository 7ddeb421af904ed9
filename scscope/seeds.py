"""Seeds for every random thing, derived from the one seed of a run."""

import hashlib


def derive_seed(seed: int, name: str) -> int:
    """Seed of one purpose ("data", "fit", "cluster"), in [0, 2**32).

    Purposes draw independent numbers although a run has one seed, and adding a purpose changes
    none of the others.

    Parameters
    ----------
    seed
        Seed of the run, a non-negative integer.
    name
        What the derived seed is for.
    """
    if seed < 0:
        raise ValueError(f"`seed` must be a non-negative integer, got {seed}.")
    digest = hashlib.sha256(f"{name}/{seed}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
