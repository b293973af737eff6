"""A hub that fails, lies or dawdles: one clear error, in bounded time, and never a wrong answer."""

import json
import re

import pytest

import moecalc
from moecalc.errors import InputError, UndeterminedError
from moecalc.sources.hub import beginnings, failures, http
from tests.hub.conftest import CONFIG, TOTAL, tensors
from tests.hub.server import COMMIT
from tests.sources.headers.written import header_of, write, write_raw

pytestmark = pytest.mark.usefixtures("here")

WEIGHTS = "/cdn/org/small/model.safetensors"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(failures, "PAUSE_SECONDS", 0.01)


def load():
    return moecalc.load("org/small", headers=True)


def assert_read(model):
    assert model.reconciliation.agrees
    assert model.weight_bytes() == 2 * TOTAL


# ------------------------------------------------------------------------------------------- what passes by itself


@pytest.mark.parametrize("at", ["/api/models/", "config.json", WEIGHTS])
@pytest.mark.parametrize("status", [500, 502, 503, 408])
def test_a_failure_that_passes(hub, at, status):
    hub.fail(at, status=status, times=2)
    assert_read(load())


@pytest.mark.parametrize("headers", [{"Retry-After": "0"}, {"RateLimit": '"api";r=0;t=0'}])
def test_a_short_rate_limit_is_waited_for(hub, headers):
    hub.fail(WEIGHTS, status=429, headers=headers, times=2)
    assert_read(load())


@pytest.mark.parametrize("fault", [{"cut": 700, "times": 2}, {"short": 3000}, {"no_ranges": True}])
def test_a_header_that_comes_in_pieces(hub, fault):
    hub.fail(WEIGHTS, **fault)
    assert_read(load())


def test_an_answer_that_is_cut_is_asked_for_again(hub):
    hub.fail("config.json", cut=20, times=2)
    assert_read(load())


def test_a_server_without_ranges_is_read_no_further_than_needed(hub, monkeypatch):
    monkeypatch.setattr(beginnings, "FIRST_BYTES", 64)
    hub.fail(WEIGHTS, no_ranges=True)
    assert_read(load())


def test_redirects_within_the_hub(hub):
    hub.fail("config.json", redirect=f"{hub.url}/org/renamed/resolve/{COMMIT}/config.json", times=1)
    hub.write("org/renamed", "config.json", CONFIG)
    assert_read(load())


# ------------------------------------------------------------------------------------------ the answer is not known


@pytest.mark.parametrize("at", ["/api/models/", "config.json", WEIGHTS])
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"status": 500}, "status 500"),
        ({"status": 429, "headers": {"Retry-After": "3600"}}, "no more requests for 3,600 seconds"),
        ({"status": 429, "headers": {"RateLimit": '"api";r=0;t=55'}}, "no more requests for 55 seconds"),
        ({"status": 429, "headers": {"Retry-After": "Wed, 21 Oct 2037 07:28:00 GMT"}}, "until Wed, 21 Oct"),
        ({"status": 418}, "status 418"),
        ({"cut": 5}, "too early|short"),
        ({"redirect": "http://127.0.0.1:9/"}, "refused"),
    ],
)
def test_a_hub_that_fails(hub, at, fault, said):
    hub.fail(at, **fault)
    with pytest.raises(UndeterminedError, match=said):
        load()
    assert len(hub.asked) < 40


@pytest.mark.parametrize("at", ["/api/models/", WEIGHTS])
def test_a_hub_that_is_silent(hub, at, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    hub.fail(at, delay=3, times=1)
    with pytest.raises(UndeterminedError, match="silent for too long"):
        load()


@pytest.mark.parametrize("at", ["/api/models/", WEIGHTS])
def test_a_hub_that_drips(hub, at, monkeypatch):
    monkeypatch.setattr(http, "DEADLINE_SECONDS", 0.2)
    hub.fail(at, drip=0.01)
    with pytest.raises(UndeterminedError, match="it took more than"):
        load()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"says_total": 17}, "contradicts itself"),
        ({"says_total": 10**15}, "contradicts itself"),
        ({"says_start": 100}, "sent bytes from 100 on when asked for those from 0 on"),
        ({"short": 1}, "short"),
        ({"no_ranges": True, "body": b"too short"}, "contradicts itself"),
    ],
)
def test_a_hub_that_contradicts_itself(hub, fault, said):
    hub.fail(WEIGHTS, **fault)
    with pytest.raises(UndeterminedError, match=said):
        load()


@pytest.mark.parametrize(
    "body",
    [
        b"<html>log in to the hotel's network</html>",
        b"{}",
        b"[]",
        b'{"sha": "../../etc"}',
        b'{"sha": 7}',
        b"{" * 10**6,
    ],
)
def test_what_answers_is_no_hub(hub, body):
    hub.fail("/api/models/", body=body)
    with pytest.raises(UndeterminedError, match="is no hub"):
        load()


def test_a_hub_that_fails_is_no_matter_where_the_cache_knows(hub):
    assert_read(load())
    hub.fail(status=503)
    model = load()
    assert_read(model)
    assert any(
        "status 503; commit 0123456789ab is taken from the cache" in warning for warning in model.warnings
    )


def test_the_first_failure_of_many_files_ends_all(sharded):
    sharded.fail("/cdn/", status=404)
    with pytest.raises(InputError, match=r"`org/sharded` has no file `model-000\d\d-of-00020.safetensors`"):
        moecalc.load("org/sharded", headers=True)


# ------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("status", "code", "message", "said"),
    [
        (401, None, None, "no repository `org/small` that you may read"),
        (401, None, "Invalid credentials in Authorization header", "does not accept the token"),
        (401, "GatedRepo", None, "is gated"),
        (403, "GatedRepo", None, "is gated"),
        (403, None, "Forbidden: fine-grained token", "may not be read with this token"),
        (403, None, "Access to this resource is disabled.", "the hub has disabled"),
        (404, "RepoNotFound", None, "no repository `org/small` that you may read"),
        (404, "RevisionNotFound", None, "has no revision `main`"),
        (404, "EntryNotFound", None, "has no file `config.json`"),
    ],
)
def test_what_the_hub_refuses(hub, status, code, message, said):
    hub.fail("config.json", status=status, code=code, message=message)
    with pytest.raises(InputError, match=said):
        load()
    assert len(hub.paths("config.json")) == 1


def test_a_listing_that_names_files_outside(hub, here):
    siblings = [
        {"rfilename": name, "size": 5} for name in ("../../evil.safetensors", "/etc/passwd", "a\\..\\b")
    ]
    hub.fail("/api/models/", body=json.dumps({"sha": COMMIT, "siblings": siblings}).encode())
    with pytest.raises(InputError, match="has no safetensors and no GGUF files"):
        load()
    assert not [path for path in here.rglob("*") if "evil" in path.name or "passwd" in path.name]


@pytest.mark.parametrize(
    "name", ["../model.safetensors", "/etc/passwd", "sub/model.safetensors", "a\\b.safetensors"]
)
def test_an_index_that_names_files_outside(hub, name):
    hub.write("org/small", "model.safetensors.index.json", {"weight_map": {"a.weight": name}})
    with pytest.raises(InputError, match="is not beside it"):
        load()


def test_an_index_of_files_that_are_not_there(hub):
    hub.write("org/small", "model.safetensors.index.json", {"weight_map": {"a.weight": "b.safetensors"}})
    with pytest.raises(InputError, match=re.escape("1 of its 1 files is missing: `b.safetensors`")):
        load()


def test_pickles(hub):
    hub.write("org/pickled", "config.json", CONFIG)
    hub.write("org/pickled", "pytorch_model.bin", b"\x80\x04cos\nsystem\n")
    assert moecalc.load("org/pickled").params.total == TOTAL
    for text in ("org/pickled:pytorch_model.bin", "org/pickled"):
        with pytest.raises(InputError, match="never opened"):
            moecalc.load(text, headers=True)
    assert not hub.paths("pytorch_model")


def test_a_config_beyond_all_measure(hub):
    with (hub.folder / "org/small/config.json").open("wb") as file:
        file.truncate(17 * 2**20)
    hub.fail("config.json", body=b" " * (17 * 2**20))
    with pytest.raises(InputError, match="larger than 16 MiB"):
        moecalc.load("org/small")


@pytest.mark.parametrize("text", ["nonsense", "[1]", '{"model_type": NaN}', "[" * 100_000])
def test_a_config_that_is_none(hub, text):
    hub.write("org/small", "config.json", text.encode())
    with pytest.raises(InputError):
        moecalc.load("org/small")


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("mistralai/Mixtral-8x7B-v0.2", "`mistralai/Mixtral-8x7B-v0.1` (`moecalc mixtral-8x7b`)"),
        ("somebody/Mixtral-8x7B-v0.1", "`mistralai/Mixtral-8x7B-v0.1` (`moecalc mixtral-8x7b`)"),
        ("Qwen/Qwen3-30b", "`Qwen/Qwen3-30B-A3B` (`moecalc qwen3-30b-a3b`)"),
        ("deepseek-ai/DeepSeekV3@main", "`deepseek-ai/DeepSeek-V3` (`moecalc deepseek-v3`)"),
    ],
)
def test_a_repository_that_is_nearly_one_of_the_catalogue(text, known):
    with pytest.raises(InputError, match="no repository") as caught:
        moecalc.load(text)
    assert caught.value.hint.startswith("did you mean ")
    assert known in caught.value.hint


def test_a_repository_like_no_other_suggests_nothing(hub):
    with pytest.raises(InputError, match="no repository `org/nothing-like-it`") as caught:
        moecalc.load("org/nothing-like-it")
    assert caught.value.hint.startswith("check the spelling")
    hub.fail(status=503)
    with pytest.raises(UndeterminedError) as away:
        moecalc.load("org/small")
    assert away.value.hint.startswith("check the network")


def test_the_catalogue_has_what_the_hub_does_not_give(hub):
    hub.fail(status=503)
    for text in ("mistralai/Mixtral-8x7B-v0.1@main", "mistralai/Mixtral-8x7B-v0.1"):
        with pytest.raises(UndeterminedError) as caught:
            moecalc.load(text, headers=True)
        assert caught.value.hint.startswith("the catalogue has it: `moecalc show mixtral-8x7b`")


def test_a_header_is_asked_of_the_hub_though_the_catalogue_has_the_model(hub):
    hub.write("mistralai/Mixtral-8x7B-v0.1", "config.json", CONFIG)
    write(hub.folder / "mistralai/Mixtral-8x7B-v0.1/model.safetensors", tensors())
    assert moecalc.load("mistralai/Mixtral-8x7B-v0.1").params.total == 46_702_792_704
    assert not hub.asked
    assert_read(moecalc.load("mistralai/Mixtral-8x7B-v0.1", headers=True))
    with pytest.raises(InputError, match="no checkpoint header") as caught:
        moecalc.load("mixtral-8x7b", headers=True)
    assert caught.value.hint.endswith("`mistralai/Mixtral-8x7B-v0.1`")


def test_a_variable_that_huggingface_hub_cannot_read(moecalc):
    done = moecalc("show", "org/small", HF_HUB_DOWNLOAD_TIMEOUT="soon")
    assert done.returncode == 2
    assert done.stderr.startswith("error: huggingface_hub does not start: ")
    assert "Traceback" not in done.stderr


# ------------------------------------------------------------------------------------------- headers that lie


@pytest.mark.parametrize(
    ("length", "size", "said"),
    [
        (100_000_001, 200_000_000, "declares a header of 100,000,001 bytes"),
        (2**63, 200_000_000, "declares a header of"),
        (90_000_000, 1_000, "cut short"),
    ],
)
def test_a_header_that_claims_to_be_large(hub, length, size, said):
    path = hub.folder / "org/small/model.safetensors"
    with path.open("wb") as file:
        file.write(length.to_bytes(8, "little"))
        file.truncate(size)
    with pytest.raises(InputError, match=said):
        load()
    assert len(hub.paths(WEIGHTS)) == 1


def test_a_large_header_that_is_nothing_ends_where_it_is_found_out(hub):
    with (hub.folder / "org/small/model.safetensors").open("wb") as file:
        file.write((5_000_000).to_bytes(8, "little"))
        file.truncate(10_000_000)
    with pytest.raises(InputError, match="is no JSON"):
        load()


def test_a_damaged_header_is_not_kept(hub):
    fields, size = header_of(tensors())
    path = hub.folder / "org/small/model.safetensors"
    sound = path.read_bytes()
    fields["model.norm.weight"]["data_offsets"][1] += 2
    write_raw(path, json.dumps(fields).encode(), size)
    with pytest.raises(InputError):
        load()
    path.write_bytes(sound)
    assert_read(moecalc.load("org/small@v1", headers=True))
