"""The heat map's shades, and that its SVG is well-formed and covers every cell once."""

import xml.etree.ElementTree as ET

import pytest

from moecalc.render.heatmap import CELL, COLOURS, SHADES, heat_rows, heat_svg, loads_over_mean, step_of

COUNTS = [(10, 10, 10, 10), (40, 0, 0, 0), (1, 15, 8, 16)]


def test_shades_go_with_the_load_over_the_mean():
    assert loads_over_mean((40, 0, 0, 0)) == [4, 0, 0, 0]
    assert [step_of(load) for load in (0, 0.1, 0.11, 1, 1.01, 4, 4.01)] == [0, 0, 1, 2, 3, 4, 5]
    rows = heat_rows([0, 7, 12], COUNTS, 80)
    assert rows[0] == "layer  0  " + SHADES[2] * 4
    assert rows[1] == "layer  7  " + SHADES[4]
    assert rows[2] == "layer 12  " + "".join(SHADES[step_of(load)] for load in (0.1, 1.5, 0.8, 1.6))


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_neighbours_share_a_column_where_it_is_narrow_and_the_fullest_is_shown(columns):
    counts = [tuple(100 if at == 201 else 1 for at in range(256))]
    row, scale = heat_rows([0], counts, columns)
    assert len(row) <= columns
    assert row.count(SHADES[-1]) == 1
    assert "the fullest of" in scale


def test_the_svg_covers_every_cell_once_in_its_colour():
    root = ET.fromstring(heat_svg([0, 7, 12], COUNTS, "a < b"))
    names = {
        "{http://www.w3.org/2000/svg}text",
        "{http://www.w3.org/2000/svg}rect",
        "{http://www.w3.org/2000/svg}svg",
    }
    assert {element.tag for element in root.iter()} == names
    cells = {}
    for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
        if rect.get("fill") in COLOURS and rect.get("stroke") is None and rect.get("x"):
            x, y, width = (int(rect.get(name)) for name in ("x", "y", "width"))
            for at in range(width // CELL):
                place = ((y - 40) // CELL, (x - 64) // CELL + at)
                assert place not in cells
                cells[place] = COLOURS.index(rect.get("fill"))
    expected = {
        (layer, at): step_of(load)
        for layer, row in enumerate(COUNTS)
        for at, load in enumerate(loads_over_mean(row))
    }
    assert cells == expected
