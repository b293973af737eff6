"""`check` as a whole: figures equal moecalc's own, models by path, name and git, bases, and what changed since."""

import json
import subprocess
from fractions import Fraction

import pytest

import moecalc
from moecalc.api.checking import check, found_file
from moecalc.checks.budgets import file as budget_file
from moecalc.errors import InputError
from moecalc.render.budgets.record import check_json
from moecalc.specs.data_version import DATA_VERSION

CONFIG = {
    "model_type": "qwen3_moe",
    "vocab_size": 1000,
    "hidden_size": 64,
    "intermediate_size": 128,
    "moe_intermediate_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "num_experts": 64,
    "num_experts_per_tok": 8,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "tie_word_embeddings": False,
    "max_position_embeddings": 40960,
    "dtype": "bfloat16",
}


def git(folder, *arguments):
    named = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    subprocess.run(["git", "-C", str(folder), *named, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A working directory in a repository with one config committed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "config.json").write_text(json.dumps(CONFIG))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "base")
    return tmp_path


def budgets(folder, limits, model="models/config.json", **more):
    path = folder / "moecalc.yaml"
    path.write_text(json.dumps({"models": [{"model": model, "limits": limits}], **more}))
    return path


def outcomes(path, base=None):
    return {one.name: one for one in check(path, base).checked.outcomes}


def changed(folder, **keys):
    (folder / "models" / "config.json").write_text(json.dumps({**CONFIG, **keys}))


def test_every_figure_is_the_one_that_show_has(tmp_path):
    limits = {
        "total": "<= 1T",
        "active": "<= 1T",
        "routed": "<= 1T",
        "weights@q4_k_m": "<= 1 PB",
        "state@8k,batch=3,kv=fp8": "<= 1 PB",
        "kv/token": "<= 1 PB",
        "flops/token@8k": "<= 1 PF",
        "prefill flops@prompt=2k": "<= 1 EF",
        "vram@8k,q4_k_m": "<= 1 PB",
        "params.active.no_embeddings": "<= 1T",
    }
    found = outcomes(budgets(tmp_path, limits, "mixtral-8x7b", runtime="1 GiB"))
    model = moecalc.load("mixtral-8x7b")
    expected = {
        "total": 46_702_792_704,
        "active": 12_879_925_248,
        "routed": model.params.routed,
        "weights@q4_k_m": model.weight_bytes(quant="q4_k_m"),
        "state@8k,batch=3,kv=fp8": model.state_bytes(8192, 3, "fp8"),
        "kv/token": 131_072,
        "flops/token@8k": model.decode_flops(8192),
        "prefill flops@prompt=2k": model.prefill_flops(2048),
        "vram@8k,q4_k_m": model.weight_bytes(quant="q4_k_m") + model.state_bytes(8192) + 2**30,
        "params.active.no_embeddings": model.params.active("no_embeddings"),
    }
    assert {name: one.figure.value for name, one in found.items()} == expected
    assert {one.status for one in found.values()} == {"pass"}


def test_a_limit_holds_to_the_last_unit(tmp_path):
    def status(limit):
        return outcomes(budgets(tmp_path, {"total": limit}, "mixtral-8x7b"))["total"].status

    assert status("<= 46702792704") == "pass"
    assert status("<= 46702792703") == "fail"
    assert status("== 46,702,792,704") == "pass"
    assert status("< 46702792704") == "fail"


def test_settings_of_the_model_hold_unless_a_limit_has_its_own(tmp_path):
    path = tmp_path / "moecalc.yaml"
    limits = {"state": "<= 1 TB", "state@8k": "<= 1 TB", "weights": "<= 1 TB", "weights@released": "<= 1 TB"}
    entry = {"model": "mixtral-8x7b", "context": 4096, "batch": 2, "quant": "awq", "limits": limits}
    path.write_text(json.dumps({"models": [entry]}))
    found = outcomes(path)
    model = moecalc.load("mixtral-8x7b")
    assert found["state"].figure.value == model.state_bytes(4096, 2)
    assert found["state@8k"].figure.value == model.state_bytes(8192, 2)
    assert found["weights"].figure.value == model.weight_bytes(quant="awq")
    assert found["weights@released"].figure.value == model.weight_bytes()


def test_estimates_are_those_of_speed_cost_and_fit(tmp_path):
    from moecalc.api.cost import cost
    from moecalc.api.fitting import fit
    from moecalc.api.speed import speed
    from moecalc.specs.fleet import parse

    limits = {
        "decode ceiling tok/s@1xh100,batch=4": ">= 1 tok/s",
        "cost/Mtok@1xh100,batch=4": "<= $1000",
        "fits@q4_k_m,32k": {"fail": "1xrtx-4090", "warn": "1xrtx-3070"},
    }
    found = outcomes(budgets(tmp_path, limits, "llama-3.1-8b", data_version=DATA_VERSION))
    h100 = parse("1xh100")
    ceiling = speed("llama-3.1-8b", h100, batch=4).decode.ceiling_tokens_per_second
    assert found["decode ceiling tok/s@1xh100,batch=4"].figure.value == Fraction(ceiling)
    price = cost("llama-3.1-8b", h100, batch=4)
    usd = price.usd_per_million(price.output).ceiling
    assert found["cost/Mtok@1xh100,batch=4"].figure.value == Fraction(usd)
    placed = fit("llama-3.1-8b", parse("1xrtx-3070"), quant="q4_k_m", context=32768)
    assert not placed.fits
    small = found["fits@q4_k_m,32k"]
    assert (small.status, small.limit) == ("warn", "1xrtx-3070")
    assert small.figure.value == placed.fullest.free_bytes


@pytest.mark.parametrize(
    ("data_version", "status"), [(DATA_VERSION, "fail"), ("2020-01-01", "warn"), ("2999-01-01", "warn")]
)
def test_an_estimate_fails_only_under_the_data_it_was_set_against(tmp_path, data_version, status):
    limits = {"fits": "1xrtx-4090", "total": "<= 1B"}
    found = outcomes(budgets(tmp_path, limits, "llama-3.1-70b", data_version=data_version))
    assert found["fits"].status == status
    assert found["total"].status == "fail"  # exact, whatever the data


def test_a_served_batch_is_held_to_what_speed_leads_with(tmp_path):
    limits = {"decode tok/s@1xh100,batch=64": ">= 1 tok/s"}
    (only,) = outcomes(budgets(tmp_path, limits, model="llama-3.1-8b", data_version=DATA_VERSION)).values()
    found = moecalc.speed("llama-3.1-8b", "h100", batch=64)
    assert float(only.figure.value) == pytest.approx(found.expected_tokens_per_second, rel=1e-12)


def test_a_speed_on_devices_that_do_not_hold_the_model_is_none(tmp_path):
    limits = {"decode ceiling tok/s@1xrtx-4090": ">= 1 tok/s"}
    (found,) = outcomes(budgets(tmp_path, limits, "llama-3.1-70b", data_version=DATA_VERSION)).values()
    assert found.status == "undetermined"
    assert "does not hold it" in found.remark


def test_undisclosed_figures_fail_closed(tmp_path):
    done = check(budgets(tmp_path, {"kv/token": "<= 1 MiB"}, "gpt-4")).checked
    assert [one.status for one in done.outcomes] == ["undetermined"]
    assert done.exit_code == 3


def test_a_model_is_called_from_the_file_and_not_from_where_one_stands(repository, monkeypatch):
    path = budgets(repository, {"total": "<= 1B"})
    inner = repository / "somewhere"
    inner.mkdir()
    monkeypatch.chdir(inner)
    assert found_file(None).resolve() == path.resolve()
    assert outcomes(found_file(None))["total"].status == "pass"


def test_a_directory_called_as_a_catalogue_model_is_meant_with_a_dot(repository):
    (repository / "models").rename(repository / "mixtral-8x7b")
    by_name = outcomes(budgets(repository, {"total": "<= 1T"}, "mixtral-8x7b"))["total"]
    by_path = outcomes(budgets(repository, {"total": "<= 1T"}, "./mixtral-8x7b"))["total"]
    assert by_name.figure.value == 46_702_792_704
    assert by_path.figure.value == moecalc.load(CONFIG).params.total


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("models/nothing.json", "no such file"),
        ("./models/nothing", "no such file"),
        ("mixtrl-8x7b", "unknown model `mixtrl-8x7b`"),
    ],
)
def test_a_model_that_is_not_there_is_said_with_its_line(repository, model, said):
    path = repository / "moecalc.yaml"
    path.write_text(f"# a comment\nmodels:\n  - model: {model}\n    limits: {{total: <= 1B}}\n")
    with pytest.raises(InputError, match=said) as caught:
        check(path)
    assert (caught.value.file, caught.value.line) == (str(path), 3)


def test_a_line_that_the_model_has_not(repository):
    with pytest.raises(InputError, match=r"`params\.totl` is no line of") as caught:
        check(budgets(repository, {"params.totl": "<= 1B"}))
    assert "params.total" in caught.value.hint
    assert caught.value.line == 1


def test_what_git_has_is_the_base(repository):
    changed(repository, num_experts=72)
    old, new = moecalc.load(CONFIG), moecalc.load({**CONFIG, "num_experts": 72})
    found = outcomes(budgets(repository, {"total": "<= +5%", "flops/token": "<= +0%"}), "HEAD")["total"]
    assert (found.base, found.figure.value) == (old.params.total, new.params.total)
    assert found.bound == Fraction(105, 100) * old.params.total
    assert found.status == "fail"
    (effect,) = found.effects
    assert effect.change == "num_experts 64 -> 72"
    assert effect.amount == new.params.total - old.params.total
    assert (found.together, found.neutral) == (None, 0)


def test_each_change_is_applied_alone_and_the_rest_is_what_they_do_together(repository):
    keys = {"num_experts": 72, "hidden_size": 128, "transformers_version": "5.1"}
    changed(repository, **keys)
    found = outcomes(budgets(repository, {"weights@q8_0": "<= +0%"}), "HEAD")["weights@q8_0"]

    def weights(**some):
        return moecalc.load({**CONFIG, **some}).weight_bytes(quant="q8_0")

    alone = {effect.change: effect.amount for effect in found.effects}
    assert alone == {
        "hidden_size 64 -> 128": weights(hidden_size=128) - weights(),
        "num_experts 64 -> 72": weights(num_experts=72) - weights(),
    }
    assert found.neutral == 1
    assert sum(alone.values()) + found.together == weights(num_experts=72, hidden_size=128) - weights()


def test_what_no_model_can_have_alone_is_listed(repository):
    changed(repository, num_experts=4, num_experts_per_tok=4)
    found = outcomes(budgets(repository, {"total": "<= +0%"}), "HEAD")["total"]
    assert [(effect.change, effect.amount) for effect in found.effects] == [("num_experts 64 -> 4", None)]
    assert (found.neutral, found.together) == (1, found.change)
    assert found.change < 0


def test_a_model_that_the_base_lacks_is_new(repository):
    (repository / "models" / "new.json").write_text(json.dumps(CONFIG))
    done = check(
        budgets(repository, {"total": "<= +0%", "active": "<= 1B"}, "models/new.json"), "HEAD"
    ).checked
    assert [one.status for one in done.outcomes] == ["new", "pass"]
    assert "HEAD has no `models/new.json`" in done.outcomes[0].remark
    assert done.exit_code == 0


def test_a_model_under_another_path_is_held_to_what_it_was(repository):
    """Moving a config must be no way around a limit on its change."""
    limits = {"total": "<= +0%"}
    git(repository, "mv", "models", "moved")
    (repository / "moved" / "config.json").write_text(json.dumps({**CONFIG, "num_experts": 72}))
    for model in ("moved/config.json", "moved"):
        done = check(budgets(repository, limits, model), "HEAD").checked
        assert [one.status for one in done.outcomes] == ["fail"]
        assert done.warnings == (f"{model}: compared with `models/config.json`, as HEAD calls it",)
    (repository / "link").symlink_to("models")
    git(repository, "mv", "moved", "models")
    done = check(budgets(repository, limits, "link/config.json"), "HEAD").checked
    assert [one.status for one in done.outcomes] == ["fail"]


def test_a_model_that_another_repository_keeps_is_not_new(repository, tmp_path_factory):
    limits = {"total": "<= +0%", "active": "<= 1B"}
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "config.json").write_text(json.dumps(CONFIG))
    (repository / "out").symlink_to(elsewhere)
    done = check(budgets(repository, limits, "out/config.json"), "HEAD").checked
    assert [one.status for one in done.outcomes] == ["undetermined", "pass"]
    assert "a link out of the repository" in done.outcomes[0].remark
    (repository / "vendored").mkdir()
    git(repository / "vendored", "init", "-q")
    (repository / "vendored" / "config.json").write_text(json.dumps(CONFIG))
    done = check(budgets(repository, limits, "vendored/config.json"), "HEAD").checked
    assert [one.status for one in done.outcomes] == ["undetermined", "pass"]
    assert "a repository of its own" in done.outcomes[0].remark


def test_a_base_that_cannot_be_read_fails_closed(repository):
    (repository / "models" / "config.json").write_text("{")
    git(repository, "commit", "-qam", "broken")
    changed(repository)
    done = check(budgets(repository, {"total": "<= +0%"}), "HEAD").checked
    assert [one.status for one in done.outcomes] == ["undetermined"]
    assert "HEAD:models/config.json" in done.outcomes[0].remark
    assert done.exit_code == 3


def test_a_name_has_the_same_base(repository):
    (found,) = outcomes(budgets(repository, {"total": "<= +0%"}, "mixtral-8x7b"), "HEAD").values()
    assert (found.status, found.change) == ("pass", 0)


def test_a_relative_limit_needs_a_base(repository):
    with pytest.raises(InputError, match="limited against a base, and there is none") as caught:
        check(budgets(repository, {"total": "<= +0%"}))
    assert "--base origin/main" in caught.value.hint
    assert outcomes(budgets(repository, {"total": "<= +0%"}, base="HEAD"))["total"].status == "pass"


def test_weights_are_not_read_from_git(repository):
    from tests.sources.headers.written import write

    write(repository / "model.safetensors", [("model.embed_tokens.weight", "BF16", (8, 8))])
    found = outcomes(budgets(repository, {"params.total": "<= +0%"}, "model.safetensors"), "HEAD")
    assert found["params.total"].status == "undetermined"
    assert "weights are not read from git" in found["params.total"].remark


def test_beside_weights_the_config_has_a_base_and_the_bytes_have_none(repository):
    from tests.sources.headers.written import write

    write(repository / "models" / "model.safetensors", [("model.embed_tokens.weight", "BF16", (1000, 64))])
    found = outcomes(budgets(repository, {"total": "<= +0%", "weights": "<= +0%"}, "models"), "HEAD")
    assert {name: one.status for name, one in found.items()} == {"total": "pass", "weights": "undetermined"}


@pytest.fixture
def recorded(repository):
    """A budget file, and the JSON of its check."""
    limits = {"total": "<= +5%", "active@4k": "<= +5%", "flops/token": "<= +5%"}
    path = budgets(repository, limits, base="HEAD")
    done = check(path)
    record = repository / "base.json"
    record.write_text(check_json(done.checked, done.sources))
    return path, record


def test_an_earlier_answer_is_a_base(repository, recorded):
    path, record = recorded
    changed(repository, num_experts=72)
    by_git, by_file = outcomes(path, "HEAD"), outcomes(path, str(record))
    for name, one in by_git.items():
        assert by_file[name].base == one.base
        assert by_file[name].status == one.status
        assert by_file[name].effects == one.effects
    assert by_file["total"].status == "fail"


def test_a_record_under_other_settings_is_no_base(repository, recorded):
    _, record = recorded
    path = budgets(repository, {"total": "<= +0%", "active@8k": "<= +0%", "weights": "<= +0%"})
    found = outcomes(path, str(record))
    assert {name: one.status for name, one in found.items()} == {
        "total": "pass",
        "active@8k": "undetermined",
        "weights": "new",
    }


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "moecalc/report/1"}', "\xff", "null"])
def test_what_is_no_record(repository, text):
    (repository / "base.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="no answer of a check") as caught:
        check(budgets(repository, {"total": "<= +0%"}), "base.json")
    assert "--format json" in caught.value.hint


def test_a_base_file_that_is_not_there(repository):
    with pytest.raises(InputError, match="no such file"):
        check(budgets(repository, {"total": "<= +0%"}), "nothing.json")


def test_the_machine_is_never_asked(tmp_path, monkeypatch):
    import moecalc.api.local_devices as local

    def asked(*_, **__):
        raise AssertionError

    monkeypatch.setattr(local, "local_fleet", asked)
    path = budgets(
        tmp_path, {"fits": "1xrtx-4090", "vram": "<= 1 TB"}, "llama-3.1-8b", data_version=DATA_VERSION
    )
    assert check(path).checked.exit_code == 0
    with pytest.raises(InputError, match="does not depend on the machine"):
        check(budgets(tmp_path, {"fits": "local"}, "llama-3.1-8b", data_version=DATA_VERSION))


def test_no_file_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(budget_file, "find_file", lambda _: None)
    monkeypatch.setattr("moecalc.api.checking.find_file", lambda _: None)
    with pytest.raises(InputError, match="no budget file here or above") as caught:
        found_file(None)
    assert "--init" in caught.value.hint


@pytest.fixture
def recorded_estimate(repository):
    """A budget on an estimate against a base, and the file of an answer to change."""
    limits = {"cost/Mtok@1xh100": "<= +0%", "total": "<= +0%"}
    absolute = {"cost/Mtok@1xh100": "<= $100", "total": "<= 1T"}
    path = budgets(repository, absolute, data_version=DATA_VERSION)
    done = check(path)
    record = json.loads(check_json(done.checked, done.sources))
    return budgets(repository, limits, data_version=DATA_VERSION), record


def test_an_estimate_is_not_held_to_one_of_other_data(recorded_estimate, repository):
    path, record = recorded_estimate
    base = repository / "base.json"
    base.write_text(json.dumps(record))
    assert [one.status for one in outcomes(path, str(base)).values()] == ["pass", "pass"]
    base.write_text(json.dumps({**record, "data_version": "2020-01-01"}))
    cost, total = outcomes(path, str(base)).values()
    assert (cost.status, total.status) == ("undetermined", "pass")
    assert "recorded with data of 2020-01-01" in cost.remark


def test_a_base_that_contradicts_itself_is_refused(recorded_estimate, repository):
    path, record = recorded_estimate
    base = repository / "base.json"
    base.write_text(json.dumps({**record, "models": record["models"] * 2}))
    with pytest.raises(InputError, match=r"records `models/config\.json` twice"):
        check(path, str(base))
    model = record["models"][0]
    same = model["budgets"][1]
    model["budgets"].append(dict(same))
    base.write_text(json.dumps(record))
    assert outcomes(path, str(base))["total"].status == "pass"
    model["budgets"].append({**same, "value": same["value"] + 1})
    base.write_text(json.dumps(record))
    with pytest.raises(InputError, match="two values of `total`") as caught:
        check(path, str(base))
    assert caught.value.file == str(base)


def test_in_python_it_says_what_the_command_says(repository):
    budgets(repository, {"total": "<= 1B", "active": "<= 1"})
    found, named = moecalc.check(), moecalc.check("moecalc.yaml", "HEAD")
    assert (found.exit_code, named.exit_code) == (1, 1)
    assert [one.status for one in found.outcomes] == ["pass", "fail"]
    assert found.to_json() == check_json(found.checked, found.sources)
    assert found.to_markdown().startswith("**moecalc: of 2 budgets, 1 failed**")
    assert repr(found) == "Check(moecalc.yaml: of 2 budgets, 1 failed)"


def test_a_directory_is_no_budget_file(repository):
    with pytest.raises(InputError, match="is a directory") as caught:
        found_file(repository / "models")
    assert "moecalc.yaml" in str(caught.value.hint)
