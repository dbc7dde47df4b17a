"""Write layers/shared/payvand/calendars/*.json from the `holidays` package.

The package is 14 MB and costs 43 ms to import, so the layer carries its answers, not the package.
tests/shared/test_calendar.py compares the two.
"""

import datetime as dt
import json
from pathlib import Path

import holidays

YEARS = range(2025, 2030)
FOLDER = Path(__file__).parents[1] / "layers/shared/payvand/calendars"


def table(country: str) -> dict[str, str]:
    """Date → the names of the public holidays on it; weekends are not holidays."""
    found = holidays.country_holidays(country, years=YEARS, language="en_US")
    return {
        day.isoformat(): name for day, name in sorted(found.items()) if isinstance(day, dt.date)
    }


if __name__ == "__main__":
    for name in ("IR",):
        text = json.dumps(table(name), indent=1, ensure_ascii=False)
        (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")
