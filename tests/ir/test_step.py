"""How often an operation runs in a step: every kind of keys against a walk over positions."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moecalc.ir.step import (
    Choices,
    Domain,
    Extent,
    Form,
    Keys,
    KeysKind,
    Logits,
    Media,
    Pairs,
    Step,
    pairs_per_sequence,
)

CAUSAL_LAST = Choices(Pairs.CAUSAL, Logits.LAST, frozenset({Form.NAIVE}))
FULL_ALL = Choices(Pairs.FULL, Logits.ALL, frozenset({Form.NAIVE}))


# ------------------------------------------------------------------------------- the walk over positions


def seen(kind, size, top_k, i):
    """How many entries the query at position i (from 1) meets, by looking at every one of them."""
    tokens = range(1, i + 1)
    if kind is KeysKind.PAIRS:
        return len(tokens)
    if kind in (KeysKind.WINDOW, KeysKind.WINDOW_MASKED):
        return sum(j > i - size for j in tokens)
    if kind is KeysKind.CHUNK:
        return sum((j - 1) // size == (i - 1) // size for j in tokens)
    closed_blocks = range(size, i + 1, size)
    if kind in (KeysKind.BLOCKS, KeysKind.TOP_K):
        return len(closed_blocks if kind is KeysKind.BLOCKS else closed_blocks[:top_k])
    if kind is KeysKind.TOP_K_BLOCKS:
        # its own block and the nearest ones before it, of which all are as large
        chosen = sorted({(j - 1) // size for j in tokens})[-top_k:]
        return sum((j - 1) // size in chosen for j in tokens)
    if kind is KeysKind.TOP_K_BLOCKS_TAIL:
        open_block = i - size * len(closed_blocks)
        return size * len(closed_blocks[:top_k]) + open_block
    raise AssertionError(kind)


def scored(kind, size, new, past):
    """Entries a plain implementation scores for each new query before it masks."""
    total = past + new
    masked = (KeysKind.WINDOW_MASKED, KeysKind.TOP_K_BLOCKS, KeysKind.TOP_K_BLOCKS_TAIL)
    if kind is KeysKind.PAIRS or kind in masked:
        return total
    if kind in (KeysKind.WINDOW, KeysKind.CHUNK):
        # the cache keeps the last size - 1 tokens; the new ones come on top
        return sum(j > past - (size - 1) for j in range(1, past + 1)) + new
    if kind in (KeysKind.BLOCKS, KeysKind.TOP_K):
        return sum(1 for _ in range(size, total + 1, size))
    raise AssertionError(kind)


ATTENTION = [
    KeysKind.PAIRS,
    KeysKind.WINDOW,
    KeysKind.WINDOW_MASKED,
    KeysKind.CHUNK,
    KeysKind.BLOCKS,
    KeysKind.TOP_K,
    KeysKind.TOP_K_BLOCKS,
    KeysKind.TOP_K_BLOCKS_TAIL,
]
CHOSEN = [KeysKind.TOP_K, KeysKind.TOP_K_BLOCKS, KeysKind.TOP_K_BLOCKS_TAIL]

steps = st.one_of(
    st.builds(Step, st.integers(1, 60)),  # prefill
    st.builds(Step, st.integers(1, 40), st.integers(1, 60)),  # a chunk of a prompt behind a past
    st.builds(Step.decode, st.integers(1, 100)),
)
sizes, top_ks = st.integers(1, 20), st.integers(1, 10)


@pytest.mark.parametrize("kind", ATTENTION)
@given(step=steps, size=sizes, top_k=top_ks)
def test_causal_pairs_are_what_each_query_sees(kind, step, size, top_k):
    queries = range(step.past + 1, step.past + step.new + 1)
    walked = sum(seen(kind, size, top_k, i) for i in queries)
    assert pairs_per_sequence(Keys(kind, size, top_k), step, Pairs.CAUSAL) == walked


@given(step=steps, size=sizes)
def test_blocks_seen_are_the_blocks_closed_at_each_query(step, size):
    queries = range(step.past + 1, step.past + step.new + 1)
    walked = sum(seen(KeysKind.BLOCKS, size, 0, i) for i in queries)
    for pairs in Pairs:
        assert pairs_per_sequence(Keys(KeysKind.BLOCKS_SEEN, size), step, pairs) == walked


@pytest.mark.parametrize("kind", ATTENTION)
@given(step=steps, size=sizes, top_k=top_ks)
def test_kept_pairs_drop_what_lies_outside_a_window_and_gather_in_a_step_of_one_token(
    kind, step, size, top_k
):
    dropped = KeysKind.WINDOW if kind is KeysKind.WINDOW_MASKED else kind
    if kind in CHOSEN and step.new == 1:
        walked = seen(kind, size, top_k, step.total)
    else:
        walked = step.new * scored(dropped, size, step.new, step.past)
    assert pairs_per_sequence(Keys(kind, size, top_k), step, Pairs.KEPT) == walked


@pytest.mark.parametrize("kind", ATTENTION)
@given(step=steps, size=sizes, top_k=top_ks)
def test_full_pairs_are_what_is_scored_before_masking(kind, step, size, top_k):
    walked = step.new * scored(kind, size, step.new, step.past)
    assert pairs_per_sequence(Keys(kind, size, top_k), step, Pairs.FULL) == walked


@pytest.mark.parametrize("kind", ATTENTION)
@given(step=steps, size=sizes, top_k=top_ks)
def test_the_mask_never_adds_pairs(kind, step, size, top_k):
    keys = Keys(kind, size, top_k)
    assert pairs_per_sequence(keys, step, Pairs.CAUSAL) <= pairs_per_sequence(keys, step, Pairs.FULL)


@pytest.mark.parametrize("kind", [*ATTENTION, KeysKind.NONE])
@given(first=st.integers(1, 40), second=st.integers(1, 40), size=sizes, top_k=top_ks)
def test_a_prompt_in_two_chunks_has_the_pairs_of_the_whole(kind, first, second, size, top_k):
    keys = Keys(kind, size, top_k)
    parts = [Step(first), Step(second, first)]
    whole = pairs_per_sequence(keys, Step(first + second), Pairs.CAUSAL)
    assert whole == sum(pairs_per_sequence(keys, part, Pairs.CAUSAL) for part in parts)


@given(st.integers(1, 200))
def test_a_prompt_of_n_has_n_n_plus_1_over_2_pairs_or_n_squared(n):
    keys = Keys(KeysKind.PAIRS)
    assert pairs_per_sequence(keys, Step(n), Pairs.CAUSAL) == n * (n + 1) // 2
    assert pairs_per_sequence(keys, Step(n), Pairs.FULL) == n * n


# -------------------------------------------------------------------------------- recurrences in chunks


def chunks_of(new, size):
    """The new tokens cut into chunks."""
    return [list(range(start, min(start + size, new))) for start in range(0, new, size)]


@given(step=steps, size=sizes)
def test_chunked_recurrences(step, size):
    cut = chunks_of(step.new, size)
    cached = step.new == 1 and step.past > 0

    def count(kind):
        return pairs_per_sequence(Keys(kind, size), step, Pairs.CAUSAL)

    assert count(KeysKind.NONE) == step.new
    assert count(KeysKind.CHUNKS) == len(cut)
    assert count(KeysKind.SCAN_CHUNK) == sum(len(chunk) ** 2 for chunk in cut)
    assert count(KeysKind.SCAN_WHOLE_CHUNK) == sum(size**2 for chunk in cut if len(chunk) == size)
    assert count(KeysKind.CACHED_STEP) == (1 if cached else 0)
    assert count(KeysKind.PADDED) == (0 if cached else sum(size for _ in cut))
    assert count(KeysKind.SCAN_CHUNK_PADDED) == (0 if cached else sum(size**2 for _ in cut))
    # the state that enters, and one behind each chunk, are combined pair by pair
    assert count(KeysKind.CHUNK_STATES) == (0 if cached else (1 + len(cut)) ** 2)


@given(new=st.integers(1, 60), kernel=st.integers(1, 9))
def test_a_padded_convolution_computes_columns_that_are_cropped(new, kernel):
    # padding kernel - 1 on both sides of `new` inputs leaves new + 2 (kernel - 1) - (kernel - 1) outputs
    columns = new + 2 * (kernel - 1) - (kernel - 1)
    for kind in (KeysKind.CONV_PADDED, KeysKind.CONV_PADDED_PROMPT):
        assert pairs_per_sequence(Keys(kind, kernel), Step(new), Pairs.CAUSAL) == columns


IN_TOWERS = {KeysKind.SQUARES, KeysKind.BLOCK_CONTEXT}


def test_recurrences_do_not_depend_on_the_choice_of_pairs():
    step = Step(37, 5)
    for kind in set(KeysKind) - set(ATTENTION) - IN_TOWERS:
        keys = Keys(kind, 8)
        assert pairs_per_sequence(keys, step, Pairs.CAUSAL) == pairs_per_sequence(keys, step, Pairs.FULL)


# ------------------------------------------------------------------------------------------------ domains


def test_prefill_and_decode_are_two_steps():
    assert Step.prefill(100, 3) == Step(new=100, past=0, batch=3)
    assert Step.decode(100, 3) == Step(new=1, past=99, batch=3)
    assert Step.decode(100).total == Step.prefill(100).total == 100


def test_logits_run_once_per_sequence_or_once_per_token():
    logits = Extent(Domain.LOGITS)
    assert logits.count(Step.prefill(100, 3), CAUSAL_LAST) == 3
    assert logits.count(Step.prefill(100, 3), FULL_ALL) == 300
    assert logits.count(Step.decode(100, 3), FULL_ALL) == 3


def test_keys_are_all_of_them_whatever_the_number_of_queries():
    keys = Extent(Domain.KEYS)
    assert keys.count(Step.prefill(100, 3), CAUSAL_LAST) == 300
    assert keys.count(Step.decode(100, 3), CAUSAL_LAST) == 300
    assert keys.count(Step(10, 90, 3), FULL_ALL) == 300


@given(step=steps, window=sizes)
def test_keys_of_a_window_are_those_any_new_query_sees(step, window):
    queries = range(step.past + 1, step.past + step.new + 1)
    met = {j for i in queries for j in range(max(1, i - window + 1), i + 1)}
    extent = Extent(Domain.KEYS, Keys(KeysKind.WINDOW, window))
    assert extent.count(step, CAUSAL_LAST) == len(met)


def test_sequences_run_once_each():
    assert Extent(Domain.SEQUENCES).count(Step.prefill(100, 3), FULL_ALL) == 3


@given(step=steps, batch=st.integers(1, 9))
def test_the_batch_multiplies(step, batch):
    many = Step(step.new, step.past, batch)
    for extent in (Extent(), Extent(Domain.TOKENS, Keys(KeysKind.PAIRS)), Extent(Domain.LOGITS)):
        assert extent.count(many, FULL_ALL) == batch * extent.count(step, FULL_ALL)


def test_a_step_without_images_or_sound_runs_no_tower():
    for domain in (Domain.PATCHES, Domain.IMAGES, Domain.FRAMES, Domain.CLIPS, Domain.SOURCE):
        for extent in (Extent(domain), Extent(domain, Keys(KeysKind.PAIRS), joined=4, beside=1)):
            assert extent.count(Step(1), CAUSAL_LAST) == 0
    for kind in (KeysKind.CROSS, KeysKind.WITH_SOURCE):
        assert Extent(keys=Keys(kind)).count(Step(7), CAUSAL_LAST) == 0


@given(
    images=st.integers(1, 5),
    merges=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    batch=st.integers(1, 3),
    size=st.integers(1, 12),
)
def test_units_of_an_image_one_by_one(images, merges, batch, size):
    rows, columns = 2 * merges[0], 2 * merges[1]
    step = Step(1, 0, batch, Media(images=images, patches=rows * columns, grid=(rows, columns)))

    def count(*extent, **units):
        return Extent(Domain.PATCHES, *extent, **units).count(step, CAUSAL_LAST)

    places = list(itertools.product(range(rows), range(columns)))
    assert count() == batch * images * len(places)
    assert count(joined=4) == batch * images * merges[0] * merges[1]
    assert count(Keys(KeysKind.PAIRS), beside=1) == batch * images * (len(places) + 1) ** 2
    squares = [(row // size, column // size) for row, column in places]
    meeting = sum(a == b for a in squares for b in squares)
    assert count(Keys(KeysKind.SQUARES, size)) == batch * images * meeting


@given(
    frames=st.integers(1, 90), joined=st.sampled_from([1, 2, 4, 8]), block=st.integers(1, 13), data=st.data()
)
def test_frames_of_a_clip_one_by_one(frames, joined, block, data):
    window = data.draw(st.integers(1, 13))
    units = len(range(0, frames, joined))
    step = Step(1, media=Media(frames=frames))

    def count(choices, *keys):
        return Extent(Domain.FRAMES, *keys, joined=joined).count(step, choices)

    assert count(CAUSAL_LAST) == units
    assert count(CAUSAL_LAST, Keys(KeysKind.PAIRS)) == units**2
    chunks = [frame // block for frame in range(units)]
    assert count(CAUSAL_LAST, Keys(KeysKind.SCAN_CHUNK, block)) == sum(a == b for a in chunks for b in chunks)
    context = Keys(KeysKind.BLOCK_CONTEXT, block + window, window)
    seen = sum(0 <= query - key < window for query in range(units) for key in range(units))
    assert count(CAUSAL_LAST, context) == seen
    assert count(FULL_ALL, context) == units * (block + window)


def test_a_source_is_read_once_and_met_by_every_token():
    media = Media(source=68)
    first, second = Step(40, 0, 2, media), Step(60, 40, 2, media)
    assert [Extent(Domain.SOURCE).count(step, CAUSAL_LAST) for step in (first, second)] == [2 * 68, 0]
    assert Extent(keys=Keys(KeysKind.CROSS)).count(second, CAUSAL_LAST) == 2 * 60 * 68
    assert Extent(keys=Keys(KeysKind.WITH_SOURCE)).count(second, CAUSAL_LAST) == 2 * 60


# -------------------------------------------------------------------------------------------------- arrays


# The kinds that stand in a form a sweep can ask for; the others tell what one reference executes.
SWEPT = [
    *ATTENTION,
    KeysKind.NONE,
    KeysKind.SCAN_CHUNK,
    KeysKind.SCAN_WHOLE_CHUNK,
    KeysKind.SCAN_CHUNK_PADDED,
    KeysKind.CHUNKS,
    KeysKind.CHUNK_STATES,
    KeysKind.CACHED_STEP,
    KeysKind.PADDED,
]


@pytest.mark.parametrize("pairs", Pairs)
@pytest.mark.parametrize("kind", SWEPT)
def test_arrays_of_steps_give_what_single_steps_give(kind, pairs):
    new, past = np.array([1, 1, 7, 64, 100]), np.array([0, 12, 0, 30, 200])
    keys = Keys(kind, 8, 3)
    together = pairs_per_sequence(keys, Step(new, past), pairs)
    alone = [pairs_per_sequence(keys, Step(int(n), int(p)), pairs) for n, p in zip(new, past, strict=True)]
    assert together.tolist() == alone
