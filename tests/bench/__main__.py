"""Runs benchmarks: ``make bench`` for all, ``make bench ARGS="recorder engine"`` for some.

Each prints one line of JSON with medians. They compare within one run: the machine's speed and
what else it does matter less then.
"""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = sorted(path.stem[6:] for path in Path(__file__).parent.glob("bench_*.py"))


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        print(f"No benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}.")
        return 2
    codes = [
        subprocess.run([sys.executable, "-m", f"tests.bench.bench_{name}"], check=False).returncode
        for name in names or BENCHMARKS
    ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
