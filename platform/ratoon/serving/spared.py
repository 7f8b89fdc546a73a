"""What a server would load only because it is installed."""

import sys

import pyarrow as pa


class _Missing:
    def find_spec(self, name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not needed here", name=name)


def spare_pandas() -> None:
    """Let pyarrow find out that there is no pandas, which it looks for once, when the first array is made.

    Whoever imports pandas later gets it. It takes a third of a second and 40 MiB, for conversions that no answer needs.
    """
    if "pandas" in sys.modules:
        return
    missing = _Missing()
    sys.meta_path.insert(0, missing)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(missing)
