"""The command line, the real huggingface_hub client and a hub on loopback."""

import json

import pytest

from tests.hub.conftest import CONFIG, TOTAL, tensors
from tests.hub.server import COMMIT
from tests.sources.headers.written import write


def test_the_config_answers(hub, moecalc, values):
    done = moecalc("show", "org/small", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert values(done.stdout)["params.total"] == TOTAL
    assert json.loads(done.stdout)["models"][0]["source"] == "hub: org/small@main, commit 0123456789ab"
    assert not hub.paths(".safetensors")


def test_with_headers_the_checkpoint_answers_on_bytes(hub, moecalc, values):
    write(hub.folder / "org/small/model.safetensors", tensors("F32"))
    done = moecalc("show", "org/small", "--headers", "--json")
    assert done.returncode == 0
    assert values(done.stdout)["weights.bytes"] == 4 * TOTAL
    assert "config and header disagree" in done.stdout


def test_a_second_call_asks_only_what_the_revision_means(sharded, moecalc):
    first = moecalc("reconcile", "org/sharded")
    assert first.returncode == 0, first.stderr
    assert "config and header agree on 20 tensors" in first.stdout
    assert len(sharded.paths("/cdn/")) == 20
    sharded.asked.clear()
    second = moecalc("reconcile", "org/sharded")
    assert second.stdout == first.stdout
    assert sharded.paths("org/") == ["/api/models/org/sharded/revision/main"]
    sharded.asked.clear()
    pinned = moecalc("reconcile", f"org/sharded@{COMMIT}")
    assert "config and header agree on 20 tensors" in pinned.stdout
    assert not sharded.paths("org/")


def test_reconcile_fails_where_they_disagree(hub, moecalc):
    hub.write("org/small", "config.json", {**CONFIG, "intermediate_size": 48})
    done = moecalc("reconcile", "org/small")
    assert done.returncode == 1
    assert "other shape" in done.stdout


def test_a_revision(hub, moecalc):
    assert moecalc("show", "org/small@v1").returncode == 0
    assert moecalc("show", "org/small@refs/pr/1").returncode == 0
    done = moecalc("show", "org/small@v9")
    assert done.returncode == 2
    assert "error: `org/small` has no revision `v9`" in done.stderr


def test_a_private_repository_needs_the_token(hub, moecalc):
    hub.tokens["org/small"] = "hf_right"
    stranger = moecalc("show", "org/small", "--headers")
    assert stranger.returncode == 2
    assert "no repository `org/small` that you may read" in stranger.stderr
    assert "HF_TOKEN" in stranger.stderr
    assert moecalc("show", "org/small", "--headers", HF_TOKEN="hf_right").returncode == 0
    assert moecalc("show", "org/small", HF_TOKEN="hf_wrong").returncode == 2


def test_the_token_stays_with_the_hub(hub, moecalc):
    hub.tokens["org/small"] = "hf_right"
    assert moecalc("show", "org/small", "--headers", HF_TOKEN="hf_right").returncode == 0
    tokens = {path.split("/")[1]: token for _, path, _, token in hub.asked if "org/small" in path}
    assert tokens["api"] == tokens["org"] == "Bearer hf_right"
    assert tokens["cdn"] is None


@pytest.mark.parametrize("environment", [{}, {"HF_TOKEN": "hf_not_on_the_list"}])
def test_a_gated_repository(hub, moecalc, environment):
    hub.tokens["org/small"] = "hf_right"
    hub.gated.add("org/small")
    done = moecalc("show", "org/small", **environment)
    assert done.returncode == 2
    assert "error: `org/small` is gated" in done.stderr
    assert "hint: accept its terms on the hub, then set HF_TOKEN" in done.stderr


def test_what_does_not_exist(moecalc):
    done = moecalc("show", "org/nothing")
    assert done.returncode == 2
    assert "no repository `org/nothing`" in done.stderr
    done = moecalc("show", "org/empty")
    assert done.returncode == 2
    assert "`org/empty` has no safetensors and no GGUF files" in done.stderr


def test_offline_the_cache_answers_and_nothing_else(hub, moecalc):
    assert moecalc("show", "org/small", "--headers").returncode == 0
    hub.asked.clear()
    done = moecalc("show", "org/small", "--headers", HF_HUB_OFFLINE="1")
    assert done.returncode == 0
    assert "HF_HUB_OFFLINE forbids to ask; commit 0123456789ab is taken from the cache" in " ".join(
        done.stdout.split()
    )
    empty = moecalc("show", "org/empty", HF_HUB_OFFLINE="1")
    assert empty.returncode == 3
    assert "HF_HUB_OFFLINE" in empty.stderr
    assert not hub.asked


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "http://hub.invalid", "hub.invalid"])
def test_a_hub_that_cannot_be_reached(moecalc, endpoint):
    done = moecalc("show", "org/small", HF_ENDPOINT=endpoint)
    assert done.returncode == 3
    assert "the hub gives no answer about `org/small`" in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_what_huggingface_hub_downloaded_is_used(hub, moecalc, tmp_path):
    """A repository as `hf download` leaves it, with no word of it in moecalc's own cache."""
    theirs = tmp_path / "home" / "hub" / "models--org--small"
    (theirs / "refs").mkdir(parents=True)
    (theirs / "refs" / "main").write_text(COMMIT)
    snapshot = theirs / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (theirs / "blobs").mkdir()
    for name in ("config.json", "model.safetensors"):
        (theirs / "blobs" / name).write_bytes((hub.folder / "org/small" / name).read_bytes())
        (snapshot / name).symlink_to(f"../../blobs/{name}")
    done = moecalc("reconcile", "org/small", HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert "config and header agree on 20 tensors" in done.stdout
    assert moecalc("reconcile", "org/small").returncode == 0
    assert hub.paths("org/") == ["/api/models/org/small/revision/main"]


def test_a_cache_that_cannot_be_written(moecalc, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "assets").write_text("a file stands where the cache would")
    assert moecalc("show", "org/small", "--headers").returncode == 0


def test_headers_are_of_a_checkpoint(moecalc):
    done = moecalc("show", "mixtral-8x7b", "--headers")
    assert done.returncode == 2
    assert "`mixtral-8x7b` has no checkpoint header" in done.stderr


def test_an_unknown_type_is_answered_by_its_header(hub, moecalc, values):
    hub.write("org/small", "config.json", {**CONFIG, "model_type": "brand_new"})
    done = moecalc("show", "org/small", "--json")
    assert done.returncode == 0
    assert values(done.stdout)["params.total"] == TOTAL
    assert "the config is not read" in done.stdout
    assert moecalc("show", "org/small", "--strict").returncode == 2


def test_the_working_that_is_offered_reads_the_header_too(moecalc):
    shown = moecalc("show", "org/small", "--headers")
    assert "config and header agree on 20 tensors" in shown.stdout
    assert "`moecalc explain org/small --headers` shows the working" in shown.stdout
    assert moecalc("explain", "org/small", "memory", "--headers").returncode == 0
    alone = moecalc("show", "org/small")
    assert "agree" not in alone.stdout
    assert "`moecalc explain org/small` shows the working" in alone.stdout
