"""What a batch of user and item vectors is taught, as pure functions of tensors."""

import torch
from torch import Tensor
from torch.nn import functional

NEVER = -1e9
"""A masked logit: finite, so that a row without any negative still has a finite loss and gradient."""


def log_mixture(share: Tensor, batch: int, draws: int, catalogue: int) -> Tensor:
    """How often each candidate is expected among a step's candidates, as a logarithm.

    The mixed negative sampling of Yang et al. (WWW 2020, doi:10.1145/3366424.3386195): `batch` items that come as often as
    they are interacted with, and `draws` items that come uniformly from the catalogue.

    Args:
        share: each candidate's share of the interactions; shape (candidates,).
        batch: interactions in the batch.
        draws: uniform draws.
        catalogue: items that are drawn from.
    """
    return torch.log((share * batch + draws / max(catalogue, 1)).clamp_min(1e-12))


def softmax_loss(users: Tensor, items: Tensor, wanted: Tensor, candidates: Tensor, log_q: Tensor, temperature: float) -> Tensor:
    """Sampled softmax with the logQ correction of Yi et al. (RecSys 2019, doi:10.1145/3298689.3346996); a scalar, in nats.

    Args:
        users: shape (batch, dim).
        items: candidate vectors; the first `batch` of them are the users' own items, in order; shape (candidates, dim).
        wanted: identity of each user's own item; shape (batch,).
        candidates: identity of each candidate. Elsewhere in a row, a candidate that is the row's own item is not a negative.
        log_q: logarithm of how often each candidate is drawn; shape (candidates,).
    """
    logits = users @ items.T / temperature - log_q
    own = torch.arange(len(users), device=users.device)
    hits = wanted[:, None] == candidates[None, :]
    hits[own, own] = False
    return functional.cross_entropy(logits.masked_fill(hits, NEVER), own)


def bce_loss(users: Tensor, items: Tensor, clicked: Tensor, wanted: Tensor, candidates: Tensor) -> Tensor:
    """Binary cross-entropy of clicks; a scalar, in nats: the mean over observed pairs plus the mean over drawn ones.

    Args:
        users: shape (batch, dim).
        items: the observed pairs' items in order, then the draws; shape (batch + draws, dim).
        clicked: 1 or 0 for each observed pair; shape (batch,).
        wanted, candidates: identities, as in `softmax_loss`; a drawn item that is the row's own is left out.
    """
    size = len(users)
    observed = functional.binary_cross_entropy_with_logits((users * items[:size]).sum(1), clicked)
    drawn = (wanted[:, None] != candidates[None, size:]).float()
    unclicked = functional.softplus(users @ items[size:].T)
    return observed + (unclicked * drawn).sum() / drawn.sum().clamp_min(1.0)


def mse_loss(users: Tensor, items: Tensor, value: Tensor) -> Tensor:
    """Mean squared error of the inner products against `value`; a scalar. Shapes (batch, dim), (batch, dim), (batch,)."""
    return functional.mse_loss((users * items).sum(1), value)
