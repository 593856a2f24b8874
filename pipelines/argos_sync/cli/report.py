"""`argos-sync report`."""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from argos_sync.cli.common import Common, parse_age
from argos_sync.cli.days import first_day, last_day_so_far

if TYPE_CHECKING:
    from argos_sync.config import Freshness
    from argos_sync.report import Period, Scope, WrittenReport


@dataclass(frozen=True, slots=True)
class ScopeOptions:
    """Options on what the report is about."""

    first: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="DAY", help="First day of the period; default: 90 days in all."
        ),
    ] = None
    last: Annotated[
        str | None,
        typer.Option("--to", metavar="DAY", help="Last day, included; default: today."),
    ] = None
    review_target: Annotated[
        str,
        typer.Option(
            "--target",
            metavar="AGE",
            help="Time within which people should decide a pending submission.",
        ),
    ] = "24h"

    def scope(self, settings: "Freshness") -> "Scope":
        """Return the scope at the current time.

        Raises:
            ConfigurationError: The period is impossible.
            typer.BadParameter: A day or an age cannot be read, or the period is in the future.
        """
        now, zone = datetime.now(UTC), settings.reporting_time_zone
        today = now.astimezone(ZoneInfo(zone)).date()
        first, last = self.first, self.last
        first_date = first_day("--from", first, today, zone) if first is not None else None
        last_date = last_day_so_far("--to", last, today) if last is not None else None
        review_target = parse_age("--target", self.review_target)
        from argos_sync.report import scope_of

        scope = scope_of(now, zone=zone, first=first_date, last=last_date)
        return replace(scope, bound=settings.sweep_days or None, review_target=review_target)


def report(
    common: Common,
    options: ScopeOptions,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", help="HTML file to create, or report to replace."),
    ],
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="DuckDB file to read, such as a published copy; overrides --destination.",
        ),
    ] = None,
) -> None:
    """Write an HTML report: what needs attention, and a period in figures and charts."""
    from argos_sync.config import freshness_settings
    from argos_sync.process import output_file_mode
    from argos_sync.report import make_report

    target = common.target
    if file is not None:
        target = replace(target, destination="duckdb", file=str(file))
    scope = options.scope(freshness_settings(common.project))
    written = make_report(target, out, scope, mode=output_file_mode())
    common.show(_summary(written), _text(written))


def _summary(written: "WrittenReport") -> dict[str, Any]:
    """Return what `--json` prints; figures and findings are numbers."""
    from argos_sync.report import ATTENTION

    report = written.report
    answered = {
        key: {"number": one.number, "urgent": one.is_urgent}
        for key, one in report.attention.items()
    }
    return {
        "file": str(written.file),
        "bytes": written.size,
        "period": _days(report.scope.period),
        "before": _days(report.before) if report.before else None,
        "attention": answered | {key: answered.get(key) for key in ATTENTION},
        "figures": {one.key: {"value": one.value, "before": one.before} for one in report.figures},
        "sections": {section.spec.key: section.state for section in report.sections},
    }


def _days(period: "Period") -> dict[str, str]:
    return {name: f"{day}" for name, day in asdict(period).items()}


def _text(written: "WrittenReport") -> str:
    """Return the urgent findings, the figures, and what the report does not show."""
    report = written.report
    lines = [f"period: {report.scope.period}"] if report.chapters else ["no submissions yet"]
    lines += [
        f"attention: {one.text}{f' ({one.detail})' if one.detail else ''}"
        for one in report.attention.values()
        if one.is_urgent
    ]
    lines += [
        f"{one.label}: {one.text}{f' (before: {one.before_text})' if one.change else ''}"
        for one in report.figures
    ]
    missing = [f"{one.spec.key} ({one.state})" for one in report.sections if one.state != "shown"]
    lines += [f"not shown: {', '.join(missing)}"] if missing else []
    return "\n".join([*lines, f"{written.file}: {written.size / 1000:,.0f} kB"])
