"""Runs of words that are the name of a model, a device or a quantization."""

from __future__ import annotations

import re

from moecalc.sources import catalog
from moecalc.specs import hardware
from moecalc.specs.gguf_mixtures import find_mixture

MOST_WORDS = 6
"""Of a model's name: `Nemotron 3 Super 120B-A12B` has four."""

SPELLINGS = {
    "4-bit": "int4",
    "4bit": "int4",
    "4-bits": "int4",
    "8-bit": "int8",
    "8bit": "int8",
    "8-bits": "int8",
    "16-bit": "bf16",
    "16bit": "bf16",
    "16-bits": "bf16",
    "fp4": "nvfp4",
    "f16": "fp16",
    "f32": "fp32",
    "bfloat16": "bf16",
}
"""What people call a format -> its name."""

PLAIN = ("fp32", "fp16", "bf16", "fp8", "int8", "int4", "mxfp4", "nvfp4")

_RUN = re.compile(r"[^\s,;()\0]+")
NUMBERS = {
    "one": 1,
    "single": 1,
    "two": 2,
    "dual": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "twelve": 12,
    "sixteen": 16,
    "thirty-two": 32,
    "sixty-four": 64,
}
"""Counts of devices that are spelt out."""

_COUNT = re.compile(rf"(?<![\w.])(?P<count>\d{{1,6}}|{'|'.join(NUMBERS)})\s*(?:[x×]\s*|\s+)$", re.IGNORECASE)
_RACK = re.compile(r"nvl[ -]?(?P<count>\d{2,3})$", re.IGNORECASE)
"""A rack of so many devices, named as one: `GB200 NVL72`."""

_BOX = re.compile(r"[ -]?\(?(?P<number>\d{1,4})\s?GB\)?(?![\w/-])", re.IGNORECASE)
"""The memory on a device's box, behind its name: `M3 Ultra 512GB`."""

_GLUED = re.compile(r"(?P<count>\d{1,6})[x×](?P<rest>.*)", re.IGNORECASE)

Found = tuple[str, str, str]
"""(text with the words taken out, what they name, the words)."""


def find_model(text: str) -> tuple[str, str | None]:
    """The longest run of words that names a model of the catalogue, taken out of the text; of equals the first."""
    known = catalog.spellings()
    for start, end in _runs(text, MOST_WORDS):
        words = text[start:end].strip(".:'\"")
        name = known.get(catalog.normal(words)) or (
            known.get(catalog.collapsed(words)) if re.search(r"\d", words) else None
        )
        if name is not None:
            return _without(text, start, end), name
    return text, None


def find_device(text: str) -> Found | None:
    """The first devices that are named, with their count: `8x h100`."""
    for start, end in _runs(text, 5):
        words = text[start:end].strip(".:'\"")
        glued = _GLUED.fullmatch(words)
        name, before, count = _device(words), None, "1"
        if name is None and glued is not None and glued["rest"]:
            name, count = _device(glued["rest"]), glued["count"]
        elif name is not None:
            before = _COUNT.search(text[:start])
            count = before["count"] if before is not None else "1"
            count = str(NUMBERS.get(count.lower(), count))
        if name is not None:
            first = before.start() if before is not None else start
            rack = _RACK.search(words)
            if rack is not None and count == "1":
                count = rack["count"]
            return (
                _without(text, first, _behind_box(text, end, name)),
                f"{count}x {_device_words(words)}",
                text[start:end],
            )
    return None


def _behind_box(text: str, end: int, name: str) -> int:
    """Where a device ends that is named with its memory; other sizes behind it are no part of its name."""
    box = _BOX.match(text, end)
    memory = hardware.accelerator(name).memory.marketing
    said = box is not None and memory is not None and memory.value == f"{box['number']} GB"
    return box.end() if box is not None and said else end


def find_quantization(text: str) -> Found | None:
    """The first quantization that is named."""
    for start, end in _runs(text, 2):
        words = text[start:end].strip(".:'\"").lower()
        name = SPELLINGS.get(words.replace(" ", "-"), words)
        if is_quantization(name):
            return _without(text, start, end), name, text[start:end]
    return None


def is_quantization(name: str) -> bool:
    """Whether it is a plain format, one of llama.cpp's mixtures, or a recipe."""
    if name in PLAIN or find_mixture(name) is not None:
        return True
    if " " in name or not re.search(r"[a-z]", name):
        return False
    from moecalc.errors import InputError
    from moecalc.specs.recipes import find_recipe

    try:
        return find_recipe(name) is not None
    except InputError:  # a recipe's name with a choice that it has not
        return True


def _device(words: str) -> str | None:
    """The device that is named, in the plural too (`h100s`)."""
    return hardware.find_name(words) or (hardware.find_name(words[:-1]) if words.endswith("s") else None)


def _device_words(words: str) -> str:
    glued = _GLUED.fullmatch(words)
    if glued is not None and _device(words) is None:
        words = glued["rest"]
    if hardware.find_name(words) is None:
        words = words[:-1]
    return words.strip().lower().replace(" ", "-")


def _runs(text: str, most: int) -> list[tuple[int, int]]:
    """Runs of neighbouring words, the longest first, that no comma or taken text divides."""
    words = [(match.start(), match.end()) for match in _RUN.finditer(text)]
    runs = []
    for length in range(most, 0, -1):
        for index in range(len(words) - length + 1):
            start, end = words[index][0], words[index + length - 1][1]
            if not re.search(r"[,;()\0]", text[start:end]):
                runs.append((start, end))
    return runs


def _without(text: str, start: int, end: int) -> str:
    return text[:start] + "\0" * (end - start) + text[end:]
