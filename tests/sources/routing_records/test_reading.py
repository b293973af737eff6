"""Recordings as files have them: what each reader gives, and what it refuses."""

import base64
import io
import json
import math
import pickle

import numpy as np
import pytest
import torch

from moecalc.errors import InputError
from moecalc.sources.routing_records import read_recording

COUNTS = [[3, 0, 5], [1, 1, 6]]
CHOICES = np.array([[[0, 2], [1, 2]], [[2, 1], [0, 1]], [[1, 0], [2, 0]]])


@pytest.mark.parametrize("suffix", ["csv", "json", "npy", "npz"])
def test_counts_are_the_same_from_every_format(tmp_path, suffix):
    file = tmp_path / f"counts.{suffix}"
    if suffix == "csv":
        file.write_text("\n".join(",".join(map(str, row)) for row in COUNTS))
    elif suffix == "json":
        file.write_text(json.dumps({"counts": COUNTS}))
    elif suffix == "npy":
        np.save(file, np.array(COUNTS))
    else:
        np.savez(file, counts=np.array(COUNTS))
    recording = read_recording(file)
    assert recording.counts == ((3, 0, 5), (1, 1, 6))
    assert recording.experts == 3
    assert recording.tokens is None


@pytest.mark.parametrize("suffix", ["csv", "json", "npy", "npz", "packed.npz", "pt"])
def test_choices_are_the_same_from_every_format(tmp_path, suffix):
    file = tmp_path / f"choices.{suffix}"
    if suffix == "csv":
        rows = ["token,layer,expert,expert"]
        rows += [f"{t},{layer},{a},{b}" for t, row in enumerate(CHOICES) for layer, (a, b) in enumerate(row)]
        file.write_text("\n".join(rows))
    elif suffix == "json":
        file.write_text(json.dumps({"choices": CHOICES.tolist()}))
    elif suffix == "npy":
        np.save(file, CHOICES)
    elif suffix == "npz":
        np.savez(file, choices=CHOICES)
    elif suffix == "pt":
        torch.save(torch.from_numpy(CHOICES), file)
    else:
        np.savez_compressed(file, choices=CHOICES)
    recording = read_recording(file)
    assert recording.array.tolist() == CHOICES.tolist()
    assert (recording.tokens, recording.top_k, recording.experts) == (3, 2, 3)


def test_npy_and_stored_npz_are_mapped(tmp_path):
    np.save(tmp_path / "a.npy", CHOICES)
    np.savez(tmp_path / "a.npz", first=np.zeros(7), choices=np.asfortranarray(CHOICES))
    for name in ("a.npy", "a.npz"):
        recording = read_recording(tmp_path / name)
        assert isinstance(recording.array, np.memmap)
        assert recording.array.tolist() == CHOICES.tolist()


def test_sglang_csv_leaves_out_experts_that_nobody_chose(tmp_path):
    # An excerpt of a file that its recorder wrote, as an issue of the project quotes it.
    file = tmp_path / "expert_distribution_rank0_timestamp1744347750.3721356.csv"
    file.write_text("layer_id,expert_id,count\n3,0,24990\n3,18,39249\n3,29,13378\n3,34,13874\n3,43,22360\n")
    recording = read_recording(file, experts=None)
    assert recording.layer_names == (3,)
    assert recording.counts is not None
    assert {at: n for at, n in enumerate(recording.counts[0]) if n} == {
        0: 24990,
        18: 39249,
        29: 13378,
        34: 13874,
        43: 22360,
    }


def test_sglang_stat_file_adds_its_steps(tmp_path):
    file = tmp_path / "expert_distribution_recorder_1.pt"
    steps = torch.tensor([COUNTS, COUNTS], dtype=torch.int32)
    torch.save({"rank": 0, "logical_count": steps, "average_utilization_rate_over_window": None}, file)
    assert read_recording(file).counts == ((6, 0, 10), (2, 2, 12))


def test_sglang_per_token_file_follows_slots_and_prompts(tmp_path):
    file = tmp_path / "expert_distribution_recorder_1_0.pt"
    # Layers first, padded to 8; slot 3 holds a copy of expert 0.
    slots = torch.full((2, 3, 8), -1, dtype=torch.int32)
    slots[:, :, :2] = torch.from_numpy(CHOICES.transpose(1, 0, 2).astype(np.int32))
    slots[0, 0, 0] = 3
    record = {"forward_pass_id": 1, "rank": 0, "extend_seq_lens": [2, 1], "topk_ids_of_layer": slots}
    decode = {**record, "extend_seq_lens": None}
    found = {"records": [record, decode], "last_physical_to_logical_map": torch.tensor([[0, 1, 2, 0]] * 2)}
    torch.save(found, file)
    recording = read_recording(file)
    assert recording.array.tolist() == [*CHOICES.tolist(), *CHOICES.tolist()]
    assert recording.starts == (0, 2, 3, 4, 5)


@pytest.mark.parametrize("packed", [False, True])
def test_vllm_responses_with_routed_experts(tmp_path, packed):
    def part(array):
        if not packed:
            return array.tolist()
        buffer = io.BytesIO()
        np.save(buffer, array.astype(np.int16))
        return base64.b64encode(buffer.getvalue()).decode()

    response = {
        "prompt_routed_experts": part(CHOICES[:2]),
        "choices": [{"index": 0, "routed_experts": part(CHOICES[2:])}],
    }
    (tmp_path / "one.json").write_text(json.dumps(response))
    (tmp_path / "two.jsonl").write_text(f"{json.dumps(response)}\n{json.dumps(response)}\n")
    assert read_recording(tmp_path / "one.json").array.tolist() == CHOICES.tolist()
    two = read_recording(tmp_path / "two.jsonl")
    assert two.array.tolist() == [*CHOICES.tolist(), *CHOICES.tolist()]
    assert two.starts == (0, 3)


def test_vllm_load_window_of_slots_becomes_experts(tmp_path):
    # The map in the docstring of vLLM's EplbState: 2 layers, 6 slots, 4 experts.
    file = tmp_path / "window.npz"
    slots = np.array([[0, 1, 2, 3, 0, 1], [0, 2, 0, 1, 0, 3]])
    np.savez(file, expert_load_window=np.ones((5, 2, 6), int), physical_to_logical_map=slots)
    assert read_recording(file).counts == ((10, 10, 5, 5), (15, 5, 5, 5))


def test_logits_become_probabilities_and_z_loss_as_torch_has_them(tmp_path):
    logits = torch.randn(3, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 50
    np.savez(tmp_path / "l.npz", choices=CHOICES, logits=logits.numpy())
    recording = read_recording(tmp_path / "l.npz")
    assert recording.mean_probability is not None
    assert recording.z_loss is not None
    expected = logits.softmax(-1).mean(0).tolist()
    for ours, theirs in zip(recording.mean_probability, expected, strict=True):
        assert all(
            math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-300) for a, b in zip(ours, theirs, strict=True)
        )
    for ours, theirs in zip(recording.z_loss, logits.logsumexp(-1).square().mean(0).tolist(), strict=True):
        assert math.isclose(ours, theirs, rel_tol=1e-12)


REFUSED = {
    "a.txt": (b"1,2", "no recording that can be read"),
    "a.csv": (b"1,2\n3", "layer 1 has 1 counts"),
    "negative.csv": (b"1,-2\n3,4", "a count is -2"),
    "zero.csv": (b"0,0\n0,0", "all counts are 0"),
    "empty.csv": (b"", "it is empty"),
    "words.csv": (b"a,b\n1,2", "a table with the columns `a`, `b`"),
    "half.csv": (b"1,2\n3,x", "line 2: `x` is no whole number"),
    "ragged.csv": (b"token,layer,expert\n0,0,1\n0,1,2\n1,0,1", "not every token"),
    "bad.json": (b"[1,", "no JSON"),
    "value.json": (b"3", "a single value"),
    "names.json": (b'{"foo": [1]}', "neither counts nor choices: it holds `foo`"),
    "fraction.json": (b'{"counts": [[1.5, 2]]}', "a count is `1.5`"),
    "experts.json": (b'{"choices": [[[0, 9]]], "experts": 8}', "expert 9 was chosen, of 8"),
    "low.json": (b'{"choices": [[[0, -2]]]}', "an expert's index is -2"),
    "none.json": (b'{"choices": [[[-1, -1]]]}', "no token has chosen"),
    "deep.json": (b'{"choices": [[0, 1]]}', "choices of shape [1, 2]"),
    "starts.json": (b'{"choices": [[[0, 1]]], "starts": [1]}', "`starts` are not rising"),
    "vllm.json": (b'{"choices": [{"index": 0}]}', "no response says"),
    "bad.npy": (b"\x93NUMPY nonsense", "no npy file"),
    "bad.npz": (b"PK nonsense", "no npz file"),
    "bad.pt": (b"nonsense", "no file of tensors alone"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_recording_is_refused_with_a_reason(tmp_path, name):
    content, said = REFUSED[name]
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_recording(file)
    assert said in str(refused.value)
    assert str(file) in str(refused.value)


@pytest.mark.parametrize("name", ["zeros.npz", "rows.csv", "layers.npy", "table.json"])
def test_a_small_file_that_says_more_than_memory_holds_is_refused(tmp_path, name):
    file = tmp_path / name
    if name == "zeros.npz":  # packed a thousand times smaller than it is
        np.savez_compressed(file, counts=np.zeros((2100, 2100), np.int8))
    elif name == "rows.csv":
        file.write_text("layer,expert,count\n" + "".join(f"{layer},65535,1\n" for layer in range(65)))
    elif name == "layers.npy":
        np.save(file, np.array([[[0]] * 70 + [[60_000]]], dtype=np.int32))
    else:
        file.write_text(json.dumps([[1]] * (2**22 + 1)))
    with pytest.raises(InputError, match="counts of experts, over all layers"):
        read_recording(file)


def test_a_pickle_is_refused_without_torch_s_own_warning(tmp_path, recwarn):
    (tmp_path / "p.pt").write_bytes(pickle.dumps({"a": 1}, protocol=4))
    with pytest.raises(InputError, match="no file of tensors alone"):
        read_recording(tmp_path / "p.pt")
    assert not recwarn.list


def test_a_file_that_is_cut_off_or_not_there(tmp_path):
    file = tmp_path / "a.npy"
    np.save(file, CHOICES)
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"it says \[3, 2, 2\] elements of 8 bytes and has 88 bytes"):
        read_recording(file)
    with pytest.raises(InputError, match="no file"):
        read_recording(tmp_path / "missing.csv")


def test_objects_in_arrays_are_not_run(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="Python objects"):
        read_recording(tmp_path / "a.npy")


def test_the_model_s_experts_overrule_the_highest_that_was_seen(tmp_path):
    np.save(tmp_path / "a.npy", CHOICES)
    assert read_recording(tmp_path / "a.npy", experts=8).experts == 8
    with pytest.raises(InputError, match="expert 2 was chosen, of 2"):
        read_recording(tmp_path / "a.npy", experts=2)
