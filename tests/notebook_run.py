"""Run docs/notebook.py as a script, and print the specification of each of its charts as JSON.

The interpreter of the environment that has marimo executes this file. Arguments are the notebook
and those that the notebook takes.
"""

import json
import runpy
import sys

if __name__ == "__main__":
    notebook = sys.argv[1]
    sys.argv = sys.argv[1:]
    _, cells = runpy.run_path(notebook)["app"].run()
    charts = ("funnel", "leaving", "reasons", "alerts", "countries")
    print(json.dumps({name: cells[name].to_dict() for name in charts}))  # noqa: T201 for the test
