"""Which configs and catalogue models cap the scores of attention, and that the cap costs nothing by itself."""

import msgspec
import pytest

from moecalc.api.loading import load
from moecalc.errors import InputError
from moecalc.sources.hf_config import read_config
from tests.oracle.families import gemma2, gemma3_text, llama, vaultgemma
from tests.sources.test_remote_code_families import GROK_1


def capped(architecture):
    return {layer.mixer.softcap for stack in architecture.stacks for layer in stack.layers.values()}


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        (gemma2.TINY, True),  # 50 by the class's default
        ({**gemma2.TINY, "attn_logit_softcapping": 30.0}, True),
        ({**gemma2.TINY, "attn_logit_softcapping": None}, False),
        (vaultgemma.TINY, True),
        ({**vaultgemma.TINY, "attn_logit_softcapping": None}, False),
        (gemma3_text.TINY, False),
        ({**gemma3_text.TINY, "attn_logit_softcapping": 50.0}, True),
        (GROK_1, True),
        (llama.TINY, False),
    ],
)
def test_configs(config, wanted):
    assert capped(read_config(config).architecture) == {wanted}


def test_a_cap_that_is_no_number():
    with pytest.raises(InputError, match="attn_logit_softcapping"):
        read_config({**gemma2.TINY, "attn_logit_softcapping": "high"})


@pytest.mark.parametrize("name", ["gemma-2-2b", "gemma-2-9b", "gemma-2-27b", "grok-1"])
def test_catalogue(name):
    assert capped(load(name).architecture) == {True}


def test_a_cap_has_no_row():
    architecture = read_config(gemma2.TINY).architecture
    (stack,) = architecture.stacks
    free = {
        name: msgspec.structs.replace(layer, mixer=msgspec.structs.replace(layer.mixer, softcap=False))
        for name, layer in stack.layers.items()
    }
    other = msgspec.structs.replace(architecture, stacks=[msgspec.structs.replace(stack, layers=free)])
    assert other.lower_to_ledger() == architecture.lower_to_ledger()
