"""`moecalc check` of 50 models as a whole process: `python -m tests.benchmarks.check`. Target: under 1 second.

A scratch repository with 50 configs, six limits on each; once alone, once with `--base HEAD`, where every config has
changed since. Bytecode is kept in a folder of its own, as an installed package has it.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.startup import measure

MODELS = 50
CONFIG = {
    "model_type": "qwen3_moe",
    "vocab_size": 151936,
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "moe_intermediate_size": 768,
    "num_hidden_layers": 48,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "tie_word_embeddings": False,
    "dtype": "bfloat16",
}
LIMITS = {
    "total": "<= 100B",
    "active": "<= 10B",
    "weights@q4_k_m": "<= 200 GiB",
    "vram@32k": "<= 400 GiB",
    "kv/token": "<= 1 MiB",
    "flops/token": "<= 100 GF",
}


def write(folder: Path, experts: int, limits: dict[str, str]) -> None:
    """The configs and their budget file."""
    lines = ["models:"]
    for number in range(MODELS):
        place = folder / f"model-{number}"
        place.mkdir(exist_ok=True)
        config = {**CONFIG, "num_experts": experts + number}
        (place / "config.json").write_text(json.dumps(config, indent=2))
        lines += [f"  - model: model-{number}/config.json", "    limits:"]
        lines += [f"      {name}: {limit}" for name, limit in limits.items()]
    (folder / "moecalc.yaml").write_text("\n".join(lines) + "\n")


def git(folder: Path, *arguments: str) -> None:
    """A git command of nobody in particular."""
    named = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    subprocess.run(["git", "-C", str(folder), *named, *arguments], check=True, capture_output=True)


def main(runs: int = 9) -> None:
    """Print the median wall time of both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "repository")
        folder.mkdir()
        write(folder, 128, LIMITS)
        git(folder, "init", "-q")
        git(folder, "add", ".")
        git(folder, "commit", "-qm", "base")
        write(folder, 136, {**LIMITS, "routed": "<= +20%"})
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(name, "bytecode"))}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        moecalc = [sys.executable, "-m", "moecalc", "check", "-c", str(folder / "moecalc.yaml")]
        based = [*moecalc, "--base", "HEAD"]
        measure(based, environment)  # warm the file cache, write the bytecode
        changed = statistics.median(measure(based, environment)[0] for _ in range(runs))
        write(folder, 128, LIMITS)
        measure(moecalc, environment)
        alone = statistics.median(measure(moecalc, environment)[0] for _ in range(runs))
    print(f"{MODELS} models, {len(LIMITS)} limits each: {alone:.2f} s (median of {runs}; target 1 s)")
    print(f"the same and one more against a base in which all have changed: {changed:.2f} s")


if __name__ == "__main__":
    main()
