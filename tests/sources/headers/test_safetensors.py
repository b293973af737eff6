"""Safetensors files: what is read, and every way in which one can be unsound."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import moecalc
from moecalc.errors import InputError
from moecalc.sources.headers import checkpoint, safetensors
from moecalc.sources.headers.checkpoint import read_checkpoint
from tests.sources.headers.written import header_of, write, write_raw, write_sharded

PAIR = [("a.weight", "BF16", (4, 8)), ("b", "F32", ())]


def entry(dtype="BF16", shape=(4, 8), offsets=(0, 64)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_a_file_is_its_header(tmp_path):
    header = read_checkpoint(write(tmp_path / "model.safetensors", PAIR, {"format": "pt"}))
    first, second = header.tensors
    assert (first.name, first.dtype, first.shape, first.bytes, first.elements) == (
        "a.weight",
        "BF16",
        (4, 8),
        64,
        32,
    )
    assert (second.shape, second.bytes, second.elements) == ((), 4, 1)
    assert (header.total_bytes, header.elements, dict(header.metadata)) == (68, 33, {"format": "pt"})
    assert header.files == ("model.safetensors",)


def test_the_safetensors_library_reads_the_same(tmp_path):
    """What the library writes is read as it says (huggingface/safetensors)."""
    import torch  # both come with the test extra: their absence is a failure, not a skip
    from safetensors import torch as library

    made = {
        "a": torch.zeros(3, 5, dtype=torch.bfloat16),
        "b.c": torch.zeros(7, dtype=torch.int64),
        "empty": torch.zeros(0, 4),
        "scalar": torch.zeros((), dtype=torch.float8_e4m3fn),
    }
    path = tmp_path / "written.safetensors"
    library.save_file(made, path, metadata={"format": "pt"})
    header = read_checkpoint(path)
    assert {t.name: t.shape for t in header.tensors} == {name: tuple(t.shape) for name, t in made.items()}
    assert {t.name: t.dtype for t in header.tensors} == {
        "a": "BF16",
        "b.c": "I64",
        "empty": "F32",
        "scalar": "F8_E4M3",
    }
    assert header.total_bytes == sum(t.numel() * t.element_size() for t in made.values())


@pytest.mark.parametrize(
    ("header", "data", "says"),
    [
        (b"not json at all", 0, "no JSON mapping"),
        (b'{"a": ', 0, "no safetensors header"),
        (b"[1, 2]", 0, "no JSON mapping"),
        (b'{"a": {"dtype": "BF16"}}', 0, "no safetensors header"),
        (b'{"a": 1}', 0, "no safetensors header"),
        (b'{"__metadata__": {"a": 1}}', 0, "no safetensors header"),
        (b'{"a": \xff}', 0, "no safetensors header"),
        ({"a": entry(offsets=(0, 60))}, 60, "takes 64 bytes, its range has 60"),
        ({"a": entry(offsets=(-4, 60))}, 60, "impossible byte range"),
        ({"a": entry(offsets=(64, 0))}, 64, "impossible byte range"),
        ({"a": entry(offsets=(8, 72))}, 72, "does not begin at byte 0"),
        ({"a": entry(), "b": entry(offsets=(32, 96))}, 96, "overlap"),
        ({"a": entry(), "b": entry(offsets=(0, 64))}, 64, "overlap"),
        ({"a": entry(), "b": entry(offsets=(72, 136))}, 136, "belong to no tensor"),
        ({"a": entry()}, 60, "cut short"),
        ({"a": entry()}, 80, "longer than its header says"),
        ({"a": entry(dtype="BF17")}, 64, "has the dtype `BF17`"),
        ({"a": entry(shape=(-4, -8))}, 64, "has the impossible shape"),
        ({"a": entry(shape=(2**62, 2**62))}, 64, "has the impossible shape"),
        ({"a": entry(shape=(4, "8"))}, 64, "no safetensors header"),
        ({"a": entry(shape=(4, 8.5))}, 64, "no safetensors header"),
        ({"a": {**entry(), "data_offsets": [0]}}, 64, "no safetensors header"),
        ({"a": {**entry(), "data_offsets": [0, 10**30]}}, 64, "its range has 1,000"),
    ],
)
def test_an_unsound_header_is_one_error(tmp_path, header, data, says):
    with pytest.raises(InputError, match=says) as caught:
        read_checkpoint(write_raw(tmp_path / "x.safetensors", header, data))
    assert caught.value.file == str(tmp_path / "x.safetensors")


def twice(size, face=""):
    """A header that names a tensor twice, beside metadata of that size."""
    once = wide({"__metadata__": {"a": face + "x" * size}, "a": entry()})
    return once[:-1] + f', "a": {json.dumps(entry())}}}'.encode()


def wide(header):
    return json.dumps(header, ensure_ascii=False).encode()


FACE = "\N{GRINNING FACE}"
"""One character beyond 16 bits, and Python keeps four bytes for each character of a text."""

LARGE = {
    "name": (lambda: wide({"n" * 50_000_000: entry()}), "a tensor's name has more than 1,000 characters"),
    "dtype": (lambda: wide({"a": entry(dtype="D" * 90_000_000)}), "has the dtype"),
    "metadata": (lambda: wide({"__metadata__": {"a": "x" * 99_000_000}, "a": entry()}), None),
    "wide metadata": (lambda: wide({"__metadata__": {"a": FACE + "x" * 90_000_000}}), "beyond ASCII"),
    "escaped": (
        lambda: json.dumps({"__metadata__": {"a": FACE + "x" * 90_000_000}}).encode(),
        "beyond ASCII",
    ),
    "wide name": (lambda: wide({FACE + "n" * 90_000_000: entry()}), "beyond ASCII"),
    "wide dtype": (lambda: wide({"a": entry(dtype=FACE + "D" * 90_000_000)}), "beyond ASCII"),
    "wide and smaller": (lambda: wide({"__metadata__": {"a": FACE + "x" * 16_000_000}, "a": entry()}), None),
    "twice": (lambda: twice(90_000_000), "a name occurs twice"),
    "twice and wide": (lambda: twice(15_000_000, FACE), "`a` occurs twice"),
    "sides": (lambda: wide({"a": entry(shape=[2**48] * 2_000_000)}), "has the impossible shape"),
    "dimensions": (lambda: wide({"a": entry(shape=[1] * 33)}), "has the impossible shape"),
    "digits": (
        lambda: b'{"a": {"dtype": "BF16", "shape": [' + b"9" * 5000 + b'], "data_offsets": [0, 64]}}',
        "no safetensors header",
    ),
    "offset": (
        lambda: b'{"a": {"dtype": "BF16", "shape": [4, 8], "data_offsets": [0, ' + b"9" * 1_000_000 + b"]}}",
        "no safe",
    ),
    "tensors": (lambda: wide({f"t{i}": entry(shape=(0,), offsets=(0, 0)) for i in range(200_000)}), None),
}


@pytest.mark.parametrize("case", LARGE)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read as Linux tells it")
def test_memory_and_time_stay_bounded(tmp_path, case):
    """A process of its own, so that its peak is the reader's: under 300 MB and a few seconds whatever is written."""
    make, says = LARGE[case]
    raw = make()
    path = write_raw(tmp_path / "x.safetensors", raw, 64 if b'"a": {"d' in raw else 0)
    code = (
        "import sys, pathlib; from moecalc.errors import InputError; "
        "from moecalc.sources.headers.checkpoint import read_checkpoint\n"
        "try: print(len(read_checkpoint(pathlib.Path(sys.argv[1])).tensors))\n"
        "except InputError as error: print(str(error)[:2000])\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "print(int(status.split('VmHWM:')[1].split()[0]) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=20, check=False
    )
    answer, peak = done.stdout.strip().split("\n")
    assert says is None or says in answer
    assert len(answer) < 500
    assert int(peak) < 300, answer


def test_a_name_twice_in_one_header(tmp_path):
    one = json.dumps(entry())
    raw = f'{{"a": {one}, "a": {one}}}'.encode()
    with pytest.raises(InputError, match="`a` occurs twice"):
        read_checkpoint(write_raw(tmp_path / "x.safetensors", raw, 64))


def test_metadata_twice_in_one_header(tmp_path):
    raw = (
        f'{{"__metadata__": {{"a": "1"}}, "__metadata__": {{"b": "2"}}, "a": {json.dumps(entry())}}}'.encode()
    )
    with pytest.raises(InputError, match="`__metadata__` occurs twice"):
        read_checkpoint(write_raw(tmp_path / "x.safetensors", raw, 64))


def test_a_tensor_may_be_named_like_a_field(tmp_path):
    header = read_checkpoint(
        write(tmp_path / "x.safetensors", [("data_offsets", "F32", (2,)), ("a", "F32", (2,))])
    )
    assert [tensor.name for tensor in header.tensors] == ["data_offsets", "a"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "header is missing"),
        (b"abc", "header is missing"),
        ((10).to_bytes(8, "little") + b"{}", "cut short"),
        ((100_000_001).to_bytes(8, "little"), "100,000,000 are the most"),
        ((2**64 - 1).to_bytes(8, "little"), "100,000,000 are the most"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html></html>", "no safetensors file"),
    ],
)
def test_a_file_that_is_none(tmp_path, content, says):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_checkpoint(path)


@pytest.mark.parametrize("unit", [b'"x",', b"1,", b'"":"",'])
def test_a_huge_header_is_refused_before_it_is_decoded(tmp_path, unit):
    raw = b'{"a": [' + unit * (20_000_000 // len(unit)) + b"1]}"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=r"larger than that of any checkpoint"):
        read_checkpoint(write_raw(tmp_path / "x.safetensors", raw, 0))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB


def test_deep_nesting_is_refused(tmp_path):
    raw = b'{"a": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"
    with pytest.raises(InputError, match="no safetensors header"):
        read_checkpoint(write_raw(tmp_path / "x.safetensors", raw, 0))


# ------------------------------------------------------------------------------------------------- directories


def test_shards_and_their_index(tmp_path):
    folder = write_sharded(tmp_path / "m", [PAIR, [("c", "F16", (3,))]])
    for path in (folder, folder / checkpoint.INDEX):
        header = read_checkpoint(path)
        assert [tensor.name for tensor in header.tensors] == ["a.weight", "b", "c"]
        assert {tensor.file for tensor in header.tensors} == set(header.files)
        assert header.total_bytes == 74
        assert not header.notes


def test_an_index_that_differs_from_its_files_is_said(tmp_path):
    folder = write_sharded(tmp_path / "m", [PAIR], total_size=70)
    index = json.loads((folder / checkpoint.INDEX).read_text())
    file = index["weight_map"].pop("b")
    index["weight_map"]["gone"] = file
    (folder / checkpoint.INDEX).write_text(json.dumps(index))
    notes = " ".join(read_checkpoint(folder).notes)
    assert "1 tensor of the index is in no file: `gone`" in notes
    assert "1 stored tensor is not in the index: `b`" in notes
    assert "total_size 70; the tensors take 68 bytes" in notes


@pytest.mark.parametrize(
    "name",
    ["../other.safetensors", "/etc/passwd", "sub/x.safetensors", "..", "", "a\\b", "a\0b", "x" * 256],
)
def test_an_index_names_files_beside_it_only(tmp_path, name):
    folder = write_sharded(tmp_path / "m", [PAIR])
    (folder / checkpoint.INDEX).write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(InputError, match="not beside it"):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"weight_map": [1]}', '{"weight_map": {"a": 1}}', "nonsense"]
)
def test_no_index(tmp_path, content):
    folder = write_sharded(tmp_path / "m", [PAIR])
    (folder / checkpoint.INDEX).write_text(content)
    with pytest.raises(InputError, match="no index of safetensors"):
        read_checkpoint(folder)


def test_missing_files_are_counted(tmp_path):
    folder = write_sharded(tmp_path / "m", [PAIR, [("c", "F16", (3,))]])
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(InputError, match=r"1 of its 2 files is missing: `model-00002-of-00002.safetensors`"):
        read_checkpoint(folder)


def test_several_files_without_an_index(tmp_path):
    write(tmp_path / "one.safetensors", PAIR)
    write(tmp_path / "two.safetensors", [("c", "F16", (3,)), ("b", "F32", ())])
    write(tmp_path / "adapter_model.safetensors", [("lora", "F32", (9,))])
    header = read_checkpoint(tmp_path)
    assert header.files == ("one.safetensors", "two.safetensors")
    assert [(t.name, t.file) for t in header.duplicates] == [("b", "two.safetensors")]
    assert header.total_bytes == 78  # all that the files store
    assert "1 name occurs in two files, counted once: `b`" in header.notes[0]


def test_the_same_weights_twice_are_counted_once(tmp_path):
    """Mistral's repositories hold `consolidated*` beside `model*`."""
    write_sharded(tmp_path, [PAIR])
    write(
        tmp_path / "consolidated.safetensors",
        [("tok_embeddings.weight", "BF16", (4, 8)), ("norm.weight", "F32", ())],
    )
    header = read_checkpoint(tmp_path)
    assert header.total_bytes == 68
    assert "the same weights twice: `consolidated.safetensors` left out" in header.notes[0]
    (tmp_path / checkpoint.INDEX).unlink()
    assert read_checkpoint(tmp_path).total_bytes == 68


def test_links_are_followed_to_files_only(tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "model.safetensors").symlink_to(write(tmp_path / "blob", PAIR))
    assert "symbolic links were followed" in read_checkpoint(folder).notes[0]
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no such file"):
        read_checkpoint(folder)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_checkpoint(folder)


def test_pickles_are_never_opened(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02")
    with pytest.raises(InputError, match="never opened") as caught:
        read_checkpoint(tmp_path)
    assert "convert them to safetensors" in caught.value.hint
    with pytest.raises(InputError, match="never opened"):
        read_checkpoint(tmp_path / "pytorch_model.bin")


def test_every_dtype_of_the_library_is_known():
    """The names are the library's own (`safetensors` 0.8, dtype strings)."""
    raw, _ = header_of([("a", "BF16", (2,))])
    tensors, _ = safetensors.parse(json.dumps(raw).encode(), "x", None, "x")
    assert tensors[0].bytes == 4


@pytest.mark.parametrize(
    ("name", "dtype", "shape"),
    [
        ("q_proj.qweight", "I32", (4,)),
        ("q_proj.weight_packed", "F32", (4, 4)),
        ("q_proj.weight_packed", "I32", ()),
        ("experts.gate_up_proj_blocks", "U8", (4,)),
    ],
)
def test_a_packed_tensor_that_no_quantizer_stores_is_no_crash(tmp_path, name, dtype, shape):
    path = write(tmp_path / "model.safetensors", [(f"model.layers.0.self_attn.{name}", dtype, shape)])
    said = {line["id"]: line["value"] for line in moecalc.load(str(path)).lines()}
    assert said["checkpoint.bytes"] == read_checkpoint(path).total_bytes


def test_an_expert_tensor_without_experts_is_no_crash(tmp_path):
    stored = [
        ("model.embed_tokens.weight", "F32", (8, 4)),
        ("model.layers.0.mlp.experts.gate_up_proj", "F32", (0, 4, 4)),
    ]
    loaded = moecalc.load(str(write(tmp_path / "model.safetensors", stored)))
    said = {line["id"]: line["value"] for line in loaded.lines()}
    assert said["params.active.all"] == said["params.total"] == 8 * 4


def test_a_shape_of_absurd_size_is_said_in_words(tmp_path):
    head = json.dumps({"x": entry("F32", [2**48] * 32, (0, 4))}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(4))
    with pytest.raises(InputError, match="more bytes than any file has"):
        read_checkpoint(path)
