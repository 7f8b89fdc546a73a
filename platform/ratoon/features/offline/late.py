"""Which row had arrived: for the few labels whose newest row was not known yet, the newest one that was."""

import numpy as np

LAST = np.iinfo(np.int64).max


def newest_known(created: np.ndarray, start: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """For each i the greatest j <= start[i] with created[j] <= limit[i], or -1.

    Climbs and descends a tree of minima: about 2 log2(n) steps over the unanswered, whatever lies between, and 2 n
    integers of memory, also where everything arrived late.

    Args:
        created: int64[n] arrivals, in the order in which rows are preferred.
        start, limit: int64[m].
    """
    tree, offsets = _minima(created)
    answer = np.full(len(start), -1)
    asked, node = np.arange(len(start)), start.astype(np.int64)
    level = np.zeros(len(start), np.int64)
    while len(asked):
        fits = tree[offsets[level] + node] <= limit[asked]
        if fits.any():
            answer[asked[fits]] = _descend(tree, offsets, node[fits], level[fits], limit[asked[fits]])
        alive = ~fits & (node > 0)
        asked, node, level = asked[alive], node[alive] - 1, level[alive]
        # A right child whose left sibling is also still to be asked is asked through its parent.
        odd = (node & 1 == 1) & (level < len(offsets) - 1)
        node, level = np.where(odd, node >> 1, node), level + odd
    return answer


def _minima(created: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    levels = [created]
    while len(levels[-1]) > 1:
        below = levels[-1]
        below = np.append(below, LAST) if len(below) % 2 else below
        levels.append(np.minimum(below[::2], below[1::2]))
    offsets = np.cumsum([0, *(len(one) for one in levels[:-1])])
    return np.concatenate(levels), offsets


def _descend(tree: np.ndarray, offsets: np.ndarray, node: np.ndarray, level: np.ndarray, limit: np.ndarray) -> np.ndarray:
    node, level = node.copy(), level.copy()
    while (inner := level > 0).any():
        level[inner] -= 1
        right = 2 * node[inner] + 1
        # The right child may lie beyond the end of an odd level; the left one always exists.
        sizes = np.append(offsets[1:], len(tree)) - offsets
        exists = right < sizes[level[inner]]
        value = np.where(exists, tree[np.where(exists, offsets[level[inner]] + right, 0)], LAST)
        node[inner] = np.where(exists & (value <= limit[inner]), right, right - 1)
    return node
