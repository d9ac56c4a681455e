"""Several studies on one page: compared, and listed."""

import json
import re
import shutil

import digits_experiment
import pytest
from study_fixtures import run
from user_errors import user_error

from dljax.commands import report
from dljax.errors import DAMAGED_DATA, DONE
from dljax.studies.experiment import import_experiment

SHORT = ("--width=0,8", "--activation=relu", "--seeds=4")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with two studies: of 20 steps, and of 200."""
    folder = tmp_path_factory.mktemp("runs")
    experiment = import_experiment(digits_experiment.__file__)
    study = experiment.study._replace(
        tune={}, contrasts={"wider": ("8/relu", "0/relu")}
    )
    experiment = experiment._replace(study=study)
    for name, steps in (("short", 20), ("long", 200)):
        run(experiment, folder / name, *SHORT, f"--steps={steps}")
    return folder


def test_studies_are_compared_variant_by_variant(runs, capsys):
    assert report.main([str(runs / "short"), str(runs / "long")]) == DONE
    printed = capsys.readouterr().out
    means = {
        name: {
            row["variant"]: row["mean"]
            for row in json.loads((runs / name / "report.json").read_text())["variants"]
        }
        for name in ("short", "long")
    }
    gain = means["long"]["0/relu"] - means["short"]["0/relu"]
    assert gain > 0.1
    (line,) = (s for s in printed.splitlines() if f"{gain:+.4f}" in s)
    assert "0/relu" in line
    assert "long - short" in line
    page = (runs / "short_vs_long.html").read_text()
    assert "<td>steps</td><td>20</td><td>200</td>" in page
    assert "<td>seeds</td>" not in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)


def test_common_seeds_are_paired(runs, tmp_path, capsys):
    copy = tmp_path / "short"
    shutil.copytree(runs / "short", copy)
    rows = (copy / "results.csv").read_text().splitlines()
    fewer = [row for row in rows if ",3," not in row]
    (copy / "results.csv").write_text("\n".join(fewer) + "\n")
    assert report.main([str(copy), str(runs / "long")]) == DONE
    capsys.readouterr()
    page = (tmp_path / "short_vs_long.html").read_text()
    assert '<td class="n">3</td>' in page
    (copy / "results.csv").write_text("\n".join(rows[:1]) + "\n")
    assert report.main([str(copy), str(runs / "long")]) == DONE
    assert "long - short" not in capsys.readouterr().out
    assert 'class="n"' not in (tmp_path / "short_vs_long.html").read_text()


def test_the_landing_page_lists_every_study(runs, capsys):
    assert report.main(["--index", str(runs)]) == DONE
    assert str(runs / "index.html") in capsys.readouterr().out
    page = (runs / "index.html").read_text()
    links = re.findall(r'<a href="([^"]*)"', page)
    assert links == ["long/report.html", "short/report.html"]
    assert all((runs / link).is_file() for link in links)
    assert page.count('class="verdict undecided"') == 2


def test_incomparable_studies_raise_user_error(runs, tmp_path):
    with user_error("no-such-directory", tmp_path / "a"):
        report.main([str(tmp_path / "a"), str(tmp_path / "b")])
    with user_error("no-report", tmp_path):
        report.main([str(tmp_path), str(runs / "long")])
    with user_error("usage", "dljax report", "--index"):
        report.main([])
    with user_error("no-report", tmp_path):
        report.main(["--index", str(tmp_path)])
    other = tmp_path / "other"
    shutil.copytree(runs / "short", other)
    summary = json.loads((other / "report.json").read_text())
    summary["primary_metric"] = "loss"
    (other / "report.json").write_text(json.dumps(summary))
    with user_error("metrics-differ", "loss", "accuracy"):
        report.main([str(other), str(runs / "long")])
    (other / "report.json").write_text("{}")
    way_out = f"dljax report {other}"
    with user_error("damaged-report", way_out, code=DAMAGED_DATA):
        report.main([str(other), str(runs / "long")])
