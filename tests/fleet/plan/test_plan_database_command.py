"""The verbs of `manage.py plan` that work on the database."""

import json

import pytest
from django.core.management import CommandError, call_command

from fleet.models import Device, PlanVersion, Transition
from fleet.plan import files
from tests.fleet.plan.folders import small

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def run(capsys):
    def call(*words):
        call_command("plan", *map(str, words))
        out, err = capsys.readouterr()
        return json.loads(out) if out.startswith("{") else out, err

    return call


@pytest.fixture
def folder(tmp_path):
    files.write(small(), tmp_path / "plan")
    return tmp_path / "plan"


def test_load_export_and_load_again(run, folder, tmp_path):
    answer, err = run("load", folder, "--as", "cabled", "--actor", "ann", "--reason", "row A")
    assert answer["version"] and answer["changes"]["cables.csv"]["added"] == 416
    assert "+ devices.csv host-001" in err and "+ devices.csv: and 28 more" in err
    assert set(Device.objects.values_list("state", flat=True)) == {"cabled"}
    row = Transition.objects.select_related("actor").first()
    assert (row.actor.name, row.actor.role) == ("ann", "O") and row.reason.endswith(": row A")
    answer, _ = run("export", tmp_path / "again")
    assert answer["sha256"] == PlanVersion.objects.get().sha256
    for name in answer["files"]:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    answer, err = run("load", folder)
    assert answer["version"] is None and err == "no difference\n"


def test_dry_run_and_diff_show_and_write_nothing(run, folder):
    answer, err = run("load", folder, "--dry-run")
    assert answer["version"] is None and answer["changes"]["power.csv"]["added"] == 96 and "+ power.csv" in err
    answer, _ = run("diff", folder, "--json")
    assert answer["counts"]["devices.csv"]["added"] == 36 and not answer["equal"]
    assert not Device.objects.exists()
    run("load", folder)
    out, _ = run("diff", folder)
    assert out == "no difference\n"


def test_refusals_are_2_and_name_every_reason(run, folder):
    run("load", folder)
    text = (folder / "devices.csv").read_text().splitlines()
    keep = [line for line in text if not line.startswith(("pdu-a01-a,", "pdu-a01-b,"))]
    (folder / "devices.csv").write_text("\n".join(keep))
    with pytest.raises(CommandError) as refused:
        run("load", folder)
    assert refused.value.returncode == 2 and str(refused.value).count("not in the plan") == 2
    with pytest.raises(CommandError) as refused:
        run("export", folder, "--site", "nowhere")
    assert refused.value.returncode == 2 and "site-1" in str(refused.value)


def test_export_of_an_empty_database(run, tmp_path):
    answer, _ = run("export", tmp_path / "plan")
    assert answer["files"] == ["devices.csv", "cables.csv"]
