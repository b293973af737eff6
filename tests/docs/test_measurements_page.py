"""The page about measurements is that of the data files."""

from tests.docs.measurements import PAGE, page


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == page(), "if intended: python -m tests.regenerate"
