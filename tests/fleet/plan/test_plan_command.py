"""`manage.py plan` without a database: exit codes, JSON as the last and only line of stdout, words on stderr."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from fleet.plan import files
from tests.fleet.plan.folders import small

SMALL_NETLIST = Path(__file__).with_name("small.net.gz")


@pytest.fixture
def run(capsys):
    def call(*words):
        code = 0
        try:
            call_command("plan", *map(str, words))
        except SystemExit as stopped:
            code = stopped.code
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def folder(tmp_path):
    files.write(small(), tmp_path / "plan")
    return tmp_path / "plan"


def test_generate_check_and_netlist(run, tmp_path):
    words = ["--pods", 2, "--leafs", 2, "--spines", 2, "--cores", 2]
    code, out, _ = run("generate", "--hosts", 16, *words, "-o", tmp_path / "p")
    assert code == 0 and json.loads(out)["cables"]["infiniband"] == 384
    assert files.read(tmp_path / "p")[0] == small()
    code, out, err = run("check", tmp_path / "p", "--json")
    assert code == 0 and json.loads(out)["ok"] and len(out.splitlines()) == 1 and "nothing is wrong" in err
    code, out, _ = run("netlist", tmp_path / "p", "-o", tmp_path / "p.net")
    assert code == 0 and json.loads(out)["cables"] == 384
    code, out, _ = run("compare-netlist", tmp_path / "p", tmp_path / "p.net")
    assert code == 0 and json.loads(out)["same"] == 384
    code, out, _ = run("compare-netlist", tmp_path / "p", SMALL_NETLIST)
    assert code == 0 and json.loads(out) == json.loads(out) | {"planned": 384, "same": 384, "missing": 0, "extra": 0}


def test_check_says_1_when_something_is_wrong(run, folder):
    text = (folder / "cables.csv").read_text().replace("leaf-s01-01,1,", "leaf-s01-01,65,", 1)
    (folder / "cables.csv").write_text(text)
    code, out, _ = run("check", folder)
    assert code == 1 and 'cables.csv line 2, b_port "65"' in out
    code, out, _ = run("check", folder, "--json")
    assert code == 1 and json.loads(out)["problems"][0]["code"] == "no_such_port"


@pytest.mark.parametrize("verb", ["netlist", "compare-netlist", "diff"])
def test_a_plan_with_errors_is_refused_with_all_of_them(run, folder, verb, tmp_path):
    text = (folder / "cables.csv").read_text().replace("leaf-s01-01,1,", "leaf-s01-01,65,", 1)
    (folder / "cables.csv").write_text(text.replace(",fibre", ",fibre\x07", 1))
    more = {"netlist": ["-o", tmp_path / "x"], "compare-netlist": [SMALL_NETLIST], "diff": [folder]}[verb]
    with pytest.raises(CommandError) as refused:
        run(verb, folder, *more)
    assert refused.value.returncode == 2
    assert str(refused.value).count("\n") == 1 and "printable" in str(refused.value) and '"65"' in str(refused.value)


def test_bad_arguments_are_2(run, tmp_path):
    for words in (["check", tmp_path / "none"], ["generate", "--hosts", 9000, "-o", tmp_path / "p"]):
        with pytest.raises(CommandError) as refused:
            run(*words)
        assert refused.value.returncode == 2 and "Right:" in str(refused.value)


def test_compare_netlist_says_1_when_they_differ(run, folder):
    text = (folder / "cables.csv").read_text().splitlines()
    (folder / "cables.csv").write_text("\n".join([text[0], *text[2:]]))
    code, out, _ = run("compare-netlist", folder, SMALL_NETLIST)
    assert code == 1 and json.loads(out)["extra"] == 1


def test_diff_of_two_folders(run, folder, tmp_path):
    code, out, _ = run("diff", folder, folder)
    assert code == 0 and out == "no difference\n"
    plan = small()
    plan.cables.pop()
    files.write(plan, tmp_path / "other")
    code, out, err = run("diff", folder, tmp_path / "other", "--json")
    assert code == 0 and json.loads(out)["counts"]["cables.csv"]["removed"] == 1 and "- cables.csv" in err
