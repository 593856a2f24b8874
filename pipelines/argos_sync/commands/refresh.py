"""`refresh`: fetch single submissions, or those of one person, immediately."""

from collections.abc import Sequence

from argos_sync.api.errors import ConfigurationError
from argos_sync.api.query import Query
from argos_sync.fetch.refetch import query_tasks
from argos_sync.run.context import Context
from argos_sync.run.jobs import run_tasks
from argos_sync.run.opening import open_run
from argos_sync.run.summary import RunSummary
from argos_sync.shape.identifiers import spellings


def refresh(
    context: Context,
    *,
    submission_ids: Sequence[str] = (),
    userid: str | None = None,
    email: str | None = None,
) -> RunSummary:
    """Fetch submissions by id, user id or e-mail address, and replace all their rows.

    Raises:
        ConfigurationError: No submission is named, or a value cannot be sent.
        ArgosError: See `api.errors`, `load.errors`.
    """
    # The API compares texts exactly.
    ids = [text for value in submission_ids for text in spellings("submission_id", value)]
    queries = [Query(submission_id=text) for text in ids]
    if userid is not None:
        queries += [Query(userid=text) for text in spellings("userid", userid)]
    if email is not None:
        queries += [Query(email=text) for text in spellings("email", email)]
    if not queries:
        raise ConfigurationError("nothing to refresh", "give --submission-id, --userid or --email")
    with open_run(context, "refresh") as run:
        run.rewrites_unchanged = True
        run_tasks(run, query_tasks("refresh", queries), final=True)
        if not run.summary.submissions_fetched:
            run.summary.note = "the API has none of them, or they are on the suppression list"
        if run.quarantined:
            run.summary.note = f"{run.quarantined} cannot be read and are in quarantine"
    return run.summary
