"""Tags of entities and fields that hold a number or a span of time."""

from collections.abc import Mapping

from ratoon.domain.duration import seconds
from ratoon.domain.errors import DataError

ADMIT_TAG, EVICT_TAG = "ratoon.admit", "ratoon.evict"


def whole(stated: str, tag: str, where: str) -> int:
    """The number above 0 that a tag of `where` states.

    Raises:
        DataError: it states none.
    """
    if stated.isdecimal() and int(stated) > 0:
        return int(stated)
    raise DataError(
        f"tag {tag} of {where}",
        expected="a whole number above 0",
        found=repr(stated),
        fix="Correct the tag in feature_repo/.",
    )


def admission(tags: Mapping[str, str], where: str, *, has_rows: bool = True) -> tuple[int, int]:
    """`admit` and `evict` of a `Feature`, 0 unless tags state one of them: a value that can lose its row has to earn it.

    Args:
        has_rows: whether the values have learned rows of their own in a vocabulary of their own.

    Raises:
        DataError: a tag states something else, or is of no use here.
    """
    stated = {tag: tags[tag] for tag in (ADMIT_TAG, EVICT_TAG) if tag in tags}
    if stated and not has_rows:
        raise DataError(
            f"tags of {where}",
            expected=f"{ADMIT_TAG} and {EVICT_TAG} on entities, categories and lists of ids only",
            found=", ".join(f"{tag} = {said}" for tag, said in stated.items()),
            fix="Take them away in feature_repo/; histories and attention follow the entity of items.",
        )
    if not stated:
        return 0, 0
    return whole(stated.get(ADMIT_TAG, "1"), ADMIT_TAG, where), _span(stated.get(EVICT_TAG), where)


def _span(stated: str | None, where: str) -> int:
    """Whole seconds; 0 if nothing is stated."""
    if stated is None:
        return 0
    if span := int(seconds(stated) or 0):
        return span
    raise DataError(
        f"tag {EVICT_TAG} of {where}",
        expected="a span of time of at least a second, such as 90 d or 12 h",
        found=repr(stated),
        fix="Correct the tag in feature_repo/.",
    )
