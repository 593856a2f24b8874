"""Check the licences of all packages that `uv.lock` pins; part of `make audit`.

Prints a line for each package, and exits with 1 if the licence of one is not among those that an
Apache-2.0 package may depend on. Packages that are not installed are not checked.
"""

import re
import sys
import tomllib
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

LOCK = Path(__file__).parent.parent / "uv.lock"

ALLOWED = {
    *("MIT", "MIT-0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "ISC", "PSF-2.0"),
    "BSD 3-Clause",  # as uritemplate writes it
    *("0BSD", "CC0-1.0"),  # the alternatives that roman-numerals offers
    "AFL-2.1",  # the alternative that simplejson offers to MIT
    # They restrict changes to the library itself, and argos-sync makes none.
    *("MPL-2.0", "LGPL"),
}
CHECKED_BY_HAND = {
    # Public domain, BSD and PSF; only its Emacs mode is GPL. It builds docs/ and is not shipped.
    "docutils",
    # Offers the Artistic License as the alternative to the GPL. dbt needs it; it is not shipped.
    "text-unidecode",
}
CLASSIFIERS = {
    "MIT License": "MIT",
    "BSD License": "BSD",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL",
    "Python Software Foundation License": "PSF-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
}
"""Licence classifiers, which packages used before licence expressions (PEP 639)."""


def licence_of(package: PackageMetadata) -> str:
    """Return the licence expression of a package, if necessary from its older fields."""
    if expression := _field(package, "License-Expression"):
        return expression
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in package.get_all("Classifier") or []
        if text.startswith("License :: OSI Approved :: ")
    ]
    if classifiers:
        return " AND ".join(CLASSIFIERS.get(text, text) for text in classifiers)
    name = _field(package, "License").partition("\n")[0] or "none stated"
    return CLASSIFIERS.get(name, name)


def _field(package: PackageMetadata, name: str) -> str:
    """Return a field of the metadata; "" if it is missing."""
    values: list[str] = package.get_all(name) or [""]
    return values[0]


def is_allowed(licence: str) -> bool:
    """Return whether every licence of an expression is allowed, alternatives included."""
    return set(re.split(r" AND | OR |[()]+", licence)) - {""} <= ALLOWED


def main() -> int:
    """Print the licences, and return the exit code."""
    violations = 0
    packages = tomllib.loads(LOCK.read_text(encoding="utf-8"))["package"]
    for name in sorted(package["name"] for package in packages):
        try:
            licence = licence_of(metadata(name))
        except PackageNotFoundError:
            print(f"{name:28} not installed, so not checked")  # noqa: T201 a report
            continue
        allowed = is_allowed(licence) or name in CHECKED_BY_HAND
        violations += not allowed
        print(f"{name:28} {licence}{'' if allowed else '   <- NOT ALLOWED'}")  # noqa: T201
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
