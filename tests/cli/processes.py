"""What anybody on the machine can see of a running command (Linux)."""

from __future__ import annotations

from pathlib import Path

PROC = Path("/proc")


def tree(pid: int) -> list[int]:
    """A process and those it has started, itself first."""
    started = [
        int(child)
        for thread in (PROC / str(pid) / "task").iterdir()
        for child in (thread / "children").read_text().split()
    ]
    return [pid, *(one for child in started for one in tree(child))]


def peak_memory(pid: int) -> int:
    """The most memory it ever had in use, in bytes."""
    status = (PROC / str(pid) / "status").read_text()
    (peak,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peak) * 1024


def arguments(pid: int) -> bytes:
    """What it was started with, which everybody may read."""
    return (PROC / str(pid) / "cmdline").read_bytes()


def environment(pid: int) -> bytes:
    """Its environment variables, which its user may read."""
    return (PROC / str(pid) / "environ").read_bytes()


def core_limit(pid: int) -> list[str]:
    """The soft and the hard limit of a core dump's size."""
    limits = (PROC / str(pid) / "limits").read_text()
    (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    return line.split()[4:6]
