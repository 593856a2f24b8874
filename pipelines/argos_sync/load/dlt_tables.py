"""dlt's own tables in a dataset: completed loads and pipeline states."""

import zlib

from dlt.common.schema.typing import C_DLT_ID, LOADS_TABLE_NAME, PIPELINE_STATE_TABLE_NAME
from dlt.common.versioned_state import decompress_state

from argos_sync.fetch.checkpoint import State
from argos_sync.load.pipeline import source_state

LOADS = LOADS_TABLE_NAME
STATES = PIPELINE_STATE_TABLE_NAME
ROW_ID = C_DLT_ID


def read_state(text: str) -> State | None:
    """Return the source's state from the text that dlt has encoded; None if it is unreadable."""
    try:
        return source_state(decompress_state(text))
    except (ValueError, zlib.error):
        return None
