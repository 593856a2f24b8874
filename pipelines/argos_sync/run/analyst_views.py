"""Keep the views for analysts up to date: those of a warehouse, and those over several projects."""

import logging

from argos_sync.config import Settings
from argos_sync.fetch.checkpoint import State
from argos_sync.load.pipeline import Warehouse
from argos_sync.load.view_access import ViewAccess
from argos_sync.warehouse.multi_project import drop_project_views, update_project_views
from argos_sync.warehouse.view_updates import update_views

log = logging.getLogger("argos_sync")


def update_analyst_views(warehouse: Warehouse, settings: Settings) -> State:
    """Create views and comments where they are missing or outdated; return the state's changes.

    Rows do not depend on views, so an error is logged and does not fail the run; the state then
    does not change. The tables must exist.
    """
    access: dict[str, ViewAccess] = {}
    try:
        views = update_views(
            warehouse.client,
            warehouse.state.get("views"),
            contract=warehouse.existing,
            drop_dependents=lambda: access.update(drop_project_views(warehouse, settings)),
            zone=settings.reporting_time_zone,
        )
        project_views = update_project_views(warehouse, settings, views, access)
    except Exception as error:  # noqa: BLE001 the text may quote values
        log.warning(
            "the views for analysts could not be updated (%s); the next run tries again",
            type(error).__name__,
        )
        return {}
    return {"views": views, "project_views": project_views}
