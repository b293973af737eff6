"""`--via transformers`: what the library says while it builds is not the run's to print."""

import logging

import torch
import transformers

from moecalc.profile.measure.via_transformers import TransformersRunner
from tests.profile.measure.models import POSITIONS


class Heard(logging.Handler):
    """Keeps what is logged."""

    def __init__(self):
        super().__init__()
        self.said = []

    def emit(self, record):
        self.said.append(record.getMessage())


def test_ids_of_special_tokens_outside_a_small_vocabulary_are_not_warned_of():
    heard = Heard()
    logger = logging.getLogger("transformers")
    logger.addHandler(heard)
    otherwise = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_warning()  # which other tests of the process may have lowered
    before = transformers.logging.get_verbosity()
    try:
        transformers.AutoConfig.for_model("gpt2", vocab_size=511)
        assert any("bos_token_id" in line for line in heard.said)  # so there is something to silence
        heard.said.clear()
        TransformersRunner(POSITIONS, torch.device("cpu"), torch.float32, 0)
        assert transformers.logging.get_verbosity() == before
    finally:
        logger.removeHandler(heard)
        transformers.logging.set_verbosity(otherwise)
    assert heard.said == []
