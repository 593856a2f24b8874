"""Write counts as English text, and fit text to a terminal."""

import shutil
import sys


def counted(number: float, singular: str, plural: str | None = None) -> str:
    """Return a number with its noun, such as `1 page` or `2,000 pages`."""
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"


def fitted(text: str) -> str:
    """Return one line as several on a terminal that is narrower, and unchanged elsewhere."""
    if not sys.stdout.isatty():
        return text
    import textwrap

    width = shutil.get_terminal_size().columns
    return textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False)
