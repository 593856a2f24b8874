"""Write the documents to a folder: `python -m argos_sync.dictionary FOLDER`."""

import sys
from pathlib import Path

from argos_sync.dictionary import render_documents

for name, text in render_documents().items():
    target = Path(sys.argv[1]) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
