"""Fetch submissions from the API and shape them into chunks. No SQL, no dlt.

Input: a work queue (a plan, tasks) and the options of the API client. Output: chunks, which are
rows with the progress to commit with them.

Which days does tonight's sync read?             windows (`nightly_range`): the recent days;
                                                 commands.sync decides all, run.upkeep the older
Does the server include `end_date`?              windows (`probe_end_date`)
Which windows are left to read?                  ledger, work_queue
How is resuming stored between runs?             checkpoint
How are pages read?                              reader, walks
Are lists whole, or summaries?                   list_probe; what follows of it: completeness
How are the sections of a submission joined?     sections, submission
How are known submissions fetched again?         refetch
How large is a chunk? How is a job run?          chunks
What happens to unusable objects?                quarantine
How are personal values protected?               protection
Which project does an API key belong to?         project
What is a job, and how does it reach the API?    job
What time is it in a run?                        clock
Where does fetching run?                         thread, process

Nothing is imported here: `process.spawn` must start before anything heavy is imported.
"""

__all__ = [
    "checkpoint",
    "chunks",
    "clock",
    "completeness",
    "concurrency",
    "job",
    "ledger",
    "list_probe",
    "process",
    "project",
    "protection",
    "quarantine",
    "reader",
    "refetch",
    "sections",
    "submission",
    "task",
    "thread",
    "walks",
    "windows",
    "work_queue",
]
