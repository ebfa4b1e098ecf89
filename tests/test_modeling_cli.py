"""`python -m modeling`: figures as one JSON object, errors as one message, nothing else."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from data.workspace import CHECKOUT
from modeling.__main__ import main
from tests import modeling_world as toy

QUICK = ("train", "--collection", toy.NAME, "--epochs", "3", "--device", "cpu")


def call(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.parametrize("command", [(), ("train",), ("predict",), ("runs",)])
def test_every_command_explains_itself(command):
    result = call(*command, "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.stdout


def test_train_predict_and_runs_print_one_json_object(empty):
    toy.world(empty)
    result = call(*QUICK, "--folds", "3", "--seed", "4", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["split"] == "random-3fold-seed4"
    assert found["figures"]["confusion"]["samples"] == 36
    assert json.loads(call("predict", "--run", found["run"], "--json").stdout) == {"run": found["run"], "samples": 39}
    listed = json.loads(call("runs", "--json").stdout)["runs"]
    assert [(run["name"], run["state"]) for run in listed] == [(found["run"], "finished")]


def test_train_tells_people_the_figures_with_intervals(empty):
    toy.world(empty)
    result = call(*QUICK, "--split", "block", "--block-side", "3000", "--labels", "mixed")
    assert result.exit_code == 0, result.output
    for words in ("accuracy 0.", "95 % intervals", "copying the nearest known sample", "wheat: precision"):
        assert words in result.stdout
    assert "train epoch 3/3: loss" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--collection", "mars"), "There is no collection 'mars'"),
        ((*QUICK, "--model", "alexnet"), "There is no model 'alexnet'; choose one of ltae, pixelset"),
        ((*QUICK, "--labels", "verified"), "No sample of toy has a verified label"),
        ((*QUICK, "--folds", "1"), "1 folds cannot be made"),
        ((*QUICK, "--folds", "40"), "too few for 40 parts"),
        ((*QUICK, "--device", "cuda"), "There is no GPU that PyTorch can use here"),
        (("train", "--run", "nothing"), "There is no run 'nothing'"),
        (("predict", "--run", "nothing"), "There is no run 'nothing'"),
    ],
)
def test_bad_input_ends_with_a_message_and_status_1(empty, arguments, message):
    toy.world(empty)
    result = call(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.output


def test_no_workspace_says_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.setenv("CROPCHECK_HOME", str(tmp_path / "none"))
    result = call("runs")
    assert result.exit_code == 1
    assert "python -m data init" in result.stderr


def test_no_runs_says_how_to_start_one(empty):
    assert "No runs yet. Start one with: python -m modeling train" in call("runs").stdout


def test_the_real_process_keeps_standard_output_for_the_figures(empty):
    toy.world(empty)
    command = [sys.executable, "-m", "modeling", *QUICK, "--json"]
    environment = os.environ | {"CROPCHECK_HOME": str(empty.home)}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"]
    assert "epoch 3/3" in done.stderr


def test_a_failed_command_leaves_a_failed_run_with_its_reason(empty):
    toy.world(empty)
    for path in empty.shards(toy.NAME).glob("*.series.npy"):
        path.write_bytes(b"not numpy")
    result = call(*QUICK)
    assert result.exit_code == 1
    assert "cannot be read" in result.stderr
    listed = json.loads(call("runs", "--json").stdout)["runs"]
    assert listed[0]["state"] == "failed"
    assert "cannot be read" in listed[0]["message"]
