"""What a server does not load."""

import subprocess
import sys

SPARED = """
import sys
import numpy as np
import pyarrow as pa
from ratoon.serving.spared import spare_pandas

spare_pandas()
rows = pa.table({"number": pa.array(np.arange(3)), "text": ["a", "b", "c"]})
print(rows.to_pylist()[1], rows.column("number").to_numpy().sum(), "pandas" in sys.modules)
import pandas
print(pandas.Series([1, 2]).sum())
"""


def test_arrays_are_made_without_pandas() -> None:
    """Spared, pandas is not loaded with the first array, arrays are as always, and who imports pandas has it."""
    path = f"import sys\nsys.path[:] = {sys.path!r}\n"
    found = subprocess.run([sys.executable, "-c", path + SPARED], capture_output=True, text=True, check=False)
    assert found.stdout.splitlines() == ["{'number': 1, 'text': 'b'} 3 False", "3"], found.stderr
