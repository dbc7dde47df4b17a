"""Write layers/shared/payvand/calendars/*.json from the `holidays` package.

The package is 14 MB and costs 43 ms to import, so the layer carries its answers, not the package.
tests/shared/test_calendar.py compares the two.
"""

import json
from pathlib import Path

import holidays

YEARS = range(2025, 2032)
FOLDER = Path(__file__).parents[1] / "layers/shared/payvand/calendars"


NAMES = ("IR", "ECB", "RU", "TR")
"""Iran, the days TARGET is closed (as the ECB lists them), Russia, Türkiye."""


def table(name: str) -> dict[str, dict[str, str]]:
    """Date → name: `closed` the public holidays, `open` weekend days that are worked instead."""
    if name in holidays.list_supported_financial():
        found = holidays.financial_holidays(name, years=YEARS)
    else:
        found = holidays.country_holidays(name, years=YEARS, language="en_US")
    worked = sorted(getattr(found, "weekend_workdays", None) or ())
    return {
        "closed": {day.isoformat(): title for day, title in sorted(found.items())},
        "open": {day.isoformat(): "worked for another day" for day in worked},
    }


if __name__ == "__main__":
    for name in NAMES:
        text = json.dumps(table(name), indent=1, ensure_ascii=False)
        (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")
