"""`dljax list`: shipped experiments and a project's, with recorded verdicts."""

import pathlib
import subprocess
import sys
import time

import pytest
from user_errors import user_error

from dljax.commands import list as list_command
from dljax.errors import DONE
from dljax.studies import recorded_results, shipped_experiments

ROOT = pathlib.Path(__file__).parents[1]
SCRIPT = '''"""A project's own question."""

from dljax.config import RunConfig as Config
from dljax.studies.study import Study

from .neighbour import CLAIM


def rule(gap):
    """Supported if gap is above 0."""
    return "supported" if gap.above(0) else "undecided"


STUDY = Study(
    claim=CLAIM,
    family="recurrent",
    factors={"batch_size": (8, 16)},
    primary_metric="accuracy",
    contrasts={"gap": ("8", "16")},
    rule=rule,
)


def source(config):
    raise NotImplementedError


def task(config, source, numbers):
    raise NotImplementedError
'''


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose experiments/ has one script, its neighbour and one fault."""
    folder = tmp_path / "experiments"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "own.py").write_text(SCRIPT)
    (folder / "neighbour.py").write_text('CLAIM = "Smaller batches are better."\n')
    (folder / "broken.py").write_text("import nowhere\nSTUDY = None\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listed(capsys, *arguments):
    capsys.readouterr()
    assert list_command.main([*arguments]) == DONE
    return capsys.readouterr().out


def test_every_shipped_experiment_is_listed_with_its_claim():
    scripts = [*(ROOT / "experiments").rglob("*.py")]
    studies = [path for path in scripts if "\nSTUDY = " in path.read_text()]
    entries = list_command.shipped_entries()
    assert len(entries) == len(studies)
    assert all(entry.study.claim and entry.study.family for entry in entries)
    assert "reference.adding" in {entry.name for entry in entries}


def test_verdicts_are_the_recorded_ones():
    results = recorded_results.read_all(ROOT / "experiments/results")
    expected = {(r.experiment, r.dataset): r.verdict for r in results}
    verdicts = {
        (entry.name, dataset): verdict
        for entry in list_command.shipped_entries()
        for dataset, verdict in entry.verdicts.items()
        if verdict != list_command.NO_VERDICT
    }
    assert verdicts == expected


def test_a_family_alone_is_listed(capsys):
    out = listed(capsys, "building", "blocks")
    assert "  threshold_neuron " in out
    assert "cnn_vs_mlp" not in out
    with user_error("unknown-family", "recurrant", "recurrent"):
        list_command.main(["recurrant"])


def test_experiments_are_listed_by_a_part_of_their_name():
    families = list_command.by_family(list_command.shipped_entries())
    selected = list_command.select(families, "adding")
    assert [e.name for entries in selected.values() for e in entries] == [
        "reference.adding"
    ]


def test_a_verdict_alone_is_listed(capsys, monkeypatch):
    verdicts = {"cnn_vs_mlp": {"digits": "refuted"}, "gan": {"mnist": "supported"}}
    monkeypatch.setattr(list_command, "_recorded_verdicts", lambda _: verdicts)
    out = listed(capsys, "--verdict=refuted")
    assert "digits: refuted, mnist: -" in out
    assert "  gan " not in out
    with user_error("flag-unknown-choice", "--verdict=refute", "refuted"):
        list_command.main(["--verdict=refute"])


def test_claims_are_wrapped(monkeypatch):
    for entry in list_command.shipped_entries():
        lines = list_command.format_entry(entry, 50).splitlines()
        assert all(len(line) <= 50 for line in lines)
        assert "".join("".join(lines).split()).endswith(
            "".join(entry.study.claim.split())
        )


def test_a_projects_experiments_are_listed(project):
    done = subprocess.run(
        [sys.executable, "-m", "dljax", "list", "recurrent"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert "experiments/own.py" in done.stdout
    assert "Smaller batches are better." in done.stdout
    assert "  recurrence " in done.stdout
    (line,) = done.stderr.splitlines()
    assert "broken.py" in line
    assert "nowhere" in line


def test_listing_is_quick_and_needs_no_jax():
    start = time.monotonic()
    script = (
        "import sys\n"
        "from dljax.__main__ import run\n"
        "run(['list'])\n"
        "assert not {'jax', 'flax', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert time.monotonic() - start < 5


def test_shipped_experiments_are_found_by_the_name_in_a_checkout():
    assert shipped_experiments.has("reference.adding")
    assert not shipped_experiments.has("reference.subtracting")
    module = shipped_experiments.import_module("cnn_vs_mlp")
    assert module.__name__ == "dljax.experiments.cnn_vs_mlp"
