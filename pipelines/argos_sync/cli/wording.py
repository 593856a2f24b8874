"""Write counts as English text, and fit text to a terminal."""

import os
import sys
from contextlib import suppress
from typing import TextIO

_DEFAULT_COLUMNS = 80
_NO_BREAK = "\N{NO-BREAK SPACE}"


def counted(number: float, singular: str, plural: str | None = None) -> str:
    """Return a number with its noun, such as `1 page` or `2,000 pages`."""
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"


def fitted(text: str, stream: TextIO | None = None) -> str:
    """Return one line as several on a terminal that is narrower, and unchanged elsewhere.

    The stream is where the text will be written, by default stdout.
    """
    width = terminal_width(stream)
    if width is None:
        return text
    import re
    import textwrap

    # A number stays beside what it counts.
    joined = re.sub(r"(?<=\d) (?=\w)", _NO_BREAK, text)
    lines = textwrap.fill(joined, width, subsequent_indent="  ", break_long_words=False)
    return lines.replace(_NO_BREAK, " ")


def terminal_width(stream: TextIO | None = None) -> int | None:
    """Return the columns of a stream's terminal, by default of stdout; None if it has none."""
    stream = stream or sys.stdout
    if not stream.isatty():
        return None
    with suppress(ValueError, OSError):
        # shutil.get_terminal_size() looks at stdout only, which may be a file.
        columns = os.environ.get("COLUMNS") or os.get_terminal_size(stream.fileno()).columns
        return int(columns) or _DEFAULT_COLUMNS
    return _DEFAULT_COLUMNS
