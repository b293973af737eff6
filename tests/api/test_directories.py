"""What a directory means: GGUF models of which one is picked, configs that answer alone, and files that are none."""

import json
import os
import tracemalloc

import pytest

import moecalc
from moecalc.api.checkpoint import CheckpointModel, HeaderModel
from moecalc.errors import InputError
from tests.api.test_checkpoint import CONFIG, TOTAL, checkpoint, tensors
from tests.hub.gguf_written import F32, Q8_0, write_gguf
from tests.sources.headers import listed
from tests.sources.headers.written import write_sharded

STORED = [("token_embd.weight", Q8_0, (1000, 64)), ("output_norm.weight", F32, (64,))]
ELEMENTS = 1000 * 64 + 64
PAIRS = {"general.architecture": "llama", "general.name": "small"}
SPLIT = "sub/small-Q6_K-00001-of-00002.gguf"


@pytest.fixture
def ggufs(tmp_path):
    folder = tmp_path / "ggufs"
    for name in ("small-Q4_K_M.gguf", "small-Q8_0.gguf", SPLIT):
        write_gguf(folder / name, STORED, PAIRS)
    write_gguf(folder / SPLIT.replace("00001-", "00002-"), [("output.weight", F32, (5, 64))], PAIRS)
    (folder / "small-mmproj-F16.gguf").write_bytes(b"GGUF")
    return folder


def test_several_models_are_listed_with_bits_per_weight(ggufs):
    with pytest.raises(InputError) as caught:
        moecalc.load(ggufs)
    sizes = {path.name: path.stat().st_size for path in ggufs.rglob("*.gguf")}
    bits = 8 * sizes["small-Q8_0.gguf"] / ELEMENTS
    both = 8 * sum(size for name, size in sizes.items() if "Q6_K" in name) / (ELEMENTS + 5 * 64)
    lines = caught.value.message.splitlines()
    assert lines[0] == f"`{ggufs}` has 3 models and no config"
    assert [line.split()[0] for line in lines[3:6]] == ["small-Q4_K_M.gguf", "small-Q8_0.gguf", SPLIT]
    assert [line.split()[-1] for line in lines[3:6]] == [f"{bits:.2f}", f"{bits:.2f}", f"{both:.2f}"]
    assert "(2 parts)" in lines[5]
    assert f"`moecalc show {ggufs}:small-Q4_K_M.gguf`" in caught.value.hint


def test_a_damaged_model_is_listed_without_bits(ggufs):
    (ggufs / "small-Q8_0.gguf").write_bytes(b"GGUF\x03")
    with pytest.raises(InputError, match=r"small-Q8_0\.gguf +5 B +-\n"):
        moecalc.load(ggufs)


@pytest.mark.parametrize("word", ["Q8_0", "q8_0", "small-Q8_0.gguf", "small-Q8_0"])
def test_one_is_picked(ggufs, word, monkeypatch):
    monkeypatch.chdir(ggufs.parent)
    for folder in (ggufs, "ggufs", "./ggufs"):
        model = moecalc.load(f"{folder}:{word}")
        assert isinstance(model, HeaderModel)
        assert model.header.files == ("small-Q8_0.gguf",)
    assert moecalc.load(ggufs / "small-Q8_0.gguf").header.tensors == model.header.tensors


@pytest.mark.parametrize("word", ["Q6_K", SPLIT, SPLIT.replace("00001-", "00002-")])
def test_a_split_model_is_one(ggufs, word):
    model = moecalc.load(f"{ggufs}:{word}")
    assert (model.name, len(model.header.files)) == ("small-Q6_K", 2)
    assert model.header.elements == ELEMENTS + 5 * 64


@pytest.mark.parametrize("word", ["Q3_K", "../ggufs/small-Q8_0.gguf", "small-Q8.gguf"])
def test_what_picks_none(ggufs, word):
    with pytest.raises(InputError, match="has no file"):
        moecalc.load(f"{ggufs}:{word}")


def test_any_file_of_a_directory_can_be_picked(tmp_path):
    folder = checkpoint(tmp_path / "m", tensors())
    assert isinstance(moecalc.load(f"{folder}:model.safetensors"), CheckpointModel)
    assert moecalc.load(f"{folder}:config.json").params.total == TOTAL


def test_the_only_model_needs_no_picking(tmp_path):
    write_gguf(tmp_path / "one-Q8_0.gguf", STORED, PAIRS)
    assert moecalc.load(tmp_path).header.elements == ELEMENTS
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    model = moecalc.load(tmp_path)
    assert model.header.elements == ELEMENTS
    assert model.warnings[-1].startswith("config.json and header disagree: ")


def test_a_config_answers_before_several_models(ggufs):
    (ggufs / "config.json").write_text(json.dumps(CONFIG))
    model = moecalc.load(ggufs)
    assert model.params.total == TOTAL
    assert f"3 GGUF models are not read: `{ggufs}:small-Q4_K_M.gguf` picks one" in model.warnings[0]
    with pytest.raises(InputError, match="has 3 models\n"):
        moecalc.load(ggufs, headers=True)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors.index.json"])
@pytest.mark.parametrize("kind", ["loop", "dangling", "device", "pipe", "directory"])
def test_what_has_a_files_name_and_is_none(tmp_path, name, kind):
    folder = checkpoint(tmp_path / "m", tensors(), config=None)
    path = folder / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to({"loop": path, "dangling": tmp_path / "nowhere", "device": "/dev/zero"}[kind])
    with pytest.raises(InputError, match=f"not a regular file: `{path}`"):
        moecalc.load(folder)
    if kind == "pipe":
        with pytest.raises(InputError, match=f"not a regular file: `{path}`"):
            moecalc.load(path)


def test_names_of_an_index_are_held_against_the_config(tmp_path):
    """`DeepSeek-R1`'s own index and config, its weights not fetched; then another number of layers, another name."""
    header, config = listed.header("deepseek-r1"), listed.config("deepseek-r1")
    names = {tensor.name: "model-00001-of-00001.safetensors" for tensor in header.tensors}
    index = {"metadata": {"total_size": header.total_bytes}, "weight_map": names}
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    (tmp_path / "config.json").write_text(json.dumps(config))
    (absent,) = moecalc.load(tmp_path).warnings
    assert "is not here" in absent
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 60}))
    names["model.layers.3.mystery"] = "model-00001-of-00001.safetensors"
    path.write_text(json.dumps(index))
    _, unknown, layers = moecalc.load(tmp_path).warnings
    assert unknown == "1 tensor of the index has a name no layout knows: `model.layers.{}.mystery`"
    assert layers == "the index names tensors of 61 layers, the config has 60"


def test_an_index_of_pickles(tmp_path):
    path = tmp_path / "pytorch_model.bin.index.json"
    path.write_text(json.dumps({"weight_map": {"a": "pytorch_model-00001-of-00001.bin"}}))
    with pytest.raises(InputError, match="never opened"):
        moecalc.load(path)


def test_a_directory_with_nothing(tmp_path):
    with pytest.raises(InputError, match=r"no config\.json and no weights"):
        moecalc.load(tmp_path)


def test_a_header_without_tensors_is_no_model(tmp_path):
    write_gguf(tmp_path / "vocabulary.gguf", [], PAIRS)
    (tmp_path / "empty.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    for name in ("vocabulary.gguf", "empty.safetensors"):
        with pytest.raises(InputError, match="it holds no tensors"):
            moecalc.load(tmp_path / name)


@pytest.mark.parametrize("text", ["a" * 300, "./" + "a" * 300, "org/" + "é" * 200, "m:" + "x" * 300])
def test_a_name_longer_than_any_file_has(text):
    with pytest.raises(InputError, match="names no model"):
        moecalc.load(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"model_type": "llama", "hidden_size": 64, "hidden_size": 128}', "hidden_size"),
        ('{"model_type": "llama", "rope_scaling": {"a": 1, "b": 2, "a": 1}}', "a"),
        ('{"model_type": "llama", "x": [{"k": 1, "\\u006b": 1}]}', "k"),
    ],
)
def test_a_config_that_repeats_a_key(tmp_path, text, key):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=f"the key `{key}` stands twice") as caught:
        moecalc.load(tmp_path)
    assert caught.value.file == str(tmp_path / "config.json")


@pytest.mark.parametrize(
    "text",
    ["[" + "[]," * 5_000_000 + "[]]", '{"model_type": "llama", "x": [' + "{}," * 400_000 + "{}]}"],
    ids=["lists", "objects"],
)
def test_a_config_of_more_values_than_any_model_has(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="more than 300,000 values: not a config"):
            moecalc.load(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    finally:
        tracemalloc.stop()


def test_an_index_that_repeats_a_key(tmp_path):
    folder = write_sharded(tmp_path / "m", [tensors()])
    path = folder / "model.safetensors.index.json"
    sound = path.read_text()
    index = json.loads(sound)
    name, file = next(iter(index["weight_map"].items()))
    spoilt = [
        sound.replace(f'"{name}"', f'"{name}": "{file}", "{name}"', 1),
        '{"metadata": {"total_size": 1, "total_size": 2}, ' + f'"weight_map": {{"{name}": "{file}"}}}}',
        f'{{"weight_map": {{"{name}": "{file}"}}, "weight_map" : {{"{name}": "{file}"}}}}',
    ]
    for text in spoilt:
        path.write_text(text)
        with pytest.raises(InputError, match="stands twice in one object"):
            moecalc.load(folder)
    # what only looks like a key in a string is none
    index["metadata"]["note"] = 'a "quoted": word'
    path.write_text(json.dumps(index))
    assert moecalc.load(folder).header.elements == TOTAL
