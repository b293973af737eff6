from tests.docs import accuracy


def test_the_page_is_current():
    assert accuracy.PAGE.read_text(encoding="utf-8") == accuracy.page(), "python -m tests.regenerate"
