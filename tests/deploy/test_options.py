"""The variables of `make demo`."""

import json
import os
import socket

import pytest

from deploy import env, options


def test_what_is_not_given_is_as_documented() -> None:
    asked = options.parse(["hosts=", "speed=", "seed=", "faults=", "port=", "once=", "chaos=", "fresh="])
    assert (asked.hosts, asked.speed, asked.seed, asked.faults, asked.port) == (511, 60, 1, "bringup", None)
    assert not (asked.once or asked.chaos or asked.fresh)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("hosts=many", "HOSTS=many: expected a whole number from 0 to 5110"),
        ("hosts=6000", "HOSTS=6000: expected a number from 0 to 5110"),
        ("speed=0", "SPEED=0: expected a number from 1 to 1e+06"),
        ("seed=x", "SEED=x: expected a whole number"),
        ("once=yes", "ONCE=yes: expected 1 or 0"),
        ("port=99999", "PORT=99999: expected a number"),
        ("faults=/no/such/file", "FAULTS=/no/such/file: expected bringup, none or a JSON file"),
        ("colour=red", "COLOUR=red: no such variable; known are CHAOS"),
    ],
)
def test_a_bad_value_ends_with_2_and_one_line(word: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options.parse([word])
    assert ended.value.code == 2
    words = capsys.readouterr().err
    assert words.startswith(says)
    assert words.count("\n") == 1


def test_a_fault_file_is_read_and_its_path_made_absolute(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faults.json").write_text(json.dumps({"host-001": "psu_dead"}))
    assert options.parse(["faults=faults.json"]).faults == str(tmp_path / "faults.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(SystemExit):
        options.parse(["faults=list.json"])


def test_a_random_seed_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    seed = options.parse(["seed=random"]).seed
    assert f"SEED={seed} was drawn" in capsys.readouterr().err


def test_a_second_start_goes_on_with_what_the_first_was_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    kept = json.loads(json.dumps(options.keep(options.parse(["hosts=16", "seed=7", "faults=none"]))))
    again = options.go_on_with(options.parse(["speed=120"]), kept)
    assert (again.hosts, again.seed, again.faults, again.speed) == (16, 7, "none", 120)
    with pytest.raises(SystemExit):
        options.go_on_with(options.parse(["hosts=32"]), kept)
    assert "this demo was made with HOSTS=16; FRESH=1 deletes it" in capsys.readouterr().err


def test_a_taken_port_is_refused_when_it_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit):
            options.free_ports(options.parse([f"port={port}"]))
        assert options._free("the web", port, "127.0.0.1") != port
    assert f"port {port} is taken: the web will listen on" in capsys.readouterr().err


def test_the_ports_of_the_start_before_are_kept() -> None:
    before = options.Ports(*free_ports(4))
    assert options.free_ports(options.parse([]), before) == before


def free_ports(n: int) -> list[int]:
    probes = [socket.socket() for _ in range(n)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def test_manage_py_takes_the_environment_of_the_demo_that_runs_here(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(env, "RUNNING_DEMO", tmp_path / "env.json")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("MUSTER_DEMO", raising=False)
    env.use_running_demo()
    assert "MUSTER_DEMO" not in os.environ, "no demo runs"
    (tmp_path / "env.json").write_text('{"MUSTER_DEMO": "1"}')
    monkeypatch.setenv("DATABASE_URL", "postgresql:///elsewhere")
    env.use_running_demo()
    assert "MUSTER_DEMO" not in os.environ, "the caller has named another database"
    monkeypatch.delenv("DATABASE_URL")
    env.use_running_demo()
    assert os.environ.pop("MUSTER_DEMO") == "1"
