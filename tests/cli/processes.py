"""Read what other processes can see of a running command (Linux)."""

from pathlib import Path

PROC = Path("/proc")


def process_tree(pid: int) -> list[int]:
    """Return a process and its descendants, itself first."""
    children = [
        int(child)
        for thread in (PROC / str(pid) / "task").iterdir()
        for child in (thread / "children").read_text().split()
    ]
    return [pid, *(descendant for child in children for descendant in process_tree(child))]


def peak_memory(pid: int) -> int:
    """Return the peak resident memory of a process, in bytes."""
    status = (PROC / str(pid) / "status").read_text()
    (peak,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peak) * 1024


def command_line(pid: int) -> bytes:
    """Return the arguments of a process, which every user may read."""
    return (PROC / str(pid) / "cmdline").read_bytes()


def environment(pid: int) -> bytes:
    """Return the environment variables of a process, which its user may read."""
    return (PROC / str(pid) / "environ").read_bytes()


def core_limit(pid: int) -> list[str]:
    """Return the soft and the hard limit of a core dump's size."""
    limits = (PROC / str(pid) / "limits").read_text()
    (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    return line.split()[4:6]
