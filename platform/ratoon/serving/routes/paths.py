"""Paths that hold ids, which may hold anything."""

from starlette.convertors import Convertor, register_url_convertor


class AnyText(Convertor[str]):
    """A part of a path, whatever it holds; Starlette's own `path` stops at a line break."""

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        """The text as it is."""
        return value

    def to_string(self, value: str) -> str:
        """The text as it is."""
        return value


class ItemId(AnyText):
    """An item's id; not what ends in `/similar`, which asks for something of an item."""

    regex = r"(?![\s\S]*/similar\Z)[\s\S]+"


def register() -> None:
    """Let routes say `{name:any}` and `{name:item}`."""
    register_url_convertor("any", AnyText())
    register_url_convertor("item", ItemId())
