"""Schedulers: argos-sync as Dagster knows its work. Optional; nothing else imports this room."""
