"""What one call of the model processes, and how often each operation runs in it."""

from enum import Enum

import msgspec

from moecalc.ir.numeric import (
    Number,
    minimum,
    sum_blocks_and_tail,
    sum_blocks_capped,
    sum_capped,
    sum_floor,
    sum_floor_capped,
    sum_in_chunks,
    sum_to,
)


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """The images and the sound of one sequence, as its towers see them."""

    images: Number = 0
    """Images, or tiles of one where its processor cuts it."""
    patches: Number = 0
    """Patches of each image."""
    grid: tuple[int, int] | None = None
    """Rows and columns of those patches, where they are known."""
    frames: Number = 0
    """Input frames of one clip of sound."""
    source: Number = 0
    """Vectors that cross-attention reads, cached from the first tokens on."""


NO_MEDIA = Media()


class Step(msgspec.Struct, frozen=True):
    """One forward call: `new` tokens behind `past` cached ones, for each of `batch` sequences.

    Prefill of P tokens is (P, 0, B). Decode at context C, i.e. C keys in all, is (1, C - 1, B).
    """

    new: Number
    past: Number = 0
    batch: Number = 1
    media: Media = NO_MEDIA

    @classmethod
    def prefill(cls, prompt: Number, batch: Number = 1, media: Media = NO_MEDIA) -> "Step":
        """The whole prompt at once, nothing cached."""
        return cls(prompt, 0, batch, media)

    @classmethod
    def decode(cls, context: Number, batch: Number = 1, media: Media = NO_MEDIA) -> "Step":
        """One new token that sees `context` keys, itself included."""
        return cls(1, context - 1, batch, media)

    @property
    def total(self) -> Number:
        """Tokens of a sequence after the step."""
        return self.past + self.new


class Pairs(Enum):
    """Which query-key pairs count."""

    CAUSAL = "causal"
    """Those the mask lets through: the mathematics."""
    FULL = "full"
    """Every score position a plain (unfused) attention computes before masking."""
    KEPT = "kept"
    """The same of an attention that drops the keys outside its window even where the reference masks them, and in a
    step of one token gathers the keys that a sparse attention chose."""


class Logits(Enum):
    """For how many positions the head runs."""

    LAST = "last"
    ALL = "all"


class Form(Enum):
    """Alternative ways to execute the same mathematics."""

    NAIVE = "naive"
    """MLA: keys and values re-expanded from every cached latent."""
    ABSORBED = "absorbed"
    """MLA: up-projections folded into the query and the output; attention runs on the latent itself."""
    CHUNK = "chunk"
    """Recurrences: matmuls within chunks, a scan over chunk states."""
    STEP = "step"
    """Recurrences: one state update per token."""
    COUNTED = "counted"
    """What transformers' pure-torch fallback executes, padding and loops included. Never what a layer needs."""


class Domain(Enum):
    """What an operation runs once for."""

    TOKENS = "tokens"
    """Each new token of each sequence."""
    LOGITS = "logits"
    """Each position the head runs for."""
    KEYS = "keys"
    """Each cached or new key of each sequence, whatever the number of queries (MLA's naive expansion)."""
    SEQUENCES = "sequences"
    SOURCE = "source"
    """Each vector that cross-attention reads, once: with the first tokens of a sequence."""
    PATCHES = "patches"
    """Each patch of each image, or each group of `joined` patches, and `beside` vectors more."""
    IMAGES = "images"
    FRAMES = "frames"
    """Each frame of sound, or each group of `joined` frames, the last one not always whole."""
    CLIPS = "clips"


class KeysKind(Enum):
    """Which keys one query meets."""

    NONE = "none"
    PAIRS = "pairs"
    """All tokens up to its own."""
    PREFIX = "prefix"
    """All tokens that are cached or read with it, those behind its own too."""
    WINDOW = "window"
    """The last `size` tokens, its own included."""
    WINDOW_MASKED = "window_masked"
    """The same window, but a plain implementation scores all cached tokens and masks the rest."""
    CHUNK = "chunk"
    """The tokens of its own chunk of `size`, up to its own (attention) ."""
    BLOCKS = "blocks"
    """One entry per closed block of `size` tokens."""
    TOP_K_BLOCKS = "top_k_blocks"
    """The tokens of at most `top_k` blocks of `size`, the block of its own among them."""
    TOP_K_BLOCKS_TAIL = "top_k_blocks_tail"
    """The tokens of at most `top_k` closed blocks of `size`, and those of the open one."""
    BLOCKS_SEEN = "blocks_seen"
    """One entry per block of `size` tokens closed before the query's next; transformers scores no others either."""
    TOP_K = "top_k"
    """At most `top_k` entries, chosen among one per closed block of `size` tokens."""
    SCAN_CHUNK = "scan_chunk"
    """All tokens of its chunk of `size` (chunked recurrences compute the square)."""
    SCAN_CHUNK_PADDED = "scan_chunk_padded"
    """The same with every sequence padded to whole chunks; none in a cached step."""
    SCAN_WHOLE_CHUNK = "scan_whole_chunk"
    """As `scan_chunk`, but tokens beyond the last whole chunk meet none: they run step by step (mLSTM)."""
    CHUNK_STATES = "chunk_states"
    """For each sequence: pairs of chunk boundaries, when chunk states are combined by one matmul; none in a
    cached step."""
    CHUNKS = "chunks"
    """For each sequence: chunks of `size` that hold new tokens."""
    CACHED_STEP = "cached_step"
    """For each sequence: 1 where one token follows cached ones (transformers runs the recurrence), else 0."""
    PADDED = "padded"
    """For each sequence: new tokens rounded up to whole chunks of `size`; none in a cached step."""
    PROMPT = "prompt"
    """Once for each sequence that has nothing cached."""
    CONV_PADDED_PROMPT = "conv_padded_prompt"
    """The same where only the prompt is convolved, and single steps multiply elementwise."""
    CONV_PADDED = "conv_padded"
    """For each sequence: output columns a padded convolution of kernel `size` computes before cropping."""
    CROSS = "cross"
    """All vectors of the source."""
    WITH_SOURCE = "with_source"
    """Once where there is a source; none without."""
    SQUARES = "squares"
    """The patches of its own square of `size` x `size` in the image's grid (Qwen2.5-VL's windows)."""
    BLOCK_CONTEXT = "block_context"
    """In sound: the last `top_k` frames, its own included, of the `size` that its block's queries score."""


class Keys(msgspec.Struct, frozen=True):
    """How many keys (or positions) an operation meets per unit of its domain."""

    kind: KeysKind = KeysKind.NONE
    size: Number = 1
    top_k: Number = 0


NO_KEYS = Keys()
ALL_PAIRS = Keys(KeysKind.PAIRS)


class Choices(msgspec.Struct, frozen=True):
    """The independent, named choices under which FLOPs are counted. `forms` holds every form in force."""

    pairs: Pairs
    logits: Logits
    forms: frozenset[Form]


class Extent(msgspec.Struct, frozen=True):
    """How often an operation runs in a step: a domain and, for attention, the keys each query meets."""

    domain: Domain = Domain.TOKENS
    keys: Keys = NO_KEYS
    joined: Number = 1
    """In a tower: patches or frames that are one unit here (a merger's square, a strided convolution's step)."""
    beside: Number = 0
    """In a tower: units of each image beside those (class tokens)."""

    def count(self, step: Step, choices: Choices) -> Number:
        """Runs of the operation in the step, over the whole batch."""
        return step.batch * self._per_sequence(step, choices)

    def _per_sequence(self, step: Step, choices: Choices) -> Number:
        if self.domain is Domain.LOGITS:
            return 1 if choices.logits is Logits.LAST else step.new
        if self.domain is Domain.KEYS:
            if self.keys.kind is KeysKind.WINDOW:
                return minimum(step.past, self.keys.size - 1) + step.new
            return step.total
        if self.domain is Domain.SEQUENCES:
            return 1
        media = step.media
        if self.domain is Domain.SOURCE:
            return media.source * (step.past == 0)
        if self.domain is Domain.IMAGES:
            return media.images
        if self.domain is Domain.CLIPS:
            return 1 * (media.frames > 0)
        if self.domain is Domain.PATCHES:
            return media.images * self._per_image(media) if media.images else 0
        if self.domain is Domain.FRAMES:
            return _frame_pairs(self.keys, -(-media.frames // self.joined), choices.pairs)
        return pairs_per_sequence(self.keys, step, choices.pairs)

    def _per_image(self, media: Media) -> Number:
        """Units of one image, or the pairs of them that attend: a tower masks nothing within an image."""
        units = media.patches // self.joined + self.beside
        if self.keys.kind is KeysKind.NONE:
            return units
        if self.keys.kind is KeysKind.PAIRS:
            return units * units
        if self.keys.kind is KeysKind.SQUARES:
            if media.grid is None:
                raise AssertionError("windows over patches need the rows and columns of an image")
            rows, columns = media.grid
            return _in_squares(rows, self.keys.size) * _in_squares(columns, self.keys.size)
        raise AssertionError(self.keys.kind)


def _frame_pairs(keys: Keys, frames: Number, pairs: Pairs) -> Number:
    """Units of one clip of sound, or the pairs of them that attend; most encoders see a clip as a whole."""
    if keys.kind is KeysKind.NONE:
        return frames
    if keys.kind is KeysKind.PAIRS:
        return frames * frames
    if keys.kind is KeysKind.SCAN_CHUNK:
        return _in_squares(frames, keys.size)
    if keys.kind is KeysKind.BLOCK_CONTEXT:
        return sum_capped(keys.top_k, frames) if pairs is Pairs.CAUSAL else frames * keys.size
    raise AssertionError(keys.kind)


def _in_squares(side: Number, size: Number) -> Number:
    """Pairs along one side of a grid that is cut every `size` patches."""
    whole, rest = side // size, side % size
    return whole * size * size + rest * rest


def pairs_per_sequence(keys: Keys, step: Step, pairs: Pairs) -> Number:
    """Query-key pairs of one sequence in the step, under the choice of pairs."""
    kind, size = keys.kind, keys.size
    new, past, total = step.new, step.past, step.total
    full = pairs is not Pairs.CAUSAL
    if kind is KeysKind.WINDOW_MASKED and pairs is Pairs.KEPT:
        kind = KeysKind.WINDOW
    if kind is KeysKind.NONE:
        return new
    if kind is KeysKind.PAIRS:
        return new * total if full else sum_to(total) - sum_to(past)
    if kind is KeysKind.PREFIX:
        return new * total
    if kind is KeysKind.WINDOW:
        # Plain attention scores every new token against the cached window and all new tokens.
        return new * (minimum(past, size - 1) + new) if full else _between(sum_capped, size, past, total)
    if kind is KeysKind.WINDOW_MASKED:
        return new * total if full else _between(sum_capped, size, past, total)
    if kind is KeysKind.CHUNK:
        return new * (minimum(past, size - 1) + new) if full else _between(sum_in_chunks, size, past, total)
    if kind is KeysKind.BLOCKS:
        return new * (total // size) if full else _between(sum_floor, size, past, total)
    if kind in _SUMS_OF_CHOSEN:
        return _of_chosen(keys, step, pairs)
    if kind is KeysKind.BLOCKS_SEEN:
        return _between(sum_floor, size, past, total)
    if kind is KeysKind.SCAN_CHUNK:
        whole = new // size
        rest = new - whole * size
        return whole * size * size + rest * rest
    if kind is KeysKind.SCAN_WHOLE_CHUNK:
        return new // size * size * size
    chunks = -(-new // size)
    if kind is KeysKind.CHUNKS:
        return chunks
    cached_step = (new == 1) * (past > 0)
    if kind is KeysKind.CACHED_STEP:
        return cached_step
    if kind is KeysKind.SCAN_CHUNK_PADDED:
        return chunks * size * size * (1 - cached_step)
    if kind is KeysKind.CHUNK_STATES:
        return (chunks + 1) * (chunks + 1) * (1 - cached_step)
    if kind is KeysKind.PADDED:
        return chunks * size * (1 - cached_step)
    if kind is KeysKind.PROMPT:
        return 1 * (past == 0)
    if kind is KeysKind.CONV_PADDED_PROMPT:
        return (new + size - 1) * (past == 0)
    if kind is KeysKind.CONV_PADDED:
        # transformers 5.23 keeps `size` columns of state and convolves them with the one new token: 2 outputs.
        return new + size - 1 if step.past == 0 else new + 1
    if kind is KeysKind.CROSS:
        return new * step.media.source
    if kind is KeysKind.WITH_SOURCE:
        return new * (step.media.source > 0)
    raise AssertionError(kind)


_SUMS_OF_CHOSEN = {
    KeysKind.TOP_K: sum_floor_capped,
    KeysKind.TOP_K_BLOCKS: sum_blocks_capped,
    KeysKind.TOP_K_BLOCKS_TAIL: sum_blocks_and_tail,
}
"""Pairs up to a token, of attention that chooses its keys."""


def _of_chosen(keys: Keys, step: Step, pairs: Pairs) -> Number:
    """Pairs of attention that chooses its keys: a plain implementation masks, it scores every entry and keeps some."""
    summed = _SUMS_OF_CHOSEN[keys.kind]
    chosen = summed(keys.size, keys.top_k, step.total) - summed(keys.size, keys.top_k, step.past)
    if pairs is Pairs.CAUSAL:
        return chosen
    every = step.new * (step.total // keys.size if keys.kind is KeysKind.TOP_K else step.total)
    if pairs is Pairs.FULL:
        return every
    return every + (step.new == 1) * (chosen - every)


def _between(prefix_sum: "object", size: Number, past: Number, total: Number) -> Number:
    return prefix_sum(size, total) - prefix_sum(size, past)  # type: ignore[operator]
