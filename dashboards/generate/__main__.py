"""`python -m dashboards.generate`: write the dashboards, what docs/dashboards.md says of them, and the containers' job
that reads nodes. With `--check`, only say whether the files are up to date.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dashboards.generate.all import BOARDS, rendered
from dashboards.generate.page import with_job, with_tables

ROOT = Path(__file__).parents[2]
PAGE = Path("docs") / "dashboards.md"
CONFIGURATION = Path("docker") / "prometheus" / "prometheus.yml"


def main(arguments: list[str], root: Path = ROOT) -> int:
    """0 when done, or when nothing differs; 1 when `--check` finds a file that is not as generated."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 when a file differs")
    check: bool = parser.parse_args(arguments).check
    wanted = {Path("dashboards") / name: text for name, text in rendered().items()}
    wanted[PAGE] = with_tables((root / PAGE).read_text("utf-8"), BOARDS.values())
    wanted[CONFIGURATION] = with_job((root / CONFIGURATION).read_text("utf-8"))
    stale = []
    for name, text in wanted.items():
        path = root / name
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(str(name))
        if not check:
            path.write_text(text, "utf-8")
    if check and stale:
        sys.stderr.write(f"not as generated: {', '.join(stale)}; run python -m dashboards.generate\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
