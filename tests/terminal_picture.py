"""Take the picture of a terminal for the README: `make picture`.

It runs the demo in a terminal of 80 columns, and draws what is on the screen from the last two
example queries on.
"""

import os
import sys
import tempfile
from pathlib import Path

from cli.command import EXECUTABLE
from terminal import Terminal


def main(picture: Path) -> None:
    """Write the picture as SVG."""
    terminal = Terminal(columns=80, lines=120)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{EXECUTABLE.parent}{os.pathsep}{os.environ['PATH']}"
        code = terminal.run([EXECUTABLE, "demo"], Path(folder), {"PATH": path, "HOME": folder})
    assert code == 0, terminal.screen
    queries = [number for number, line in enumerate(terminal.screen) if line.startswith("-- ")]
    picture.write_text(terminal.svg("argos-sync demo", queries[-2]), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
