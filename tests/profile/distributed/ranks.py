"""What each of two gloo processes does for the tests: every case once, its findings into a file."""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from moecalc.profile.builder import build
from moecalc.profile.distributed.group import Group
from moecalc.profile.distributed.network import build_rank
from moecalc.sources.hf_config import read_config
from moecalc.specs.plan import Plan

TP, TP_EP, EP = Plan(tensor=2), Plan(tensor=2, expert=2), Plan(data=2, expert=2)

CASES: dict[str, tuple[str, dict[str, Any], Plan]] = {
    "llama": ("llama", {}, TP),
    "one key-value head": ("llama", {"num_key_value_heads": 1}, TP),
    "odd vocabulary and width": ("llama", {"vocab_size": 101, "intermediate_size": 37}, TP),
    "tied": ("llama", {"tie_word_embeddings": True}, TP),
    "biases": ("llama", {"attention_bias": True, "mlp_bias": True}, TP),
    "mixtral": ("mixtral", {}, TP),
    "mixtral, experts dealt": ("mixtral", {}, TP_EP),
    "mixtral, tokens sent": ("mixtral", {}, EP),
    "gpt-oss": ("gpt_oss", {}, TP),
    "gpt-oss, experts dealt": ("gpt_oss", {}, TP_EP),
    "gpt-oss, tokens sent": ("gpt_oss", {}, EP),
    "deepseek-v3": ("deepseek_v3", {}, TP),
    "deepseek-v3, experts dealt": ("deepseek_v3", {}, TP_EP),
    "deepseek-v3, tokens sent": ("deepseek_v3", {}, EP),
    "qwen3-moe, tokens sent": ("qwen3_moe", {}, EP),
}

BATCH, PROMPT = 3, 7


def architecture_of(case: str) -> Any:
    family, changes, _ = CASES[case]
    tiny = import_module(f"tests.oracle.families.{family}").TINY
    return read_config({**tiny, **changes}).architecture


def run(case: str, group: Group) -> dict[str, Any]:
    """Outputs of a rank's part beside those of the whole, what it holds, and what it sent."""
    architecture, plan = architecture_of(case), CASES[case][2]
    whole = build(architecture, dtype=torch.float32, device="cpu", seed=1)
    own = build_rank(architecture, plan, group, dtype=torch.float32, device="cpu", seed=2)
    own.take_from(whole)
    draw = torch.Generator().manual_seed(3 + (group.rank if plan.data > 1 else 0))
    ids = torch.randint(0, architecture.embedding.vocab_size, (BATCH, PROMPT + 1), generator=draw)
    caches = whole.new_state(BATCH, PROMPT + 1), own.new_state(BATCH, PROMPT + 1)
    found: dict[str, Any] = {
        "parameters": sum(stored.tensor.numel() for stored in own.weights()),
        "shapes": [(stored.row.role.value, list(stored.tensor.shape)) for stored in own.weights()],
        "state_bytes": caches[1].nbytes,
    }
    for step, tokens in (("prefill", ids[:, :PROMPT]), ("decode", ids[:, PROMPT:])):
        group.counts = {}
        ours, theirs = own(tokens, caches[1], "all"), whole(tokens, caches[0], "all")
        found[step] = {
            "difference": float((ours - theirs).abs().max()),
            "largest": float(theirs.abs().max()),
            "sent": {name: [sent.times, float(sent.sent_bytes)] for name, sent in group.counts.items()},
            "chosen": [chosen.tolist() for chosen in whole.chosen_experts().values()],
            "logits": list(ours.shape),
        }
    return found


def main() -> None:
    rank, ranks, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=ranks)
    group = Group()
    found = {case: run(case, group) for case in CASES}
    (folder / f"rank{rank}.json").write_text(json.dumps(found), encoding="utf-8")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
