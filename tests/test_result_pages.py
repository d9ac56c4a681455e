"""Generated pages and figures are current, and show the numbers of the files."""

import dataclasses
import pathlib
import re
import xml.etree.ElementTree

import numpy as np
import pytest
from test_recorded_results import PROSE, RESULT

from dljax.reporting import figure_style, metric_axes, result_figures, result_tables
from dljax.reporting.metric_axes import MetricAxis, axis_of
from dljax.studies import recorded_results
from dljax.studies.study import Study

ROOT = pathlib.Path(__file__).parents[1]
NUMBER = re.compile(r"-?\d+\.?\d*")
HINT = "run `make tables` and commit the files"


ENTRIES = result_tables.read_entries(ROOT)
FIGURES = result_tables.figures(ENTRIES)
SHORTLY = ("demo-", *result_tables.README_CLAIMS)


@pytest.fixture(scope="module")
def entries():
    return ENTRIES


@pytest.fixture(scope="module")
def pages():
    return result_tables.pages(ROOT, ENTRIES)


def test_generated_pages_are_current(pages):
    old = [name for name in pages if (ROOT / name).read_text("utf-8") != pages[name]]
    assert not old, f"{HINT}: {old}"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=[pytest.mark.long]
            * (not pathlib.Path(name).name.startswith(SHORTLY)),
        )
        for name in FIGURES
    ],
)
def test_figures_are_current(name):
    """Another version of matplotlib may place a mark elsewhere by half a pixel."""
    assert (ROOT / name).is_file(), HINT
    now, committed = FIGURES[name](), (ROOT / name).read_text("utf-8")
    assert NUMBER.sub("", now) == NUMBER.sub("", committed), HINT
    texts = [re.findall(r">([^<]+)</text>", svg) for svg in (now, committed)]
    assert texts[0] == texts[1], HINT
    numbers = [np.array(NUMBER.findall(svg), float) for svg in (now, committed)]
    np.testing.assert_allclose(*numbers, atol=0.5, err_msg=HINT)


def test_every_result_has_its_figure_and_no_other_is_there():
    assert not [name for name in FIGURES if not (ROOT / name).is_file()], HINT
    assert not result_tables.stale_figures(ROOT, FIGURES), HINT


def test_every_figure_shows_the_contrasts_of_its_result(entries):
    for entry in entries:
        for result in entry.results:
            svg = (ROOT / result_tables.figure_path(result)).read_text("utf-8")
            for contrast in result.contrasts:
                text = result_tables.describe_contrast(entry.study, contrast)
                axis = result_tables.contrast_axis(entry.study, contrast.name)
                assert text.removesuffix(f" {axis.difference}") in svg, result.name


def test_figures_are_small_and_well_formed():
    for name in FIGURES:
        svg = (ROOT / name).read_text("utf-8")
        root = xml.etree.ElementTree.fromstring(svg)
        assert root.tag.endswith("svg"), name
        assert len(svg.encode()) <= 25_000, name


def test_every_experiment_has_a_family_and_every_reference_its_number(entries):
    assert len(entries) > 50
    for entry in entries:
        assert entry.study.family in result_tables.FAMILIES, entry.name
        reference = entry.name.startswith("reference.")
        assert bool(entry.study.published) == reference, entry.name
        assert entry.question.endswith("?"), entry.name


def test_every_experiment_is_listed_with_its_results(entries, pages):
    experiments, references = pages["docs/experiments.md"], pages["docs/references.md"]
    for entry in entries:
        reference = entry.name.startswith("reference.")
        page = references if reference else experiments
        assert entry.study.claim in page
        assert f"](../{entry.script})" in page
        for result in entry.results:
            assert f"](figures/{result.name}.svg)" in page
            assert f"](../experiments/results/{result.name}.json)" in page
            assert result_tables.command(entry, result.dataset) in page
    results = [result.name for entry in entries for result in entry.results]
    assert len(results) == len(list((ROOT / "experiments/results").glob("*.json")))


def test_links_of_pages_lead_to_files_and_headings(pages):
    for name in ("docs/experiments.md", "docs/references.md", "docs/gallery.md"):
        for target in re.findall(r"\]\(([^)]*)\)", pages[name]):
            path, _, anchor = target.partition("#")
            if path in ("statistics.md", "experiments.md"):
                path = ""
            assert (ROOT / "docs" / path).exists(), target
            if anchor:
                assert f"\n### {anchor}\n" in pages["docs/experiments.md"], target


def test_an_experiment_without_results_is_listed_as_not_run(entries):
    entry = next(entry for entry in entries if entry.name == "cnn_vs_mlp")
    bare = dataclasses.replace(entry, results=())
    page = result_tables.experiments_page([bare])
    assert "not run" in page
    assert "python -m experiments.cnn_vs_mlp" in page


def test_readme_has_the_five_claims(pages):
    table = pages["README.md"].split(result_tables.BEGIN)[1]
    rows = table.split(result_tables.END)[0].strip().splitlines()[2:]
    assert len(rows) == 5
    assert {row.split(" | ")[1] for row in rows} <= {
        "supported",
        "refuted",
        "undecided",
    }


STUDY = Study(
    claim="A CNN is better than an MLP & everything else.",
    factors={"network": ("cnn", "mlp")},
    primary_metric="accuracy",
    contrasts={"gap": ("cnn", "mlp")},
    rule=lambda gap: "supported",
)


@pytest.mark.parametrize("result", [RESULT, PROSE], ids=["recorded", "prose"])
def test_a_figure_shows_the_numbers_of_its_result(result):
    svg = result_figures.draw(result, STUDY)
    texts = " ".join(re.findall(r">([^<]+)</text>", svg))
    (row,), (contrast,) = result.variants, result.contrasts
    axis = axis_of("accuracy")
    metric = row.metrics["accuracy"]
    shown = metric_axes.describe_value(axis, metric.mean, metric.ci_low, metric.ci_high)
    assert shown in texts
    assert result_tables.describe_contrast(STUDY, contrast).split(")")[0] in texts
    assert result.dataset in texts
    assert svg == result_figures.draw(result, STUDY)


def test_a_dark_figure_differs_in_colours_only():
    def draw(theme):
        return result_figures.draw(RESULT, STUDY, theme=theme)

    def shape(svg):
        return re.sub(r'#\w+|id="\w+"', "", svg)

    light, dark = draw(figure_style.LIGHT), draw(figure_style.DARK)
    assert light != dark
    assert shape(light) == shape(dark)


@pytest.mark.parametrize(
    ("metric", "scale", "log2"),
    [
        ("accuracy", 100, False),
        ("accuracy_88", 100, False),
        ("train_accuracy", 100, False),
        ("frechet_gaussian", 1, False),
        ("log2_flop", 1, True),
        ("something_new", 1, False),
    ],
)
def test_a_metric_is_shown_by_its_name(metric, scale, log2):
    axis = axis_of(metric)
    assert (axis.scale, axis.log2) == (scale, log2)
    assert axis.label


@pytest.mark.parametrize(
    ("axis", "values", "shown"),
    [
        (axis_of("accuracy"), (0.1377, 0.1184, 0.1571), "+13.8 (+11.8 to +15.7)"),
        (axis_of("accuracy"), (-0.0045, -0.0344, 0.0255), "−0.4 (−3.4 to +2.5)"),
        (axis_of("accuracy"), (0.0, None, None), "0"),
        (axis_of("mse"), (0.11, 0.06, 0.15), "+0.11 (+0.06 to +0.15)"),
        (axis_of("mse"), (0.1652, None, None), "+0.165"),
        (axis_of("log2_flop"), (0.77, 0.74, 0.79), "1.705 (1.670 to 1.729)"),
        (MetricAxis("x", "x"), (1e-7, -1e-7, 3e-7), "+1.0e−07 (−1.0e−07 to +3.0e−07)"),
    ],
)
def test_a_difference_has_two_digits_of_its_interval(axis, values, shown):
    assert metric_axes.describe_difference(axis, *values) == shown


def test_write_removes_the_figures_of_results_that_are_gone(tmp_path, monkeypatch):
    drawings = {"docs/figures/a-b.svg": lambda: "<svg/>"}
    monkeypatch.setattr(result_tables, "read_entries", lambda root: ())
    monkeypatch.setattr(result_tables, "figures", lambda entries: drawings)
    monkeypatch.setattr(result_tables, "pages", lambda root, entries: {})
    folder = tmp_path / "docs/figures"
    folder.mkdir(parents=True)
    (folder / "old-digits.svg").write_text("")
    (folder / "house.svg").write_text("")
    result_tables.write(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["a-b.svg", "house.svg"]
    assert (folder / "a-b.svg").read_text() == "<svg/>"


def test_committed_results_are_in_their_final_layout(tmp_path):
    for path in (ROOT / "experiments/results").glob("*.json"):
        copy = tmp_path / path.name
        recorded_results.write(copy, recorded_results.read(path))
        assert copy.read_text() == path.read_text(), path.name


def test_a_figure_does_not_depend_on_the_style_of_the_process():
    from dljax.reporting import figures

    result = RESULT
    before = result_figures.draw(result, STUDY)
    figures.plt()  # sets the style of the reports
    assert result_figures.draw(result, STUDY) == before
