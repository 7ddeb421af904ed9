"""Counts of the Splat model, entry by entry, compiled by numba when first used.

Every sampler is exact up to the rounding of doubles. Random words are those of xoshiro256++ (Blackman
and Vigna, ACM Trans. Math. Softw. 47:36, 2021), whose state a caller derives from seed, step and block.
"""

import math
from functools import partial

import numpy as np
from numba import njit


def compiled(function, **options):
    """Compile a function when it is first called, and keep that beside this file or in the user's cache."""
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        return njit(function, cache=True, **options)
    except RuntimeError:  # neither place can be written
        return njit(function, **options)


# Calls would cost more than the samplers do.
inlined = partial(compiled, forceinline=True)

# Expected counts below which counts are drawn by inversion, which takes time in proportion to them.
INVERTED_BELOW = 12.0
# Probability beyond the mean below which inversion stops: less than what doubles resolve.
NEGLIGIBLE = 1e-20


def log_factorials(n: int) -> np.ndarray:
    """Logarithms of the factorials of 0 to n - 1, shape (n,)."""
    return np.array([math.lgamma(k + 1) for k in range(n)])


def ziggurat(n: int, start: float, area: float) -> tuple[np.ndarray, np.ndarray]:
    """Right edges of n layers of equal area under exp(-x^2 / 2), (n + 1,), and ratios of neighbours.

    Marsaglia and Tsang, J. Stat. Softw. 5(8), 2000, in the form of Doornik, 2005.
    """
    edge = np.zeros(n + 1)
    edge[0], edge[1] = area / math.exp(-(start**2) / 2), start
    for i in range(2, n):
        height = area / edge[i - 1] + math.exp(-(edge[i - 1] ** 2) / 2)
        edge[i] = math.sqrt(-2 * math.log(height))
    return edge, edge[1:] / edge[:-1]


LOG_FACTORIAL = log_factorials(256)
TAIL = 3.442619855899
EDGE, RATIO = ziggurat(128, TAIL, 9.91256303526217e-3)


@inlined
def word(state):
    """64 random bits, and the next of the states, which are 4 words each."""
    a, b, c, d = state
    total = a + d
    bits = ((total << np.uint64(23)) | (total >> np.uint64(41))) + a
    shifted = b << np.uint64(17)
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << np.uint64(45)) | (d >> np.uint64(19))
    return bits, (a, b, c, d)


@inlined
def unit(bits):
    """The upper 53 of 64 bits as a number in [0, 1)."""
    return np.int64(bits >> np.uint64(11)) * 2.0**-53


@inlined
def uniform(state):
    """Uniform in [0, 1)."""
    bits, state = word(state)
    return unit(bits), state


@inlined
def normal(state):
    """Standard normal, by the ziggurat."""
    while True:
        bits, state = word(state)
        layer = bits & np.uint64(127)  # not among the bits of u
        u = 2 * unit(bits) - 1
        if abs(u) < RATIO[layer]:
            return u * EDGE[layer], state
        accepted, x, state = normal_outside(state, np.int64(layer), u)
        if accepted:
            return x, state


@compiled
def normal_outside(state, layer, u):
    """Whether a draw outside of the rectangle of its layer is accepted, and the number."""
    if layer == 0:
        while True:
            first, state = uniform(state)
            second, state = uniform(state)
            x = math.log(1 - first) / TAIL
            if -2 * math.log(1 - second) >= x * x:
                return True, x - TAIL if u < 0 else TAIL - x, state
    x = u * EDGE[layer]
    upper = math.exp((x * x - EDGE[layer] ** 2) / 2)
    lower = math.exp((x * x - EDGE[layer + 1] ** 2) / 2)
    height, state = uniform(state)
    return lower + height * (upper - lower) < 1, x, state


@inlined
def gamma_from_one(state, shape):
    """Gamma with scale 1 and a shape from 1; Marsaglia and Tsang, ACM Trans. Math. Softw. 26:363, 2000."""
    d = shape - 1 / 3
    c = 1 / math.sqrt(9 * d)
    while True:
        x, state = normal(state)
        v = 1 + c * x
        if v > 0:
            v = v * v * v
            u, state = uniform(state)
            if u < 1 - 0.0331 * (x * x) * (x * x):
                return d * v, state
            if math.log(u) < x * x / 2 + d * (1 - v + math.log(v)):
                return d * v, state


@inlined
def gamma(state, shape):
    """Gamma with scale 1."""
    if shape >= 1:
        return gamma_from_one(state, shape)
    u, state = uniform(state)
    value, state = gamma_from_one(state, shape + 1)
    return value * u ** (1 / shape), state


@compiled
def log_factorial(k):
    """Logarithm of the factorial of a whole number."""
    if k < 256:
        return LOG_FACTORIAL[np.int64(k)]
    n = k + 1
    return (n - 0.5) * math.log(n) - n + 0.9189385332046727 + (1 - 1 / (30 * n * n)) / (12 * n)


@inlined
def poisson(state, mean):
    """Poisson, as float: by inversion, or by PTRS of Hörmann, Insur. Math. Econ. 12:39, 1993."""
    if mean < INVERTED_BELOW:
        return poisson_inverted(state, mean)
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    while True:
        u, state = uniform(state)
        v, state = uniform(state)
        u -= 0.5
        near = 0.5 - abs(u) + 2.0**-60  # never 0
        k = np.floor((2 * a / near + b) * u + mean + 0.43)
        if near >= 0.07 and (v - 0.9277) * (b - 2) <= -3.6224:
            return k, state
        if k >= 0 and (near >= 0.013 or v <= near):
            square = near * near
            height = v * square * (1.1239 + 1.1328 / (b - 3.4)) / (a + b * square)
            if math.log(height) <= k * math.log(mean) - mean - log_factorial(k):
                return k, state


@inlined
def poisson_inverted(state, mean):
    """Poisson, as float, in a time that grows with the mean."""
    u, state = uniform(state)
    p, k = math.exp(-mean), 0.0
    while u > p and (p > NEGLIGIBLE or k < mean):
        u -= p
        k += 1
        p *= mean / k
    return k, state


@inlined
def negative_binomial(state, shape, scale):
    """Poisson with a mean that is gamma with `shape` and `scale`, by inversion; as float."""
    u, state = uniform(state)
    p, k = math.exp(-shape * math.log1p(scale)), 0.0
    ratio, mean = scale / (1 + scale), shape * scale
    while u > p and (p > NEGLIGIBLE or k < mean):
        u -= p
        p *= ratio * (shape + k) / (k + 1)
        k += 1
    return k, state


@inlined
def drops(state, mean, mid, slope):
    """Whether a count with this mean drops out: with probability expit(slope (log(mean) - mid))."""
    u, state = uniform(state)
    if slope == -1:  # the default, without a logarithm
        return u * (1 + mean * math.exp(-mid)) < 1, state
    return u * (1 + math.exp(-slope * (math.log(mean) - mid))) < 1, state


@compiled
def draw_rows(profile, kind, library, common, spread, has_dropout, mid, slope, counting, dropping):
    """Counts of some cells before and after dropout.

    The mean of an entry is gamma around its expectation b, with standard deviation
    b (common + 1 / sqrt(b)) sqrt(spread), and its count is Poisson. Small counts are drawn without their
    mean, as negative binomial, and the mean given the count where dropout needs it.

    Parameters
    ----------
    profile
        Share of each gene in the expression of each kind of cell, shape (n_kinds, n_genes).
    kind, library
        Kind and expected library size of each cell, shape (n_cells,).
    common, spread
        Variation that genes share, and factor on the squared variation of each, shape (n_genes,).
    has_dropout
        Whether there is dropout; if not, both results are the same.
    mid, slope
        Midpoint and slope of the dropout curve of each cell, shape (n_cells,).
    counting, dropping
        States of the random streams of the counts and of the dropout, 4 words of type uint64 each.

    Returns
    -------
    tuple
        Data, indices and starts of rows, as in CSR, of the true counts, and the same of the observed ones.
        Of data and indices, as much is filled as the starts say.
    """
    n_cells, n_genes = len(kind), profile.shape[1]
    size = n_cells * n_genes
    true, true_gene = np.empty(size, np.float32), np.empty(size, np.int32)
    seen_size = size if has_dropout else 0
    seen, seen_gene = np.empty(seen_size, np.float32), np.empty(seen_size, np.int32)
    true_start, seen_start = np.zeros(n_cells + 1, np.int32), np.zeros(n_cells + 1, np.int32)
    n_true = n_seen = 0
    for cell in range(n_cells):
        row, total = profile[kind[cell]], library[cell]
        for gene in range(n_genes):
            expected = row[gene] * total
            root = common * math.sqrt(expected) + 1
            scale = root * root * spread[gene]
            shape, mean = expected / scale, -1.0
            if expected < INVERTED_BELOW:
                count, counting = negative_binomial(counting, shape, scale)
            else:
                mean, counting = gamma(counting, shape)
                mean *= scale
                count, counting = poisson(counting, mean)
            if count == 0:
                continue
            true[n_true], true_gene[n_true] = count, gene
            n_true += 1
            if has_dropout:
                if mean < 0:
                    mean, dropping = gamma(dropping, shape + count)
                    mean *= scale / (1 + scale)
                dropped, dropping = drops(dropping, mean, mid[cell], slope[cell])
                if not dropped:
                    seen[n_seen], seen_gene[n_seen] = count, gene
                    n_seen += 1
        true_start[cell + 1], seen_start[cell + 1] = n_true, n_seen
    return (true, true_gene, true_start), (seen, seen_gene, seen_start)
