"""`refresh`: fetch single submissions, or those of one person, immediately."""

from collections.abc import Sequence

from argos_sync.api import Query
from argos_sync.api.errors import ConfigurationError
from argos_sync.fetch.refetch import query_tasks
from argos_sync.run.context import Context
from argos_sync.run.jobs import run_tasks
from argos_sync.run.opening import open_run
from argos_sync.run.summary import RunSummary


def refresh(
    context: Context,
    *,
    submission_ids: Sequence[str] = (),
    userid: str | None = None,
    email: str | None = None,
) -> RunSummary:
    """Fetch submissions by id, user id or e-mail address, and load their changes.

    Raises:
        ConfigurationError: No submission is named, or a value cannot be sent.
        ArgosError: See `api.errors`, `load.errors`.
    """
    queries = [Query(submission_id=value) for value in submission_ids]
    queries += [Query(userid=userid)] if userid is not None else []
    queries += [Query(email=email)] if email is not None else []
    if not queries:
        raise ConfigurationError("nothing to refresh", "give --submission-id, --userid or --email")
    with open_run(context, "refresh") as run:
        run_tasks(run, query_tasks("refresh", queries), final=True)
        if not run.summary.submissions_fetched:
            run.summary.note = "the API has none of them, or they are on the suppression list"
        if run.quarantined:
            run.summary.note = f"{run.quarantined} cannot be read and are in quarantine"
    return run.summary
