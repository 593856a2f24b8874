"""Five of the thirty questions, with charts, from a published copy.

Open it with `marimo edit docs/notebook.py -- --copy analysts.duckdb`. The queries are those of
questions.md; a test compares them.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="KYC and AML")


@app.cell
def _():
    from datetime import date
    from decimal import Decimal

    import altair as alt
    import duckdb
    import marimo as mo

    return Decimal, alt, date, duckdb, mo


@app.cell
def _(mo):
    mo.md("""
    # KYC and AML

    Charts of a copy that `argos-sync publish` wrote. Change a query, and its chart follows.
    """)
    return


@app.cell
def _(Decimal, alt, date, duckdb, mo):
    file = mo.cli_args().get("copy") or "analysts.duckdb"
    # `publish` replaces the file, so this connection goes on reading the old one.
    copy = duckdb.connect(file, read_only=True)

    def ask(query):
        """Return the rows of a query as data for a chart."""
        result = copy.execute(query)
        names = [column[0] for column in result.description]
        return alt.Data(
            values=[dict(zip(names, map(plain, row), strict=True)) for row in result.fetchall()]
        )

    def plain(value):
        """Return a value that JSON has."""
        if isinstance(value, Decimal):
            return float(value)
        return value.isoformat() if isinstance(value, date) else value

    return (ask,)


@app.cell
def _(mo):
    mo.md("""
    ## How many submissions come, and how many are approved?
    """)
    return


@app.cell
def _(alt, ask):
    _rows = ask("""
    SELECT CAST(DATE_TRUNC('month', day) AS DATE) AS month, SUM(submissions) AS submissions,
        SUM(approved) AS approved, SUM(rejected) AS rejected, SUM(pending) AS pending,
        SUM(incomplete) AS incomplete, SUM(other_result + no_result) AS other,
        ROUND(100.0 * SUM(approved) / NULLIF(SUM(decided), 0), 1) AS percent_of_decided,
        ROUND(100.0 * SUM(approved) / SUM(submissions), 1) AS percent_of_all
    FROM argos.kyc_funnel_daily
    GROUP BY 1 ORDER BY 1;
    """)
    _results = ["approved", "rejected", "pending", "incomplete", "other"]
    funnel = (
        alt.Chart(_rows)
        .transform_fold(_results, as_=["result", "count"])
        .mark_bar()
        .encode(
            x=alt.X("utcyearmonth(month):O", title="month"),
            y=alt.Y("count:Q", title="submissions"),
            color=alt.Color("result:N", sort=_results),
            tooltip=["month:T", "result:N", "count:Q", "percent_of_decided:Q"],
        )
        .properties(width=600, height=220)
    )
    funnel
    return


@app.cell
def _(mo):
    mo.md("""
    ## At which step do people leave?
    """)
    return


@app.cell
def _(alt, ask):
    _rows = ask("""
    SELECT last_step, CASE last_step WHEN 1 THEN 'ID' WHEN 2 THEN 'face' ELSE 'none' END AS step,
        SUM(SUM(submissions)) OVER (ORDER BY last_step DESC) AS reached,
        SUM(submissions) AS ended_here,
        SUM(dropped_off) AS dropped_off, SUM(timed_out) AS timed_out,
        ROUND(100.0 * SUM(dropped_off + timed_out)
            / SUM(SUM(submissions)) OVER (ORDER BY last_step DESC), 1) AS percent_left
    FROM argos.step_dropoff
    GROUP BY last_step ORDER BY last_step;
    """)
    leaving = (
        alt.Chart(_rows)
        .transform_fold(["dropped_off", "timed_out"], as_=["how", "count"])
        .mark_bar()
        .encode(
            x=alt.X("count:Q", title="submissions"),
            y=alt.Y("step:N", sort=None, title="last step"),
            color="how:N",
            tooltip=["step:N", "how:N", "count:Q", "reached:Q", "percent_left:Q"],
        )
        .properties(width=600)
    )
    leaving
    return


@app.cell
def _(mo):
    mo.md("""
    ## Why are applicants rejected?
    """)
    return


@app.cell
def _(alt, ask):
    _rows = ask("""
    SELECT comment_code, meaning, SUM(rejected) AS rejected
    FROM argos.rejection_reasons
    GROUP BY comment_code, meaning
    ORDER BY rejected DESC, comment_code;
    """)
    reasons = (
        alt.Chart(_rows)
        .transform_calculate(reason="datum.meaning || datum.comment_code || 'no reason'")
        .mark_bar()
        .encode(
            x=alt.X("rejected:Q", title="rejected submissions"),
            y=alt.Y("reason:N", sort="-x", title=None, axis=alt.Axis(labelLimit=260)),
            tooltip=["comment_code:N", "rejected:Q"],
        )
        .properties(width=500)
    )
    reasons
    return


@app.cell
def _(mo):
    mo.md("""
    ## Which alerts are open?
    """)
    return


@app.cell
def _(alt, ask):
    _rows = ask("""
    SELECT submission_id, opened_day, highest_risk, matches, highest_score, risk_icons, country
    FROM argos.aml_alerts
    WHERE is_open
    ORDER BY opened_at, submission_id;
    """)
    alerts = (
        alt.Chart(_rows)
        .mark_circle(size=120)
        .encode(
            x=alt.X("opened_day:T", scale=alt.Scale(type="utc"), title="opened"),
            y=alt.Y("highest_score:Q", scale=alt.Scale(zero=False), title="highest score"),
            color=alt.Color(
                "highest_risk:N",
                scale=alt.Scale(
                    domain=["high", "medium", "low"], range=["#c0392b", "#e69f00", "#7f8c8d"]
                ),
                title="risk",
            ),
            tooltip=["submission_id:N", "opened_day:T", "risk_icons:N", "country:N", "matches:Q"],
        )
        .properties(width=600, height=220)
    )
    alerts
    return


@app.cell
def _(mo):
    mo.md("""
    ## Do countries differ in their approval rate?

    The lines are 95 % intervals: countries whose lines overlap may well be equal.
    """)
    return


@app.cell
def _(alt, ask):
    _rows = ask("""
    SELECT country, SUM(decided) AS decided, SUM(approved) AS approved,
        ROUND(100.0 * SUM(approved) / SUM(decided), 1) AS approval_percent,
        CAST(196 * SQRT(1.0 * SUM(approved) * SUM(rejected) / SUM(decided)) / SUM(decided)
            AS DECIMAL(9, 1)) AS error
    FROM argos.pass_rates
    GROUP BY country HAVING SUM(decided) >= 20
    ORDER BY approval_percent, country;
    """)
    base = (
        alt.Chart(_rows)
        .transform_calculate(
            low="max(datum.approval_percent - datum.error, 0)",
            high="min(datum.approval_percent + datum.error, 100)",
        )
        .encode(y=alt.Y("country:N", sort=None, title=None))
    )
    countries = (
        base.mark_rule().encode(x=alt.X("low:Q", title="approved, %"), x2="high:Q")
        + base.mark_circle(size=120, opacity=1).encode(
            x="approval_percent:Q",
            tooltip=["country:N", "approval_percent:Q", "error:Q", "decided:Q"],
        )
    ).properties(width=600)
    countries
    return


if __name__ == "__main__":
    app.run()
