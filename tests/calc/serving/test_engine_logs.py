"""What serving engines printed, held against the same figures computed from shapes (see engine_logs.yaml).

Blocks, tokens and concurrency are exact: from the printed bytes where a log has them, else for some number of bytes
that rounds to the printed GiB. Weights per GPU, with what kernels pad, are within 2%: engines add rotary tables.
Memory left for state, where only the utilization is known, is within 8% of the printed figure.
Activation peaks are 70% to 105% of the printed ones: kernels' workspaces are not known from shapes.
"""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from moecalc.api.loading import load
from moecalc.api.model import Model
from moecalc.api.precision import precision_for
from moecalc.calc.deploy.ranks import Sharded
from moecalc.calc.deploy.sharding import rank_ledger
from moecalc.calc.serving.padding import padding_bytes
from moecalc.calc.serving.reservation import Cells, Pool, cell_buffers, layer_caches, pool
from moecalc.calc.serving.serving import RankBudget, Scheduler, rank_budgets
from moecalc.calc.serving.serving_state import stage_pools
from moecalc.specs.engines import Whole, find_engine
from moecalc.specs.formats import Precision
from moecalc.specs.hardware import accelerator
from moecalc.specs.kv_formats import kv_format
from moecalc.specs.plan import Plan

LOGS = yaml.safe_load((Path(__file__).parent / "engine_logs.yaml").read_text(encoding="utf-8"))
GIB, MIB = 2**30, 2**20
WEIGHTS_WITHIN = Fraction(2, 100)
AVAILABLE_WITHIN = Fraction(8, 100)
ACTIVATION = Fraction(70, 100), Fraction(105, 100)
COMPUTE_WITHIN = Fraction(5, 100)

Row = dict[str, Any]


def rows(key: str) -> list[Any]:
    return [pytest.param(row, id=row["id"]) for row in LOGS["vllm"] if key in row]


def model(row: Row) -> Model:
    found = load(row["model"])
    assert isinstance(found, Model)
    return found


def plan(row: Row) -> Plan:
    return Plan(**row.get("plan", {}), vocabulary_multiple=64)


def precision(row: Row) -> Precision:
    found = model(row)
    return precision_for(found, row["quant"]) if "quant" in row else found.precision


def pools(row: Row) -> tuple[Pool, ...]:
    """As the engine's file has them, but for a block that the report names."""
    rule = find_engine("vllm").reservation
    if "block" in row:
        block = Whole(value=row["block"], source=row["source"])
        rule = replace(rule, block_tokens=block, latent_block_tokens=block)
    sharded = Sharded(ledger=model(row).ledger, plan=plan(row))
    return stage_pools(sharded, rule, kv_format(row.get("kv", "bf16")).name)


def printed(text: str, unit: int) -> tuple[Fraction, Fraction]:
    """The least and the most that rounds to what was printed."""
    value = Decimal(text)
    half = Fraction(Decimal(1).scaleb(value.as_tuple().exponent)) / 2  # type: ignore[arg-type]
    return (Fraction(value) - half) * unit, (Fraction(value) + half) * unit


def possible_blocks(row: Row) -> range:
    if "available_bytes" in row:
        least = most = Fraction(row["available_bytes"])
    else:
        least, most = printed(row["available_gib"], GIB)
    each = [(one.blocks(least), one.blocks(most)) for one in pools(row)]
    return range(min(low for low, _ in each), min(high for _, high in each) + 1)


def in_flight(row: Row) -> int:
    return int(row.get("in_flight") or row.get("batched_tokens", 2048))


def tokens_by_blocks(one: Pool, blocks: int) -> int:
    """Tokens of cache as vLLM said before 0.21: blocks dealt evenly to the groups."""
    ranks = max(group.cache.ranks for group in one.groups)
    return blocks // len(one.groups) * min(group.block_tokens for group in one.groups) * ranks


def tokens(row: Row, blocks: int) -> int:
    first = pools(row)[0]
    if row["reports"] == "blocks":
        return tokens_by_blocks(first, blocks)
    return first.tokens(blocks, row["context"], in_flight(row))


def check(row: Row, key: str, holds: bool, said: object) -> None:
    """A row that is known to miss must still miss: otherwise it is no exception any more."""
    misses = row.get("misses", {})
    if key in misses:
        assert not holds, f"{row['id']} comes out now: {said}"
    else:
        assert holds, f"{row['id']}: {said}"


def test_at_least_25_reports_are_held() -> None:
    assert len([row for row in LOGS["vllm"] if "tokens" in row or "blocks" in row]) >= 25
    assert sum(len(row.get("misses", {})) for row in LOGS["vllm"]) <= 10


@pytest.mark.parametrize("row", rows("tokens"))
def test_tokens_and_concurrency_follow_from_the_printed_memory(row: Row) -> None:
    if "available_bytes" not in row and "available_gib" not in row:
        blocks = [row["tokens"] * len(pools(row)[0].groups) // pools(row)[0].block_tokens]
    else:
        blocks = [blocks for blocks in possible_blocks(row) if tokens(row, blocks) == row["tokens"]]
    check(row, "tokens", bool(blocks), (possible_blocks(row) if "misses" in row else row["tokens"]))
    if row.get("concurrency") and blocks:
        said = {
            f"{float(pools(row)[0].concurrency(count, row['context'], in_flight(row))):.2f}"
            for count in blocks
        }
        assert row["concurrency"] in said


@pytest.mark.parametrize("row", rows("blocks"))
def test_blocks_and_concurrency_where_blocks_are_printed(row: Row) -> None:
    if "available_gib" in row:
        assert row["blocks"] in possible_blocks(row)
    one = pools(row)[0]
    if len(one.groups) == 1:  # until 0.8 concurrency is tokens over context, not blocks over blocks
        assert f"{row['blocks'] * 16 / row['context']:.2f}" == row["concurrency"]
    else:
        said = float(one.concurrency(row["blocks"], row["context"], in_flight(row)))
        assert f"{said:.2f}" == row["concurrency"]


@pytest.mark.parametrize("row", rows("block_grown_to"))
def test_the_block_grows_to_hold_a_recurrent_state(row: Row) -> None:
    assert pools(row)[0].block_tokens == row["block_grown_to"]
    assert pools(row)[0].grown


@pytest.mark.parametrize("row", rows("weights_gib"))
def test_weights_per_gpu_are_within_2_percent_of_the_log(row: Row) -> None:
    sharded, stored = Sharded(ledger=model(row).ledger, plan=plan(row)), precision(row)
    computed = max(
        sum(size for _, size in sharded.weight_groups(stage, stored))
        + padding_bytes(sharded, stage, stored, find_engine("vllm"))
        for stage in range(plan(row).pipeline)
    )
    logged = Fraction(Decimal(row["weights_gib"])) * GIB
    check(row, "weights", abs(computed - logged) <= WEIGHTS_WITHIN * logged, float(computed / logged))


def budgets_of(row: Row, capacity: int) -> tuple[RankBudget, ...]:
    return rank_budgets(
        Sharded(ledger=model(row).ledger, plan=plan(row)),
        precision(row),
        find_engine("vllm"),
        Scheduler(
            context=row["context"],
            sequences=row["sequences"],
            batched_tokens=row["batched_tokens"],
            utilization=Fraction(row["utilization"]),
        ),
        (capacity,),
        graphs=row["reports"] == "requests",  # the versions before 0.21 do not subtract them
    )


@pytest.mark.parametrize("row", [row for row in rows("utilization") if "batched_tokens" in row.values[0]])
def test_memory_left_for_state_is_within_8_percent_of_the_log(row: Row) -> None:
    total = accelerator(row["gpu"]).usable_bytes()
    assert total is not None
    capacity = int(Fraction(Decimal(row["total_gib"])) * GIB) if "total_gib" in row else total.bytes
    budgets = budgets_of(row, capacity)
    inside = budgets[0].context_bytes if row.get("context_inside") else 0
    computed = min(budget.available_bytes for budget in budgets) - inside
    logged = (
        row["available_bytes"] if "available_bytes" in row else Fraction(Decimal(row["available_gib"])) * GIB
    )
    holds = abs(computed - logged) <= AVAILABLE_WITHIN * logged
    check(row, "available", holds, float((computed - logged) / GIB))


@pytest.mark.parametrize("row", [row for row in rows("activation_gib") if "sequences" in row.values[0]])
def test_activation_peaks_are_70_to_105_percent_of_the_printed(row: Row) -> None:
    computed = max(budget.activation_bytes for budget in budgets_of(row, 80 * GIB))
    share = Fraction(computed) / (Fraction(Decimal(row["activation_gib"])) * GIB)
    check(row, "activation", ACTIVATION[0] <= share <= ACTIVATION[1], float(share))


@pytest.mark.parametrize("row", [row for row in LOGS["llama_cpp"] if "compute_mib" in row])
def test_llama_cpps_compute_buffer_is_within_5_percent(row: Row) -> None:
    told = Scheduler(
        context=row["context"], sequences=1, batched_tokens=row["ubatch"], utilization=Fraction(1)
    )
    sharded = Sharded(ledger=model(row).ledger, plan=Plan())
    (budget,) = rank_budgets(sharded, precision(row), find_engine("llama.cpp"), told, (80 * GIB,))
    logged = Fraction(Decimal(row["compute_mib"])) * MIB
    assert abs(budget.activation_bytes - logged) <= COMPUTE_WITHIN * logged


@pytest.mark.parametrize("row", LOGS["vllm_needs"], ids=lambda row: row["available_gib"])
def test_what_one_request_needs_and_the_longest_that_fits(row: Row) -> None:
    one = pool(layer_caches(model(row).ledger, "bf16"), 16)
    least, most = printed(row["needed_gib"], GIB)
    assert least <= one.reserved_bytes(row["context"], 2048) <= most
    least, most = printed(row["available_gib"], GIB)
    longest = [one.longest_context(one.blocks(size), 2048, row["context"]) for size in (least, most)]
    assert longest[0] <= row["longest"] <= longest[1]
    assert longest[1] - longest[0] < 100


@pytest.mark.parametrize("row", LOGS["sglang"], ids=lambda row: row["model"])
def test_sglangs_cache_is_the_logical_one_of_a_rank(row: Row) -> None:
    rank = rank_ledger(model(row).ledger, plan(row))
    each = sum(cache.bytes for _, cache in layer_caches(rank, kv_format(row.get("kv", "bf16")).name))
    parts = row["parts"]  # keys and values are printed apart, and so rounded apart
    least, most = printed(str(Decimal(row["gib"]) / parts), GIB)
    assert least <= Fraction(row["tokens"] * each, parts) <= most


@pytest.mark.parametrize(
    "row", LOGS["llama_cpp"], ids=lambda row: f"{row['model']}-{row['context']}-{row['key']}"
)
def test_llama_cpps_buffers_to_the_printed_hundredth_of_a_mib(row: Row) -> None:
    buffers = cell_buffers(
        model(row).ledger,
        row["context"],
        row.get("sequences", 1),
        rule=Cells(
            key_dtype=kv_format(row["key"]).name,
            value_dtype=kv_format(row["value"]).name if "value" in row else None,
            ubatch=row.get("ubatch", 512),
            unified=row.get("unified", False),
            swa_full=row.get("swa_full", False),
        ),
    )
    for said in row["buffers"]:
        meant = [b for b in buffers if said["what"] in {"all", b.what}]
        assert f"{float(sum(b.bytes for b in meant)) / MIB:.2f}" == said["mib"]
        if "cells" in said:
            assert [(b.cells, b.layers) for b in meant] == [(said["cells"], said["layers"])]
