"""Run dbt several times in one process, because dbt takes seconds to import.

The interpreter of dbt's environment executes this file. Arguments are those of dbt: the common ones
as one JSON list, then one JSON list for each run. The results are the `run_results.json` files.
"""

import json
import sys

if __name__ == "__main__":
    from dbt.cli.main import dbtRunner

    common, *runs = map(json.loads, sys.argv[1:])
    for arguments in runs:
        done = dbtRunner().invoke(["--quiet", *arguments, *common])
        if done.exception is not None:
            raise done.exception
