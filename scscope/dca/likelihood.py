"""Negative log-likelihoods of counts: negative binomial, with and without additional zeros."""

import torch
from torch import Tensor
from torch.nn.functional import softplus


def negative_binomial(y: Tensor, mean: Tensor, dispersion: Tensor) -> Tensor:
    """Negative log-likelihood of counts, entry by entry (DCA's Methods, "NB" of its code).

    Parameters
    ----------
    y
        Counts, shape (n_cells, n_genes).
    mean
        Their expectation, above 0; the same shape.
    dispersion
        theta, above 0, of a variance of mean + mean² / theta; the same shape or (n_genes,).
    """
    log_ratio = torch.log(dispersion) - torch.log(mean)
    ways = torch.lgamma(dispersion) + _log_factorial(y) - torch.lgamma(y + dispersion)
    return ways + (dispersion + y) * torch.log1p(mean / dispersion) + y * log_ratio


def zero_inflated(y: Tensor, mean: Tensor, dispersion: Tensor, logit: Tensor) -> Tensor:
    """The same where an entry is zero with a further probability pi ("ZINB" of DCA's code).

    Parameters
    ----------
    y, mean, dispersion
        As above.
    logit
        log(pi / (1 - pi)), shape (n_cells, n_genes).
    """
    of_counts = negative_binomial(y, mean, dispersion)
    log_zero = -dispersion * torch.log1p(mean / dispersion)  # of the negative binomial's zero
    zero = softplus(logit) - torch.logaddexp(logit, log_zero)
    return torch.where(y == 0, zero, of_counts + softplus(logit))


@torch.no_grad()
def _log_factorial(y: Tensor) -> Tensor:
    return torch.lgamma(y + 1)
