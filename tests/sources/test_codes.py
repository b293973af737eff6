"""The norms that a type's layers have, against the modules that transformers makes for every type."""

from collections import defaultdict

import pytest

from moecalc.ir.roles import Role
from moecalc.sources.layouts.codes import NORMS_BY_TYPE, norms_of_type
from moecalc.sources.layouts.lift import choose, template_of
from moecalc.sources.layouts.vocabularies import KNOWN_NORMS, norm_of
from tests.oracle import reference
from tests.oracle.cases import small_configs

RENAMED = {"axk1", "kolibri1", "olmo_hybrid"}
"""Types whose norms have other names in a checkpoint (tests/checks/test_stored_names.py) than in their modules."""


@pytest.fixture(scope="module")
def registered():
    """The norms among the names that transformers registers, by type: of all variants of its config."""
    found = defaultdict(set)
    for _, config in small_configs():
        names = reference.language_parameters(reference.build_model(config, "meta"))
        templates = {template_of(name)[0] for name in names}
        layout = choose(templates)
        own = found[config["model_type"].replace("-", "_")]
        for template in templates:
            inner, entry = layout.split(template), layout.find(template)
            norm = norm_of(inner[1]) if inner else None
            if norm and entry and entry.roles[:1] == (Role.NORM,):
                own.add(norm)
    return {name: norms for name, norms in found.items() if norms and name not in RENAMED}


def test_each_type_has_the_norms_of_its_module(registered):
    assert {name: set(norms) for name, norms in NORMS_BY_TYPE.items()} == registered


def test_a_type_is_read_however_it_is_spelt():
    assert norms_of_type("GPT-Sw3") == {"ln_1", "ln_2"}
    for unknown in (None, "never_heard_of"):
        assert norms_of_type(unknown) == KNOWN_NORMS
