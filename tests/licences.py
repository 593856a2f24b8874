"""Licences of everything that `uv.lock` pins and this machine has; `make audit` runs it.

Prints one line a package, and exits with 1 when a licence is not among those that an Apache-2.0
package may depend on without a second thought.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

LOCK = Path(__file__).parent.parent / "uv.lock"

ALLOWED = {
    *("MIT", "MIT-0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "ISC", "PSF-2.0"),
    *("0BSD", "CC0-1.0"),  # the alternatives that roman-numerals offers
    "AFL-2.1",  # the alternative that simplejson offers to MIT
    # Binding for who changes the library itself, which nobody does here.
    *("MPL-2.0", "LGPL"),
}
CHECKED_BY_HAND = {
    # Public domain, BSD and PSF; only its Emacs mode is GPL. It builds docs/ and is not shipped.
    "docutils",
}
CLASSIFIERS = {
    "MIT License": "MIT",
    "BSD License": "BSD",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
    "Python Software Foundation License": "PSF-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
}
"""What packages said before there were licence expressions (PEP 639)."""


def licence_of(package: PackageMetadata) -> str:
    """Return a licence expression: the package's own, or one made of its older fields."""
    if expression := package.get("License-Expression"):
        return str(expression)
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in package.get_all("Classifier") or []
        if text.startswith("License :: OSI Approved :: ")
    ]
    if classifiers:
        return " AND ".join(CLASSIFIERS.get(text, text) for text in classifiers)
    stated = str(package.get("License") or "none stated").partition("\n")[0]
    return CLASSIFIERS.get(stated, stated)


def is_allowed(licence: str) -> bool:
    """Whether every licence of an expression may be used, alternatives included."""
    return set(re.split(r" AND | OR |[()]+", licence)) - {""} <= ALLOWED


def main() -> int:
    """Print what is pinned; return the exit code."""
    wrong = 0
    pinned = tomllib.loads(LOCK.read_text(encoding="utf-8"))["package"]
    for name in sorted(package["name"] for package in pinned):
        try:
            licence = licence_of(metadata(name))
        except PackageNotFoundError:
            print(f"{name:28} not installed here, so not checked")  # noqa: T201 a report
            continue
        allowed = is_allowed(licence) or name in CHECKED_BY_HAND
        wrong += not allowed
        print(f"{name:28} {licence}{'' if allowed else '   <- NOT ALLOWED'}")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
