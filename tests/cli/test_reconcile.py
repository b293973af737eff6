"""`moecalc reconcile` as a user sees it: a checkpoint on disk, stdout, stderr and the exit code."""

import json

import jsonschema
import pytest

from tests.console import ROOT, run
from tests.sources.headers import listed
from tests.sources.headers.written import write_sharded

AGREES = """\
m: config against header
m/config.json; 91,991 tensors in 2 files, transformers names

parameters of the language model                      671,026,404,352   673 GB
its buffers                                                    14,848  59.4 kB
MTP modules, with their copies of embedding and head   13,463,426,304  15.4 GB
block scales                                               41,540,496   166 MB
stored elements, packed values counted singly         684,531,386,000   689 GB

copies of other tensors: stored twice, counted once
  model.layers.61.embed_tokens.weight      1  [129280, 7168] BF16
  model.layers.61.shared_head.head.weight  1  [129280, 7168] BF16

config and header agree on 91,991 tensors (2 copies).
"""

DISAGREES = """\
m: config against header
m/config.json; 458 tensors in 1 file, transformers names

parameters of the language model               20,914,757,120  13.2 GB
block scales                                      597,196,800   597 MB
stored elements, packed values counted singly  21,511,953,920  13.8 GB

missing: the config has them, the checkpoint does not
  model.layers.7.self_attn.sinks  1  [64]

other dtype: the header is right about the bytes
  model.layers.0-23.mlp.router.bias  24  stored F32, config bf16

config and header disagree: 1 missing, 24 other dtype of 458 tensors.
"""


def written(folder, name, shards, change=lambda tensor: [tensor]):
    stored = [each for t in listed.header(name).tensors for each in change((t.name, t.dtype, t.shape))]
    size = -(-len(stored) // shards)
    write_sharded(folder, [stored[i : i + size] for i in range(0, len(stored), size)])
    (folder / "config.json").write_text(json.dumps(listed.config(name)))


def broken(tensor):
    name, dtype, shape = tensor
    if name == "model.layers.7.self_attn.sinks":
        return []
    return [(name, "F32" if name.endswith("router.bias") else dtype, shape)]


def test_the_breakdown_of_deepseek_r1(tmp_path):
    written(tmp_path / "m", "deepseek-r1", 2)
    done = run("moecalc reconcile m", cwd=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == (AGREES, "", 0)


def test_a_disagreement_is_exit_1(tmp_path):
    written(tmp_path / "m", "gpt-oss-20b", 1, broken)
    done = run("moecalc reconcile m", cwd=tmp_path)
    assert done.stdout == DISAGREES
    assert done.stderr == "error: config and header disagree: 1 missing, 24 other dtype of 458 tensors\n"
    assert done.returncode == 1
    shown = run("moecalc show m", cwd=tmp_path)
    assert shown.returncode == 0
    assert "the config disagrees" in shown.stdout
    assert "`moecalc reconcile m` lists" in " ".join(shown.stdout.split())


def test_json_is_for_programs(tmp_path):
    written(tmp_path / "m", "gpt-oss-20b", 1, broken)
    done = run("moecalc reconcile m --json", cwd=tmp_path)
    made = json.loads(done.stdout)
    schema = json.loads((ROOT / "moecalc" / "render" / "reconcile.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(made)
    assert done.returncode == 1
    assert (made["schema"], made["agrees"], made["tensors"]) == ("moecalc/reconcile/1", False, 458)
    assert made["breakdown"]["scales"]["elements"] == 597_196_800
    (missing,) = (finding for finding in made["findings"] if finding["kind"] == "missing")
    assert missing == {
        "disagrees": True,
        "kind": "missing",
        "name": "model.layers.{}.self_attn.sinks",
        "layers": [7],
        "expected": "[64]",
        "tensors": 1,
        "elements": 64,
    }


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_show_says_whether_config_and_header_agree(tmp_path, columns):
    written(tmp_path / "m", "qwen3-0.6b", 1)
    done = run("moecalc show m", cwd=tmp_path, columns=columns)
    assert "\nconfig and header agree on 311 tensors (1 copy)\n" in done.stdout
    assert "`moecalc explain m` shows the working" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= columns


def test_what_cannot_be_reconciled(tmp_path):
    written(tmp_path / "m", "qwen3-0.6b", 1)
    (tmp_path / "m" / "config.json").unlink()
    done = run("moecalc reconcile m", cwd=tmp_path)
    assert done.returncode == 2
    assert "has no config to hold its header against" in done.stderr
    done = run("moecalc reconcile mixtral-8x7b", cwd=tmp_path)
    assert done.returncode == 2
    assert "has no checkpoint header to hold its config against" in done.stderr


def test_a_long_list_is_cut(tmp_path):
    def beside(tensor):
        return [tensor, *((f"{tensor[0]}.x{i}", "U8", (1,)) for i in range(2))]

    written(tmp_path / "m", "gpt-oss-20b", 1, beside)
    done = run("moecalc reconcile m", cwd=tmp_path)
    assert done.returncode == 1
    assert "and 14 more: `--json` has them all" in done.stdout


@pytest.mark.parametrize("columns", [80, 120])
def test_what_a_header_alone_does_not_tell(tmp_path, columns):
    """Each gap says why it is one, in a narrow terminal too; nobody keeps anything secret."""
    written(tmp_path / "m", "gpt-oss-20b", 1)
    (tmp_path / "m" / "config.json").unlink()
    shown = run("moecalc show m", cwd=tmp_path, columns=columns).stdout
    assert shown.count("top_k unknown") == 3
    assert shown.count("not in a header") == 5
    assert "undisclosed" not in shown

    def renamed(tensor):
        name, *rest = tensor
        return [(name.replace(".experts.", ".specialists."), *rest)]

    written(tmp_path / "u", "gpt-oss-20b", 1, renamed)
    (tmp_path / "u" / "config.json").unlink()
    shown = " ".join(run("moecalc show u", cwd=tmp_path, columns=columns).stdout.split())
    # all but the experts' tensors, and everything: packed words of what no layout knows count singly
    assert "active per token (all) 1.80 B-11.96 B" in shown
    assert "what is active, routed or beside the model is not known" in shown
