"""The work queue: a plan becomes tasks, and recorded pages advance it."""

from datetime import UTC, date, datetime

from argos_sync.api.query import Query
from argos_sync.fetch.ledger import LedgerEntry, Plan, TaskProgress
from argos_sync.fetch.task import Task, TaskPage
from argos_sync.fetch.windows import DailyVolume, DateRange
from argos_sync.fetch.work_queue import WorkQueue

NOW = datetime(2025, 7, 1, tzinfo=UTC)
EXTRA = Task("extra", "", Query())


def plan_for(first: date, last: date) -> Plan:
    """Return a plan that has not been cut into windows."""
    return Plan.new("sync", "run", started_at=NOW, days=DateRange(first, last), sections=())


def days_of(task: Task) -> int:
    """Return the number of days of a task's window."""
    assert task.window
    assert task.window.start
    assert task.window.end
    return (task.window.end - task.window.start).days + 1


def test_windows_come_first_and_extra_tasks_last() -> None:
    """Unfinished windows of a resumed plan come before newly cut ones, with their cursors."""
    plan = plan_for(date(2025, 1, 1), date(2025, 3, 31)).with_next_window(DailyVolume(), 1, 500)
    plan = plan.with_progress("run/0", TaskProgress({"": 1}))
    tasks = list(WorkQueue(plan, extra_tasks=[EXTRA]).tasks())
    assert [task.name for task in tasks] == [*(f"run/{n}" for n in range(len(tasks) - 1)), "extra"]
    assert [task.cursor for task in tasks[:2]] == [{"": 1}, None]
    assert tasks[0].query.start_date == date(2024, 12, 31)


def test_recorded_pages_decide_the_size_of_later_windows() -> None:
    """After a busy window the next one is a single day."""
    plan = plan_for(date(2025, 1, 1), date(2025, 6, 30))
    busy, unknown = WorkQueue(plan), WorkQueue(plan)
    tasks = busy.tasks()
    first = next(tasks)
    busy.record(TaskPage(first, [], None, done=True), TaskProgress(done=True, rows=310_000))
    after_busy, *_ = tasks
    _, after_unknown, *_ = unknown.tasks()
    assert [days_of(task) for task in (first, after_busy, after_unknown)] == [31, 1, 31]


def test_the_ledger_has_the_windows_that_advanced() -> None:
    """Each window is listed once, with its total progress, until it advances again."""
    queue = WorkQueue(plan_for(date(2025, 1, 1), date(2025, 1, 2)))
    task = next(queue.tasks())
    assert task.window is not None
    for cursor in (1, 2):
        step = TaskProgress({"": cursor}, rows=3)
        queue.record(TaskPage(task, [], {"": cursor}, done=False), step)
    progress = TaskProgress({"": 2}, rows=6)
    assert queue.take_ledger() == (LedgerEntry("run/0", task.window, progress),)
    assert queue.take_ledger() == ()


def test_one_window_is_recognised() -> None:
    """A quiet range is a single window, a busy one is several."""
    plan = plan_for(date(2025, 1, 1), date(2025, 1, 31))
    assert WorkQueue().is_one_window
    assert WorkQueue(plan, volume=DailyVolume(recent=((1, 1),))).is_one_window
    assert not WorkQueue(plan, volume=DailyVolume(recent=((1, 5_000),))).is_one_window
