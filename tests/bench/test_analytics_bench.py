"""The benchmark of the analytics loads its data set, measures it and prints its tables."""

import subprocess
import sys
from pathlib import Path


def test_small_data_set_is_loaded_and_measured(tmp_path: Path) -> None:
    options = ("--scale", "0.0004", "--requests", "2", "--data", str(tmp_path / "data"))
    command = (sys.executable, "-m", "bench.analytics", *options)
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "confidenceCalibration, 1 to 100 bins" in result.stdout
    assert "escalationAnalytics after a write" in result.stdout
    assert "by plain SQL" in result.stdout
