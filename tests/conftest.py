"""What every test needs before it imports anything, and the table of what was verified."""

import os

# the backend that compares in float64, as we do
os.environ.setdefault("KERAS_BACKEND", "numpy")


def pytest_terminal_summary(terminalreporter):
    """A row a rule that its library's own code was driven against."""
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, [])]
    rows = sorted(
        value
        for report in reports
        if report.when == "call"
        for name, value in report.user_properties
        if name == "verified"
    )
    if rows:
        terminalreporter.section("rules against their libraries' own code")
        row = "{:<18} {:<9} {:<20} {:>12} {:>13}"
        terminalreporter.write_line(
            row.format("library", "version", "rule", "curves tried", "disagreements")
        )
        for values in rows:
            terminalreporter.write_line(row.format(*values))
