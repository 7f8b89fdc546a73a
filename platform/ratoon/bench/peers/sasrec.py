"""SASRec (Kang and McAuley 2018, arXiv:1808.09781) on the same walk, where it fits in the time.

    python sasrec.py WORLD.npz ANSWERS.npz CPU_SECONDS

WORLD is what `baselines.py` reads, and `retrained`: the slices, from 1, before which it learns again. It is taught on the
history until the newest twentieth of it is predicted no better, and goes on from there with a few passes over everything at
each retraining. ANSWERS: `ranks`, as `baselines.py` has them; items it was not taught come last. The last line says CPU
seconds, and under `missing` why there are no answers: it stops where the next pass would not fit into CPU_SECONDS.

As in the paper: two blocks of one head, 64 wide, the newest 50 items, dropout, shared item embeddings. Not as in the paper: a
softmax over the wanted item and 256 uniform draws in place of one draw, for that is much the stronger loss (Petrov and
Macdonald 2023, arXiv:2308.07192); and a first token for whoever has no item yet.
"""

import json
import sys
import time

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Ints = npt.NDArray[np.int64]

WIDTH, BLOCKS, LENGTH, DROPOUT = 64, 2, 50, 0.2
STEPS, TOKENS_LEAST, DRAWS, RATE = 100, 512, 256, 1e-3
PASSES, PATIENCE, AGAIN, HELD, HELD_MOST = 40, 4, 3, 0.05, 1_000
STARTED = time.process_time()


class NoTime(Exception):
    """The next pass would not fit."""


class Model(nn.Module):
    """Scores for what comes next. Token 0 is nothing, token 1 the beginning, item i is token i + 2."""

    def __init__(self, items: int) -> None:
        super().__init__()
        self.items = nn.Embedding(items + 2, WIDTH, padding_idx=0)
        self.places = nn.Embedding(LENGTH, WIDTH)
        for table in (self.items, self.places):
            nn.init.normal_(table.weight, std=0.02)
        layer = nn.TransformerEncoderLayer(WIDTH, 1, WIDTH, DROPOUT, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, BLOCKS, nn.LayerNorm(WIDTH), enable_nested_tensor=False)
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, tokens: Tensor) -> Tensor:
        """States after each token; shape (n, length, WIDTH)."""
        length = tokens.shape[1]
        states = self.drop(self.items(tokens) * WIDTH**0.5 + self.places(torch.arange(length)))
        later = torch.triu(torch.ones(length, length, dtype=torch.bool), diagonal=1)
        blocks: Tensor = self.blocks(states, mask=later)
        return blocks


def in_order(items: Ints) -> Ints:
    """Codes by first sight."""
    _, first, place = np.unique(items, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[place], np.int64)


class Histories:
    """Each user's items, in order of time."""

    def __init__(self, users: Ints, items: Ints) -> None:
        self.users, self.items = users, items
        self.order = np.argsort(users, kind="stable")
        self.begins = np.searchsorted(users[self.order], np.arange(int(users.max()) + 2))

    def before(self, user: int, place: int) -> Ints:
        """What a user had before an interaction, oldest first."""
        own = self.order[self.begins[user] : self.begins[user + 1]]
        return self.items[own[: np.searchsorted(own, place)]]

    def windows(self, since: int, until: int) -> list[Ints]:
        """Tokens of up to LENGTH + 1 for all users with an item in since <= place < until, none of them later."""
        found: list[Ints] = []
        for user in np.unique(self.users[since:until]).tolist():
            tokens = np.append(1, self.before(user, until) + 2)
            found += [tokens[max(0, end - LENGTH - 1) : end] for end in range(len(tokens), 1, -LENGTH)]
        return found


class Teacher:
    """A model and its optimiser, within a budget of CPU seconds."""

    def __init__(self, items: int, budget: float) -> None:
        self.model, self.budget, self.longest = Model(items), budget, 0.0
        self.optimiser = torch.optim.Adam(self.model.parameters(), RATE, betas=(0.9, 0.98))
        self.random = np.random.default_rng(0)

    def taught(self, windows: list[Ints], catalogue: int) -> None:
        """One pass; NoTime before it if one as long as the longest so far would not fit."""
        begun = time.process_time()
        if begun - STARTED + self.longest > self.budget:
            raise NoTime
        self.model.train()
        for batch in self._batches(windows):
            self.optimiser.zero_grad()
            self._loss(padded(batch), catalogue).backward()
            self.optimiser.step()
            if time.process_time() - STARTED > self.budget:
                raise NoTime
        self.longest = max(self.longest, time.process_time() - begun)

    def _batches(self, windows: list[Ints]) -> list[list[Ints]]:
        """Windows of about one length together, in a new order, in about STEPS batches if none is to be very small."""
        lengths = np.array([len(window) for window in windows])
        most = max(TOKENS_LEAST, int(lengths.sum()) // STEPS)
        found: list[list[Ints]] = [[]]
        for place in np.lexsort((self.random.random(len(windows)), lengths)).tolist():
            if found[-1] and (len(found[-1]) + 1) * lengths[place] > most:
                found.append([])
            found[-1].append(windows[place])
        return [found[place] for place in self.random.permutation(len(found)).tolist()]

    def _loss(self, tokens: Tensor, catalogue: int) -> Tensor:
        given, wanted = tokens[:, :-1], tokens[:, 1:]
        real = wanted > 0
        states, right = self.model(given)[real], wanted[real]
        drawn = torch.from_numpy(self.random.integers(2, catalogue + 2, DRAWS))
        others = states @ self.model.items(drawn).T
        others = others.masked_fill(drawn[None, :] == right[:, None], -torch.inf)
        own = (states * self.model.items(right)).sum(1, keepdim=True)
        return nn.functional.cross_entropy(torch.cat([own, others], 1), torch.zeros(len(right), dtype=torch.int64))

    @torch.no_grad()
    def ranks(self, had: list[Ints], wanted: Ints, taught: npt.NDArray[np.bool_], mask: bool) -> Ints:
        """The rank from 0 of each wanted item; what was not taught comes last, in order of first sight."""
        self.model.eval()
        found, weights = [], self.model.items.weight[2 : len(taught) + 2].T
        never = torch.from_numpy(~taught)
        for first in range(0, len(had), 256):
            rows = [np.append(1, items + 2)[-LENGTH:] for items in had[first : first + 256]]
            ends = torch.tensor([len(row) - 1 for row in rows])
            scores = self.model(padded(rows))[torch.arange(len(rows)), ends] @ weights
            scores[:, never] = -1e30
            for row, items in enumerate(had[first : first + 256]):
                if mask:
                    scores[row, torch.from_numpy(items)] = -torch.inf
                own = int(wanted[first + row])
                found.append(int((scores[row] > scores[row, own]).sum() + (scores[row, :own] == scores[row, own]).sum()))
        return np.array(found, np.int64)


def padded(rows: list[Ints]) -> Tensor:
    """Rows of tokens as one tensor, zeros after the shorter ones."""
    return nn.utils.rnn.pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True)


def first_taught(teacher: Teacher, histories: Histories, until: int, catalogue: int, mask: bool) -> None:
    """Teach the history until its newest part is predicted no better, keep the best weights, then teach that part."""
    since = int(until * (1 - HELD))
    windows = histories.windows(0, since)
    places = np.unique(np.linspace(since, until - 1, min(HELD_MOST, until - since)).astype(int))
    users, items = histories.users, histories.items
    had = [histories.before(int(users[place]), place) for place in places.tolist()]
    known = np.arange(catalogue) < int(items[:since].max()) + 1
    best, left, weights = -1.0, PATIENCE, teacher.model.state_dict()
    for _ in range(PASSES):
        teacher.taught(windows, int(known.sum()))
        hits = float((teacher.ranks(had, items[places], known, mask) < LENGTH).mean())
        sys.stderr.write(f"{time.process_time() - STARTED:.0f} CPU s: {hits:.4f} of the newest part\n")
        if hits > best:
            best, left, weights = hits, PATIENCE, {name: value.clone() for name, value in teacher.model.state_dict().items()}
        elif (left := left - 1) < 0:
            break
    teacher.model.load_state_dict(weights)
    again(teacher, histories, until, catalogue)


def again(teacher: Teacher, histories: Histories, until: int, catalogue: int) -> None:
    """A few passes over everything before an interaction."""
    windows = histories.windows(0, until)
    for _ in range(AGAIN):
        teacher.taught(windows, catalogue)


def walk(world: dict[str, Ints], budget: float) -> Ints:
    """The ranks of all questions."""
    users, items, asked, mask = world["users"], in_order(world["items"]), world["asked"], bool(world["mask"])
    histories, found, retrained = Histories(users, items), [], set(world["retrained"].tolist())
    teacher = Teacher(int(items.max()) + 1, budget)
    catalogue = 0
    for number, (start, stop) in enumerate(zip(world["starts"].tolist(), world["stops"].tolist(), strict=True), 1):
        if number == 1 or number in retrained:
            catalogue = int(items[:start].max()) + 1
        if number == 1:
            first_taught(teacher, histories, start, catalogue, mask)
        elif number in retrained:
            again(teacher, histories, start, catalogue)
        here = asked[(asked >= start) & (asked < stop)]
        had = [histories.before(int(users[place]), place) for place in here.tolist()]
        taught = np.arange(int(items[:stop].max()) + 1) < catalogue
        found.append(teacher.ranks(had, items[here], taught, mask))
    return np.concatenate(found)


def main(source: str, target: str, budget: str) -> None:
    """Read a world, write the ranks, say how long it took or why not."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with np.load(source) as stored:
        world = {name: stored[name] for name in stored.files}
    missing = ""
    try:
        np.savez(target, ranks=walk(world, float(budget)))
    except NoTime:
        missing = f"does not fit into {float(budget):,.0f} CPU s"
    sys.stdout.write(json.dumps({"seconds": time.process_time() - STARTED, "missing": missing}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
