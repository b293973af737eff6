"""`fit` of models of which only counts are known: weights over all devices, as `compare` counts them."""

import json
from pathlib import Path

import jsonschema
import pytest

import moecalc
from moecalc.api.fleets import fleet_of
from moecalc.api.model import StatedModel
from moecalc.api.stated_fitting import fit_stated
from moecalc.calc.deploy.stated_fit import StatedFit, stated_report, stated_sentences
from moecalc.render.json import report_json

SCHEMA = json.loads((Path(__file__).parents[2] / "moecalc/render/report.schema.json").read_text())


def held(name: str, gpu: str, utilization: float | None = None) -> StatedFit:
    model = moecalc.load(name)
    assert isinstance(model, StatedModel)
    fleet = fleet_of(gpu, None)
    assert fleet is not None
    return fit_stated(model, fleet, gpu_memory_utilization=utilization)


@pytest.mark.parametrize("name", ["70B-A12B", "1T-A30B", "13B"])
def test_as_many_devices_as_compare_finds(name: str) -> None:
    curve = moecalc.compare(name, "llama-13b", gpu="h100").to_dict()["cost_curve"]
    fewest = next(entry["gpus"] for entry in curve if entry["name"] == name)
    assert held(name, "h100", 1).fewest == (fewest, fewest)
    assert held(name, f"{fewest}xh100", 1).fits is None
    assert fewest == 1 or held(name, f"{fewest - 1}xh100", 1).fits is False


def test_a_rumour_is_a_range_and_what_lies_in_it_is_open() -> None:
    # 1.7T to 1.8T parameters in 16 bits against 0.9 x 79.14 GiB each: 44.5 to 47.1 devices
    assert held("gpt-4", "8xh100").fewest == (45, 48)
    assert [held("gpt-4", f"{count}xh100").fits for count in (44, 45, 48)] == [False, None, None]
    said = [stated_sentences(held("gpt-4", f"{count}xh100"))[0] for count in (44, 46, 48)]
    assert said[0].startswith("does not fit: the weights in bf16 alone take 3.40 TB to 3.60 TB (rumoured)")
    assert said[1].startswith("cannot be determined")
    assert said[2].startswith("the weights in bf16 fit: 3.40 TB to 3.60 TB (rumoured) of 3.67 TB")
    assert "whether state and activations fit beside them cannot be said" in said[2]


@pytest.mark.parametrize(("name", "gpu"), [("70B-A12B", "8xh100"), ("gpt-4", "h100"), ("13B", "h100 + a100")])
def test_json_is_what_its_schema_says_and_the_unknown_is_null(name: str, gpu: str) -> None:
    report = json.loads(report_json(stated_report(held(name, gpu))))
    jsonschema.validate(report, SCHEMA)
    lines = {line["id"]: line for line in report["models"][0]["lines"]}
    assert lines["memory.state_bytes"]["value"] is None
    assert lines["memory.total_bytes"]["value"] is None
    assert lines["fit.fits"]["value"] in (None, False)
