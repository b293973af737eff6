"""Prompts of a length in the server's own tokens, made of one word again and again, no two with the same beginning."""

from collections.abc import Callable
from uuid import uuid4

import msgspec

from moecalc.specs.endpoint_run import Request

SHORT, LONG = 32, 160
"""Words of the two prompts from whose lengths in tokens the lengths of all others follow."""


class Prompts(msgspec.Struct, frozen=True, kw_only=True):
    """How many words make a prompt of the length that was asked for."""

    words: int
    counted: bool
    """Whether the server's own count stands behind it; a word is taken as a token where not."""

    def next(self) -> str:
        """A prompt. Each begins with another number, so that no server has its beginning cached."""
        return prompt_of(self.words)


def prompt_of(words: int) -> str:
    """That many words behind a number of eight digits in base 16."""
    return uuid4().hex[:8] + " the" * words


def calibrate(tokens: int, ask: Callable[[str], Request]) -> Prompts:
    """How long prompts of so many tokens are, by the server's count of two others. They warm it up, too."""
    short, long_ = (ask(prompt_of(words)).prompt_tokens for words in (SHORT, LONG))
    if short is None or long_ is None or long_ <= short:
        return Prompts(words=tokens, counted=False)
    each = (long_ - short) / (LONG - SHORT)
    return Prompts(words=max(1, round((tokens - short) / each) + SHORT), counted=True)
