"""GGUF headers: what gguf-py writes is read; faults give one clear error, in bounded time and memory."""

import contextlib
import os
import struct
import time
import tracemalloc

import gguf as gguf_py
import numpy as np
import pytest
from gguf.constants import GGML_QUANT_SIZES
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from moecalc.errors import InputError
from moecalc.sources.headers.gguf import MAX_TENSORS, Cut, NeedsMore, parse, parts_of, read_gguf
from moecalc.sources.headers.gguf_bytes import MAX_KEPT_IN_ALL
from moecalc.specs.gguf_types import BY_CODE, TYPES
from tests.sources.headers.gguf_written import header_of, write

META = {"general.architecture": "llama", "llama.block_count": 1}
F32, Q4_K = 0, 12
ONE = ("token_embd.weight", [64, 10], F32, 0)
ONE_BYTES = 64 * 10 * 4


@pytest.mark.parametrize("order", [gguf_py.GGUFEndian.LITTLE, gguf_py.GGUFEndian.BIG], ids=lambda o: o.name)
def test_reads_what_gguf_py_writes(tmp_path, order):
    path = tmp_path / "model.gguf"
    writer = gguf_py.GGUFWriter(path, "llama", endianess=order)
    writer.add_block_count(2)
    writer.add_head_count_kv([1, 2])
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_bool("a.flag", True)
    writer.add_array("general.tags", ["x", "yy"])
    writer.add_token_list([f"<{i}>" for i in range(5000)])
    writer.add_token_scores([0.5] * 5000)
    writer.add_tensor("token_embd.weight", np.zeros((10, 64), dtype=np.float32))
    writer.add_tensor(
        "blk.0.ffn_down_exps.weight",
        np.zeros((4, 2, 2 * 144), dtype=np.uint8),
        raw_dtype=gguf_py.GGMLQuantizationType.Q4_K,
    )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = read_gguf(path)
    assert header.metadata["llama.block_count"] == 2
    assert header.metadata["llama.attention.head_count_kv"] == [1, 2]
    assert header.metadata["llama.attention.layer_norm_rms_epsilon"] == pytest.approx(1e-5)
    assert header.metadata["a.flag"] is True
    assert header.metadata["general.tags"] == ["x", "yy"]
    assert header.metadata["tokenizer.ggml.tokens"] == Cut(5000)
    assert len(header.metadata["tokenizer.ggml.scores"]) == 5000
    embedding, experts = header.tensors
    assert (embedding.dtype, embedding.shape, embedding.bytes) == ("F32", (10, 64), 2560)
    assert (experts.dtype, experts.shape, experts.bytes) == ("Q4_K", (4, 2, 512), 4 * 2 * 2 * 144)
    assert not header.notes


@pytest.mark.parametrize("type_", TYPES, ids=lambda t: t.name)
def test_block_sizes_are_those_of_gguf_py(type_):
    if type_.name == "Q2_0":
        pytest.skip("newer than this gguf-py: QK2_0 = 64, 2 + 16 bytes (ggml-common.h)")
    block, size = GGML_QUANT_SIZES[gguf_py.GGMLQuantizationType(type_.code)]
    assert type_.name == gguf_py.GGMLQuantizationType(type_.code).name
    # gguf-py still says 40 for Q8_1, which no file stores: two halves and 32 values since 2024 (ggml-common.h).
    assert (type_.block, type_.bytes) == (block, 36 if type_.name == "Q8_1" else size)


def test_no_type_of_gguf_py_is_missing():
    assert {int(code) for code in GGML_QUANT_SIZES} <= BY_CODE.keys()


@pytest.mark.parametrize("version", [2, 3])
def test_versions_2_and_3(tmp_path, version):
    path = write(tmp_path / "a.gguf", META, [ONE], ONE_BYTES, version=version)
    assert read_gguf(path).elements == 640


def test_alignment_of_its_own(tmp_path):
    meta = {**META, "general.alignment": 128}
    tensors = [("a", [8], F32, 0), ("b", [8], F32, 128)]
    header = read_gguf(write(tmp_path / "a.gguf", meta, tensors, 256, alignment=128))
    assert header.total_bytes == 64


def test_a_scalar_and_an_empty_file_of_metadata(tmp_path):
    assert read_gguf(write(tmp_path / "a.gguf", META, [("s", [], F32, 0)], 4)).elements == 1
    assert read_gguf(write(tmp_path / "b.gguf", META, [], 0)).tensors == ()


def test_bytes_of_no_tensor_are_said(tmp_path):
    path = write(tmp_path / "a.gguf", META, [ONE], ONE_BYTES + 4096)
    assert read_gguf(path).notes == ("4,096 bytes between or behind the tensors belong to none",)


def test_split_files_are_one_model(tmp_path):
    for number in (1, 2):
        meta = {**META, "split.count": 2, "split.tensors.count": 2, "split.no": number - 1}
        tensor = (f"blk.{number}.attn_q.weight", [64, 10], F32, 0)
        write(tmp_path / f"m-{number:05}-of-00002.gguf", meta, [tensor], ONE_BYTES)
    header = read_gguf(tmp_path / "m-00002-of-00002.gguf")
    assert header.files == ("m-00001-of-00002.gguf", "m-00002-of-00002.gguf")
    assert header.elements == 1280
    assert header.metadata["split.no"] == 0
    assert header.notes == ()


def test_split_faults(tmp_path):
    write(tmp_path / "m-00001-of-00003.gguf", META, [ONE], ONE_BYTES)
    with pytest.raises(InputError, match="2 of its 3 parts are missing: `m-00002-of-00003"):
        read_gguf(tmp_path / "m-00001-of-00003.gguf")
    with pytest.raises(InputError, match="part 4 of 3 cannot be"):
        parts_of(tmp_path / "m-00004-of-00003.gguf")
    with pytest.raises(InputError, match="cannot be"):
        parts_of(tmp_path / "m-00001-of-99999.gguf")
    meta = {**META, "split.count": 2, "split.tensors.count": 9}
    for number in (1, 2):
        write(tmp_path / f"n-{number:05}-of-00002.gguf", meta, [ONE], ONE_BYTES)
    header = read_gguf(tmp_path / "n-00001-of-00002.gguf")
    assert [tensor.name for tensor in header.duplicates] == ["token_embd.weight"]
    assert any("9 tensors; they hold 1" in note for note in header.notes)


def test_links_are_followed_and_said(tmp_path):
    write(tmp_path / "real", META, [ONE], ONE_BYTES)
    (tmp_path / "a.gguf").symlink_to(tmp_path / "real")
    assert read_gguf(tmp_path / "a.gguf").notes == ("symbolic links were followed: `a.gguf`",)
    (tmp_path / "b.gguf").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="cannot read it"):
        read_gguf(tmp_path / "b.gguf")


HUGE = 2**62

FAULTS = {
    "overlap": (META, [ONE, ("b", [64], F32, 32)], 4096, "overlap"),
    "not aligned": (META, [("a", [64], F32, 7)], 4096, "not aligned to 32 bytes"),
    "beyond the file": (META, [("a", [64], F32, 1 << 40)], 4096, "ends at byte"),
    "cut data": (META, [ONE], 100, "cut short: `token_embd.weight` ends at byte 2,560"),
    "two names": (META, [ONE, ONE], 4096, "two tensors are named"),
    "unknown type": (META, [("a", [64], 144, 0)], 4096, "type 144"),
    "removed type": (META, [("a", [64], 31, 0)], 4096, "Q4_0_4_4"),
    "part of a block": (META, [("a", [100], Q4_K, 0)], 4096, "no whole blocks of Q4_K"),
    "five dimensions": (META, [("a", [1] * 5, F32, 0)], 4096, "5 dimensions"),
    "absurd shape": (META, [("a", [HUGE, HUGE], F32, 0)], 4096, "has the shape"),
    "absurd offset": (META, [("a", [1], F32, 2**64 - 32)], 4096, "ends at byte"),
    "alignment 0": ({**META, "general.alignment": 0}, [ONE], 4096, "no power of 2"),
    "alignment 24": ({**META, "general.alignment": 24}, [ONE], 4096, "no power of 2"),
    "alignment text": ({**META, "general.alignment": "32"}, [ONE], 4096, "no power of 2"),
    "value type 99": ({"k": ("raw", 99, b"")}, [ONE], 4096, "value type 99"),
    "string beyond": ({"k": ("raw", 8, struct.pack("<Q", HUGE))}, [], 0, "cut short: `k`"),
    "array beyond": ({"k": ("raw", 9, struct.pack("<IQ", 4, HUGE))}, [], 0, "cut short: `k`"),
    "strings beyond": ({"k": ("raw", 9, struct.pack("<IQ", 8, 2**60))}, [], 0, "cut short: `k`"),
    "array of type 99": ({"k": ("raw", 9, struct.pack("<IQ", 99, 1))}, [], 64, "value type 99"),
    "nested deeply": ({"k": ("raw", 9, struct.pack("<IQ", 9, 1) * 9)}, [], 64, "nested more than 4 deep"),
    "long name": (META, [("n" * 2000, [1], F32, 0)], 4096, "2,000 bytes long"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_refused(tmp_path, fault):
    meta, tensors, data, message = FAULTS[fault]
    path = write(tmp_path / "a.gguf", meta, tensors, data)
    with pytest.raises(InputError, match=message) as caught:
        read_gguf(path)
    assert caught.value.file == str(path)


def test_duplicate_keys(tmp_path):
    raw = header_of({"k": 1}, [], counts=(0, 2))
    path = tmp_path / "a.gguf"
    path.write_bytes(raw + raw[24:])
    with pytest.raises(InputError, match="`k` stands there twice"):
        read_gguf(path)


@pytest.mark.parametrize("counts", [(2**63, 0), (0, 2**63), (10**6, 0), (5, 0), (0, 5)])
def test_absurd_counts(tmp_path, counts):
    path = tmp_path / "a.gguf"
    path.write_bytes(header_of({}, [], counts=counts))
    with pytest.raises(InputError, match=r"are the most|cut short"):
        read_gguf(path)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "the file is empty"),
        (b"GG", "cut short"),
        (b"GGUF", "cut short"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1; 2 and 3"),
        (b"GGUF" + struct.pack("<IQQ", 4, 0, 0), "version 4"),
        (b"tjgg" + bytes(20), "formats before GGUF"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"),
        (b"PK\3\4" + bytes(20), "begins with"),
    ],
)
def test_other_files(tmp_path, raw, message):
    path = tmp_path / "a.gguf"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=message):
        read_gguf(path)


def test_a_directory_is_no_gguf(tmp_path):
    with pytest.raises(InputError, match="cannot read it"):
        read_gguf(tmp_path)


def test_the_beginning_of_a_file_asks_for_more():
    raw = header_of(META, [ONE])
    size = len(raw) + 10_000
    for held in (0, 3, 30, len(raw) - 1):
        with pytest.raises(NeedsMore) as more:
            parse(raw[:held], size, "a", "a")
        assert held < more.value.at_least <= len(raw)
    assert parse(raw, size, "a", "a").tensors[0].bytes == ONE_BYTES
    assert parse(raw, None, "a", "a").tensors[0].bytes == ONE_BYTES


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 300), values=st.binary(min_size=1, max_size=9))
@example(place=24, values=b"\xff" * 8)
def test_any_damage_gives_a_header_or_one_error(tmp_path, place, values):
    meta = {**META, "a": [1, 2, 3], "t": ["x", "y"], "f": 0.5}
    raw = bytearray(header_of(meta, [ONE, ("b", [512], Q4_K, 2560)]) + bytes(4000))
    raw[place : place + len(values)] = values
    path = tmp_path / "a.gguf"
    path.write_bytes(raw)
    with contextlib.suppress(InputError):
        read_gguf(path)


@pytest.mark.parametrize("depth", [0, 2])
def test_millions_of_arrays_in_arrays_are_refused_at_once(tmp_path, depth):
    """They would take a quarter of a minute to pass over, and the hub's answer again for every part of it."""
    raw = struct.pack("<IQ", 9, 1) * depth + struct.pack("<IQ", 9, 8_000_000)
    path = tmp_path / "a.gguf"
    path.write_bytes(header_of({"k": ("raw", 9, raw)}, [ONE]))
    os.truncate(path, 110_000_000)
    begun = time.monotonic()
    with pytest.raises(InputError, match=r"`k` holds 8,000,000 arrays; 10,000 in arrays are the most"):
        read_gguf(path)
    assert time.monotonic() - begun < 2


def test_parts_hold_no_more_tensors_than_a_model(tmp_path):
    half = MAX_TENSORS // 2 + 1
    for part in (1, 2):
        tensors = [(f"t.{part}.{i}", [8], F32, 32 * i) for i in range(half)]
        write(tmp_path / f"m-{part:05}-of-00002.gguf", META, tensors, 32 * half)
    with pytest.raises(InputError, match=r"its parts hold 20,002 tensors; 20,000 are the most"):
        read_gguf(tmp_path / "m-00001-of-00002.gguf")


def test_no_more_is_kept_of_a_huge_header_than_a_model_has(tmp_path):
    """Values that grow when kept: 20 MB of one-byte numbers and of empty strings."""
    path = tmp_path / "a.gguf"
    small = struct.pack("<IQ", 0, 4096) + bytes(4096)
    empty = struct.pack("<IQ", 8, 4096) + bytes(8 * 4096)
    meta = {f"n{i}": ("raw", 9, small) for i in range(2500)} | {
        f"t{i}": ("raw", 9, empty) for i in range(300)
    }
    parts = [b"GGUF" + struct.pack("<IQQ", 3, 0, len(meta))]
    parts += [
        struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", 9) + raw
        for key, (_, _, raw) in meta.items()
    ]
    path.write_bytes(b"".join(parts))
    del parts, meta
    header = read_gguf(path)
    assert len(header.metadata) == 2800
    kept = [len(value) for value in header.metadata.values() if isinstance(value, list)]
    assert 0 < sum(kept) <= MAX_KEPT_IN_ALL


WIDE = "\N{GRINNING FACE}" + "x" * 65_000
"""A text that takes four times its bytes in memory: Python keeps four for each of its characters."""


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({f"k{i}": WIDE for i in range(200)}, None),
        ({f"k{i}": [WIDE] for i in range(200)}, None),
        ({f"{i}{WIDE}": 1 for i in range(200)}, "its keys and names are more than 8,388,608 bytes long"),
    ],
    ids=["strings", "arrays", "keys"],
)
def test_text_is_kept_to_8_mib(tmp_path, metadata, says):
    """Of 13 MB, which would take 52; keys and names, which must all be kept, are refused."""
    path = write(tmp_path / "a.gguf", metadata, [], 0)
    tracemalloc.start()
    try:
        if says is None:
            assert len(read_gguf(path).metadata) == 200
        else:
            with pytest.raises(InputError, match=says):
                read_gguf(path)
        assert tracemalloc.get_traced_memory()[1] < 45 * 2**20
    finally:
        tracemalloc.stop()


def test_a_key_is_cut_in_an_error(tmp_path):
    path = write(tmp_path / "a.gguf", {"k" * 60_000: ("raw", 99, b"")}, [], 0)
    with pytest.raises(InputError) as caught:
        read_gguf(path)
    assert len(str(caught.value)) < 200 + len(str(path))


def test_a_header_of_more_than_100_mb_is_refused(tmp_path):
    path = tmp_path / "a.gguf"
    raw = header_of({"k": ("raw", 9, struct.pack("<IQ", 4, 10**9))}, [])
    path.write_bytes(raw)
    os.truncate(path, 5 * 10**9)
    with pytest.raises(InputError, match="100,000,000 are the most"):
        read_gguf(path)
