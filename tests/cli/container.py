"""Run a command as the image of the Dockerfile does, without an image.

A user with the image's number runs it in namespaces of its own, where every file system is
read-only but the working folder and the one for temporary files. Secrets are mounted as files.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cli.command import TIMEOUT_SECONDS
from requirements import report_missing

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
USER = 10001

_UNSHARE = ("/usr/bin/unshare", "--user", "--map-root-user", "--mount")
_MOUNTS = """
set -eu
mount --bind "$VOLUME" "$VOLUME"
mount -t tmpfs tmpfs "$TMPDIR"
chmod 1777 "$TMPDIR"
mount -t tmpfs tmpfs /run
cp -R "$SECRETS" /run/secrets
for point in / "$(stat --format=%m "$VOLUME/..")"; do
    mount -o remount,bind,ro,nosuid,nodev "$point"
done
cd "$VOLUME"
exec unshare --user --map-user=$UID_INSIDE --map-group=$UID_INSIDE -- "$@"
"""


@cache
def require_namespaces() -> None:
    """Skip the test where a user must not mount anything in namespaces of its own."""
    attempt = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "mount",
        "-t",
        "tmpfs",
        "x",
        "/run",
    ]
    if sys.platform != "linux" or subprocess.run(attempt, check=False).returncode:
        report_missing("this user may not mount file systems in a namespace of its own")


def image_environment() -> dict[str, str]:
    """Return the environment variables that the image sets, but for PATH."""
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    settings = re.findall(r"^(?:ENV|   ) ([A-Z_]+)=(\S+)", final, re.MULTILINE)
    return {name: value for name, value in settings if name != "PATH"}


@dataclass
class Container:
    """A folder for the volume, and what the container is started with.

    Attributes:
        folder: Holds the volume `data`, which outlives each run, and the secrets.
        settings: Environment variables of every run.
        secrets: Contents of files in /run/secrets, by name.
    """

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def volume(self) -> Path:
        """Return the folder that is /data in the image."""
        return self.folder / "data"

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment to its end."""
        require_namespaces()
        for name in ("data", "tmp", "secrets"):
            (self.folder / name).mkdir(exist_ok=True)
        for name, text in self.secrets.items():
            (self.folder / "secrets" / name).write_text(text, encoding="utf-8")
        environment = {
            name: value.replace("/data", str(self.volume))
            for name, value in image_environment().items()
        }
        environment |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "VOLUME": str(self.volume),
            "TMPDIR": str(self.folder / "tmp"),
            "SECRETS": str(self.folder / "secrets"),
            "UID_INSIDE": str(USER),
        }
        arguments = [*_UNSHARE, "sh", "-c", _MOUNTS, "sh", *command]
        return subprocess.run(
            arguments,
            env=environment | self.settings,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
