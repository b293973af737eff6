"""Every file of tests is collected: pytest passes over folders by their names, such as `build`, as one was called."""

import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_no_folder_with_tests_is_passed_over(pytestconfig):
    passed_over = pytestconfig.getini("norecursedirs")
    names = {part for file in ROOT.rglob("test_*.py") for part in file.relative_to(ROOT).parts[:-1]}
    assert names
    assert not [name for name in names for pattern in passed_over if fnmatch.fnmatch(name, pattern)]
