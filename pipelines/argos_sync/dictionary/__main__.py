"""Write the documents: `python -m argos_sync.dictionary SCHEMAS [DESTINATIONS_PAGE]`."""

import sys
from pathlib import Path

from argos_sync.dictionary import render_destinations, render_documents

folder, *pages = map(Path, sys.argv[1:])
for name, text in render_documents().items():
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
for page in pages:
    page.write_text(render_destinations(page.read_text(encoding="utf-8")), encoding="utf-8")
