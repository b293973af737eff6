"""docs/active-conventions.md is what the catalogue's claims come to."""

import re

from tests.docs import active_conventions


def test_the_page_is_current():
    expected = active_conventions.PAGE.read_text(encoding="utf-8")
    assert active_conventions.page() == expected, "if intended: python -m tests.regenerate"


def test_it_has_at_least_forty_models():
    text = active_conventions.page()
    section = text[text.index("## Active") : text.index("## Totals")]
    assert len(set(re.findall(r"^\| `([^`]+)`", section, re.MULTILINE))) >= 40
