"""The fetch process: fetches and shapes on a core of its own, while the main process loads.

Input: a fetch job. Output: its chunks. `fetch/thread.py` does the same in a thread.

How is the process started and stopped?          spawn
How does the main process get its chunks?        parent
What runs in the fetch process?                  worker
Which messages do the two exchange?              protocol

Nothing is imported here: `spawn` must start the process before anything heavy is imported.
"""

__all__ = ["parent", "protocol", "spawn", "worker"]
