"""Which files of a directory are the checkpoint, and what they say against one another."""

import json

import pytest

from moecalc.errors import InputError
from moecalc.sources.headers.checkpoint import INDEX, read_checkpoint, without_copies
from tests.console import run
from tests.sources.headers import listed
from tests.sources.headers.written import write, write_sharded

NORM = ("model.norm.weight", "BF16", (64,))


@pytest.mark.parametrize(
    ("files", "kept"),
    [
        (["model.fp16.safetensors", "model.safetensors"], ["model.safetensors"]),
        (
            ["model-00001-of-00001.safetensors", "model.fp16-00001-of-00001.safetensors"],
            ["model-00001-of-00001.safetensors"],
        ),
        (["model.fp16.safetensors"], ["model.fp16.safetensors"]),
        (["weights.00.safetensors", "weights.01.safetensors"], None),
        (["model-00000-of-00002.safetensors", "model-00001-of-00002.safetensors"], None),
        (["one.safetensors", "two.safetensors"], None),
        (["consolidated.safetensors", "model.safetensors"], ["model.safetensors"]),
    ],
)
def test_the_files_that_count(files, kept):
    names, notes = without_copies(files)
    assert names == (files if kept is None else kept)
    assert len(notes) == (names != files)


def test_no_variant_is_the_default():
    with pytest.raises(InputError, match=r"the weights in 2 variants: `m\.bf16\.safetensors`, `m\.fp16\.saf"):
        without_copies(["m.bf16.safetensors", "m.fp16.safetensors"])


@pytest.mark.parametrize(
    ("present", "said"),
    [
        ((1, 3), "1 of its 3 files is missing: `model-00002-of-00003.safetensors`"),
        ((2,), "2 of its 3 files are missing: `model-00001-of-00003.safetensors`, `model-00003"),
    ],
)
def test_a_part_is_absent_without_an_index(tmp_path, present, said):
    for number in present:
        write(tmp_path / f"model-{number:05}-of-00003.safetensors", [(f"t{number}", "BF16", (2,))])
    with pytest.raises(InputError, match=said):
        read_checkpoint(tmp_path)
    assert len(read_checkpoint(tmp_path / f"model-{present[0]:05}-of-00003.safetensors").tensors) == 1


def test_an_absurd_number_of_parts():
    with pytest.raises(InputError, match="says that it has 99,999,999 files"):
        without_copies(["m-1-of-99999999.safetensors"])


def model(folder, change):
    """Qwen3-0.6B's checkpoint and config, its tensors changed, in one file."""
    stored = [(t.name, t.dtype, t.shape) for t in listed.header("qwen3-0.6b").tensors]
    write_sharded(folder, [change(stored)])
    (folder / "config.json").write_text(json.dumps(listed.config("qwen3-0.6b")))
    return folder


def test_variants_side_by_side_agree_with_the_default(tmp_path):
    folder = model(tmp_path / "m", lambda stored: stored)
    (folder / INDEX).unlink()
    (folder / "model-00001-of-00001.safetensors").rename(folder / "model.safetensors")
    halves = [(t.name, "F16", t.shape) for t in listed.header("qwen3-0.6b").tensors]
    write(folder / "model.fp16.safetensors", halves)
    done = run("moecalc reconcile m", cwd=tmp_path)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "variants of `model` beside the default are left out: `model.fp16.safetensors`" in done.stdout


def test_conflicting_duplicates_fail(tmp_path):
    folder = model(tmp_path / "m", lambda stored: stored)
    (folder / INDEX).unlink()
    write(folder / "other.safetensors", [("model.norm.weight", "F32", (99,))])
    done = run("moecalc reconcile m", cwd=tmp_path)
    assert done.returncode == 1
    assert "[1024] BF16 in model-00001-of-00001.safetensors, [99] F32 in other.safetensors" in done.stdout
    sizes = json.loads(run("moecalc reconcile m --json", cwd=tmp_path).stdout)
    assert sizes["bytes"] == listed.header("qwen3-0.6b").total_bytes + 4 * 99
    assert sizes["bytes"] == sum(part["bytes"] for part in sizes["breakdown"].values())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda index: index["weight_map"].update(ghost=next(iter(index["weight_map"].values()))),
            "1 tensor of the index is in no file: `ghost`",
        ),
        (
            lambda index: index["weight_map"].pop("model.norm.weight"),
            "1 stored tensor is not in the index: `model.norm.weight`",
        ),
    ],
)
def test_an_index_that_lies_fails(tmp_path, change, said):
    folder = model(tmp_path / "m", lambda stored: stored)
    index = json.loads((folder / INDEX).read_text())
    change(index)
    (folder / INDEX).write_text(json.dumps(index))
    done = run("moecalc reconcile m", cwd=tmp_path)
    assert done.returncode == 1
    assert said in done.stdout
    assert done.stdout.count(said) == 1
    assert "the index says otherwise than the files" in done.stderr


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_no_fact_is_cut_off(tmp_path, columns):
    def wrong(stored):
        return [(n, d, (7, 7)) if "gate_proj" in n else (n, d, s) for n, d, s in stored]

    model(tmp_path / "m", wrong)
    done = run("moecalc reconcile m", cwd=tmp_path, columns=columns)
    assert done.returncode == 1
    assert "…" not in done.stdout
    assert "stored [7, 7], config [3072, 1024]" in " ".join(done.stdout.split())
    assert "model.layers.0-27.mlp.gate_proj.weight" in "".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines())) <= columns


def test_a_false_total_size_is_shown_and_fails_nothing(tmp_path):
    folder = model(tmp_path / "m", lambda stored: stored)
    index = json.loads((folder / INDEX).read_text())
    index["metadata"]["total_size"] = 7
    (folder / INDEX).write_text(json.dumps(index))
    done = run("moecalc reconcile m", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "false, but of no tensor" in done.stdout
    assert done.stdout.count("the index says total_size 7; the tensors take") == 1
    assert "the index says total_size 7" in " ".join(run("moecalc show m", cwd=tmp_path).stdout.split())


@pytest.mark.parametrize(
    ("file", "link", "notes"),
    [
        ("blobs/a1", "snapshots/c0/model.safetensors", ()),
        ("a1", "model/model.safetensors", ("symbolic links were followed: `model.safetensors`",)),
        (
            "other/blobs/a1",
            "snapshots/c0/model.safetensors",
            ("symbolic links were followed: `model.safetensors`",),
        ),
    ],
)
def test_links_of_huggingface_hubs_cache_are_no_news(tmp_path, file, link, notes):
    """Its snapshots are nothing but links to `blobs` beside them."""
    stored, shown = tmp_path / file, tmp_path / link
    for path in (stored, shown):
        path.parent.mkdir(parents=True, exist_ok=True)
    write(stored, [("a", "F32", (2,))])
    shown.symlink_to(stored)
    assert read_checkpoint(shown.parent).notes == notes


def test_a_link_that_leads_round_in_a_circle(tmp_path):
    (tmp_path / "model.safetensors").symlink_to(tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="no such file"):
        read_checkpoint(tmp_path)
