"""Reading a text file needs neither a heavy library nor a room that only Linux has."""

import subprocess
import sys


def test_reading_a_text_file_loads_no_heavy_library_and_no_other_room(tmp_path):
    (tmp_path / "data.csv").write_text("a,y\n1,no\n2,yes\n")
    code = """
import sys
from llm_erm.tables.reading import load
load("data.csv", "y")
rooms = {name.split(".")[1] for name in sys.modules if name.startswith("llm_erm.")}
print(*sorted(rooms), *sorted({"pandas", "narwhals", "pyarrow", "numba"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["advice", "errors", "phrases", "secrets", "tables", "version"]
