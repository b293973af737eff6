"""Repositories of GGUF files: one is picked by its name or its quantization, several are listed."""

import pytest

import moecalc
from moecalc.api.loading import load
from moecalc.errors import InputError
from moecalc.sources.headers.gguf import read_gguf
from tests.hub.conftest import CONFIG
from tests.hub.gguf_written import F32, Q8_0, write_gguf

pytestmark = pytest.mark.usefixtures("here")

TENSORS = [("token_embd.weight", Q8_0, (1000, 64)), ("output_norm.weight", F32, (64,))]
BYTES = {Q8_0: 1000 * 64 * 34 // 32, F32: 64 * 4}
PAIRS = {"general.architecture": "llama", "general.name": "small"}


@pytest.fixture
def ggufs(hub):
    for name in ("small-Q8_0.gguf", "small-Q4_K_M.gguf", "small-UD-Q4_K_XL.gguf"):
        write_gguf(hub.folder / "org/ggufs" / name, TENSORS, PAIRS)
    hub.write("org/ggufs", "mmproj-F16.gguf", b"GGUF")
    hub.gguf["org/ggufs"] = {"total": 64_064, "architecture": "llama"}
    return hub


@pytest.mark.parametrize("file", ["small-Q8_0.gguf", "Q8_0", "q8_0", "small-Q8_0"])
def test_a_file_is_picked(ggufs, file):
    model = moecalc.load(f"org/ggufs:{file}")
    assert model.header.files == ("small-Q8_0.gguf",)
    local = read_gguf(ggufs.folder / "org/ggufs/small-Q8_0.gguf")
    assert (model.header.tensors, model.header.metadata) == (local.tensors, local.metadata)
    assert model.header.total_bytes == sum(BYTES.values())
    assert len(ggufs.paths("/cdn/")) == 1


@pytest.mark.parametrize(
    ("file", "said"), [("Q3_K", "has no file `Q3_K`"), ("small", "`small` means 3 files")]
)
def test_what_picks_none(ggufs, file, said):
    with pytest.raises(InputError, match=said):
        moecalc.load(f"org/ggufs:{file}")


def test_several_are_listed(ggufs, moecalc):
    done = moecalc("show", "org/ggufs")
    assert done.returncode == 2
    assert done.stderr == GOLDEN
    assert not done.stdout
    assert not ggufs.paths("/cdn/")


GOLDEN = """\
error: `org/ggufs` has 3 models and no config

  file                      size  bits per weight
  small-Q4_K_M.gguf      68.5 kB             8.55
  small-Q8_0.gguf        68.5 kB             8.55
  small-UD-Q4_K_XL.gguf  68.5 kB             8.55

bits per weight are of 64.06 K parameters, by the hub's count

hint: pick one, by its file or the quantization in its name: `moecalc show org/ggufs:small-Q4_K_M.gguf`
"""


def test_without_the_hubs_count_sizes_are_listed_alone(ggufs):
    del ggufs.gguf["org/ggufs"]
    with pytest.raises(InputError, match=r"small-Q8_0\.gguf +68\.5 kB +-\n"):
        moecalc.load("org/ggufs")


def test_the_only_model_needs_no_picking(hub):
    write_gguf(hub.folder / "org/one/small-Q8_0.gguf", TENSORS, PAIRS)
    assert moecalc.load("org/one").header.format == "gguf"


STORED = [
    ("token_embd.weight", F32, (100, 16)),
    ("output_norm.weight", F32, (16,)),
    *(
        (f"blk.{i}.{name}.weight", F32, shape)
        for i in range(2)
        for name, shape in {
            "attn_norm": (16,),
            "ffn_norm": (16,),
            "attn_q": (16, 16),
            "attn_k": (8, 16),
            "attn_v": (8, 16),
            "attn_output": (16, 16),
            "ffn_gate": (32, 16),
            "ffn_up": (32, 16),
            "ffn_down": (16, 32),
        }.items()
    ),
]
METADATA = {
    **PAIRS,
    "llama.block_count": 2,
    "llama.embedding_length": 16,
    "llama.feed_forward_length": 32,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
}


@pytest.mark.parametrize(("text", "headers"), [("org/both:F32", False), ("org/both", True)])
def test_a_gguf_is_held_against_the_config_of_its_repository(hub, text, headers):
    write_gguf(hub.folder / "org/both/small-F32.gguf", STORED, METADATA)
    hub.write("org/both", "config.json", CONFIG)
    agree = "header agree on 20 tensors"
    held = [each.summary for each in load(text, headers=headers).reconciliations]
    assert held == [f"metadata and {agree}", f"config.json and {agree}"]
    write_gguf(hub.folder / "org/wrong/small-F32.gguf", STORED, METADATA)
    hub.write("org/wrong", "config.json", {**CONFIG, "num_hidden_layers": 3})
    model = load(text.replace("both", "wrong"), headers=headers)
    assert [each.agrees for each in model.reconciliations] == [True, False]
    assert model.warnings[0].startswith("config.json and header disagree: 9 missing of 20 tensors")


def test_a_config_that_cannot_be_read_does_not_stop_a_gguf(hub):
    write_gguf(hub.folder / "org/both/small-F32.gguf", STORED, METADATA)
    hub.write("org/both", "config.json", b"{")
    model = moecalc.load("org/both:F32")
    assert len(model.reconciliations) == 1
    assert model.warnings[0].startswith(
        "the config.json beside it is not read: org/both:config.json:1: not JSON"
    )
    with pytest.raises(InputError, match="not JSON"):
        load("org/both:F32", strict=True)


def test_a_config_answers_first(ggufs):
    ggufs.write("org/ggufs", "config.json", CONFIG)
    assert moecalc.load("org/ggufs").params.total == 6288
    with pytest.raises(InputError, match="has 3 models"):
        moecalc.load("org/ggufs", headers=True)


def test_a_split_model_is_one(hub):
    for number, tensor in enumerate(TENSORS, 1):
        write_gguf(hub.folder / f"org/split/Q8_0/small-{number:05}-of-00002.gguf", [tensor], PAIRS)
    for text in ("org/split", "org/split:Q8_0", "org/split:Q8_0/small-00002-of-00002.gguf"):
        model = moecalc.load(text)
        assert model.header.total_bytes == sum(BYTES.values())
        assert len(model.header.files) == 2
    (hub.folder / "org/split/Q8_0/small-00002-of-00002.gguf").unlink()
    with pytest.raises(InputError, match="1 of its 2 parts is missing"):
        moecalc.load("org/split")


def test_a_long_header_takes_few_requests_and_is_kept(hub):
    words = [f"token number {number}" for number in range(200_000)]
    length = write_gguf(
        hub.folder / "org/long/small.gguf", TENSORS, {**PAIRS, "tokenizer.ggml.tokens": words}
    )
    assert length > 4_000_000
    for requests in (6, 0):
        hub.asked.clear()
        assert moecalc.load("org/long").header.total_bytes == sum(BYTES.values())
        assert len(hub.paths("/cdn/")) <= requests


def test_a_damaged_file(hub):
    hub.write("org/bad", "small.gguf", b"GGUF\x03\0\0\0" + b"\xff" * 16)
    with pytest.raises(InputError, match=r"org/bad:small\.gguf"):
        moecalc.load("org/bad")
