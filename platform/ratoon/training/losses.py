"""What a batch of user and item vectors is taught, as pure functions of tensors.

Where rows have weights, the mean over rows is the weighted one: the sum of weight times loss over the sum of weights. Without
them every row counts the same.
"""

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


def softmax_loss(
    users: Tensor,
    items: Tensor,
    wanted: Tensor,
    candidates: Tensor,
    log_q: Tensor,
    temperature: float,
    weight: Tensor | None = None,
) -> Tensor:
    """Sampled softmax with the logQ correction of Yi et al. (RecSys 2019, doi:10.1145/3298689.3346996); a scalar, in nats.

    Args:
        users: shape (batch, dim).
        items: candidate vectors; the first `batch` of them are the users' own items, in order; shape (candidates, dim).
        wanted: identity of each user's own item; shape (batch,).
        candidates: identity of each candidate. Elsewhere in a row, a candidate that is the row's own item is not a negative.
        log_q: logarithm of how often each candidate is drawn; shape (candidates,).
        weight: of each row, above 0; shape (batch,).
    """
    own, hits = _own(wanted, candidates)
    logits = (users @ items.T / temperature - log_q).masked_fill(hits, NEVER)
    if weight is None:
        return functional.cross_entropy(logits, own)
    return _mean(functional.cross_entropy(logits, own, reduction="none"), weight)


def imitation_loss(
    users: Tensor,
    items: Tensor,
    told: tuple[Tensor, Tensor],
    wanted: Tensor,
    candidates: Tensor,
    log_q: Tensor,
    temperature: float,
    weight: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of a step's sampled softmax against that of teachers (Hinton et al. 2015, arXiv:1503.02531); in nats.

    Args:
        told: what teachers see of the users and of the candidates; the inner product is their logit. Shapes (batch, width) and
            (candidates, width).
        users, items, wanted, candidates, log_q, temperature, weight: as in `softmax_loss`.
    """
    _, hits = _own(wanted, candidates)
    logits = (users @ items.T / temperature - log_q).masked_fill(hits, NEVER)
    target = torch.softmax((told[0] @ told[1].T - log_q).masked_fill(hits, NEVER), dim=1)
    losses = -(target * torch.log_softmax(logits, dim=1)).sum(1)
    return losses.mean() if weight is None else _mean(losses, weight)


def gain(users: Tensor, items: Tensor, wanted: Tensor, candidates: Tensor, weight: Tensor | None = None) -> Tensor:
    """How well users' own items are ranked among the candidates, below ties: the mean of 1 / log2(2 + rank), from 0 to 1.

    That is the discounted gain of Järvelin and Kekäläinen (2002) for one relevant item. Most candidates are as popular as what
    was wanted, being other users' items, so it is taste that is measured, and not what popularity says without any tower.

    Args:
        users, items, wanted, candidates, weight: as in `softmax_loss`.
    """
    scores = users @ items.T
    above = (scores >= scores.diagonal()[:, None]) & (wanted[:, None] != candidates[None, :])
    gains = 1 / torch.log2(2.0 + above.sum(1))
    return gains.mean() if weight is None else _mean(gains, weight)


def bce_loss(
    users: Tensor, items: Tensor, clicked: Tensor, wanted: Tensor, candidates: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Binary cross-entropy of clicks; a scalar, in nats: the mean over observed pairs plus the mean over drawn ones.

    Args:
        users: shape (batch, dim).
        items: the observed pairs' items in order, then the draws; shape (batch + draws, dim).
        clicked: 1 or 0 for each observed pair; shape (batch,).
        wanted, candidates: identities, as in `softmax_loss`; a drawn item that is the row's own is left out.
        weight: of each observed pair, and of the draws beside it; above 0, shape (batch,).
    """
    size = len(users)
    scores = (users * items[:size]).sum(1)
    drawn = (wanted[:, None] != candidates[None, size:]).float()
    if weight is None:
        observed = functional.binary_cross_entropy_with_logits(scores, clicked)
    else:
        observed = _mean(functional.binary_cross_entropy_with_logits(scores, clicked, reduction="none"), weight)
        drawn = drawn * weight[:, None]
    unclicked = functional.softplus(users @ items[size:].T)
    return observed + (unclicked * drawn).sum() / drawn.sum().clamp_min(torch.finfo(drawn.dtype).tiny)


def mse_loss(users: Tensor, items: Tensor, value: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean squared error of the inner products against `value`; a scalar.

    Args:
        users, items: shape (batch, dim).
        value: shape (batch,).
        weight: of each pair, above 0; shape (batch,).
    """
    scores = (users * items).sum(1)
    if weight is None:
        return functional.mse_loss(scores, value)
    return _mean(functional.mse_loss(scores, value, reduction="none"), weight)


def _own(wanted: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """Where each row's own item stands, shape (batch,), and where else it does, shape (batch, candidates)."""
    own = torch.arange(len(wanted), device=wanted.device)
    hits = wanted[:, None] == candidates[None, :]
    hits[own, own] = False
    return own, hits


def _mean(losses: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean; a scalar. Both have shape (batch,)."""
    return (losses * weight).sum() / weight.sum()
