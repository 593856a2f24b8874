"""Run a command in a terminal of its own, read its screen, and draw it."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from select import select
from typing import Any

import pyte
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

TIMEOUT_SECONDS = 60
"""The longest that a command may write nothing; then it is ended."""

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_FONT_FACE = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)
SVG_FORMAT = _FONT_FACE.sub("", CONSOLE_SVG_FORMAT)
"""rich's picture of a terminal, without the fonts that it would load from the web."""


@dataclass
class Terminal:
    """A terminal: what programs write to it is on its screen.

    Attributes:
        columns: Width in characters.
        lines: Height in characters; what is above cannot be read any more.
        output: Everything that was written, control sequences included.
    """

    columns: int = 80
    lines: int = 24
    output: str = ""
    _screen: Any = field(init=False)
    _stream: Any = field(init=False)

    def __post_init__(self) -> None:
        """Begin with an empty screen."""
        self._screen = pyte.Screen(self.columns, self.lines)
        self._stream = pyte.ByteStream(self._screen)

    def run(
        self,
        arguments: Sequence[str | Path],
        folder: Path,
        environment: Mapping[str, str],
        watch: Callable[[float, list[str]], object] = lambda _, __: None,
    ) -> int:
        """Run a command to its end, and return its exit code.

        Args:
            arguments: The command.
            folder: Its working directory.
            environment: All its environment variables, except those about the terminal.
            watch: Is called with the seconds since the start and the screen, whenever that changes.
        """
        own, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", self.lines, self.columns, 0, 0))
        began = time.monotonic()
        with subprocess.Popen(
            arguments,
            cwd=folder,
            env={**environment, "TERM": "xterm-256color"},
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
        ) as process:
            os.close(other)
            with suppress(OSError):  # Linux raises it when the other end is closed
                while select([own], [], [], TIMEOUT_SECONDS)[0]:
                    self.write(os.read(own, 65_536))
                    watch(time.monotonic() - began, self.screen)
                process.kill()
        os.close(own)
        return process.returncode

    def write(self, data: bytes) -> None:
        """Show on the screen what a program writes."""
        self.output += data.decode(errors="replace")
        self._stream.feed(data)

    @property
    def written_lines(self) -> list[str]:
        """Return the lines as they were written; the screen breaks those that are too long."""
        return re.split(r"[\r\n]+", _CONTROL.sub("", self.output))

    @property
    def screen(self) -> list[str]:
        """Return the lines of the screen without blanks at their ends; the last has text."""
        lines = [line.rstrip() for line in self._screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def svg(self, title: str, first_line: int = 0) -> str:
        """Return a picture of the screen from a line on, as tall as its text, under a title."""
        console = Console(
            width=self.columns,
            record=True,
            file=StringIO(),
            force_terminal=True,
            legacy_windows=False,
        )
        # rich cuts off the lower edge of the last line, so that is an empty one.
        for number in range(first_line, len(self.screen) + 1):
            console.print(self._line(number), no_wrap=True, overflow="crop", soft_wrap=True)
        return console.export_svg(
            title=title, theme=SVG_EXPORT_THEME, code_format=SVG_FORMAT, unique_id="terminal"
        )

    def _line(self, number: int) -> Text:
        """Return a line of the screen with its colours."""
        cells = self._screen.buffer[number]
        line = Text()
        for column in range(self.columns):
            cell = cells[column]
            line.append(cell.data, _style(cell))
        line.rstrip()
        return line


def _style(cell: Any) -> str:
    """Return the style of a character in rich's words."""
    names = {"default": "", "brown": "yellow"}
    color = names.get(cell.fg, cell.fg)
    if re.fullmatch(r"[0-9a-f]{6}", color):
        color = f"#{color}"
    words = [word for word in ("bold", "italics", "reverse") if getattr(cell, word)]
    return " ".join([*words, color]).replace("italics", "italic").strip()
