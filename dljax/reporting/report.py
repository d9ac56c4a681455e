"""The report of a study: report.html, report.md, report.json, results.csv, figures/.

The page is one self-contained file. It says nothing that is not in the run directories,
so that the same directories give the same page.
"""

import dataclasses
import json
import pathlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dljax.errors import UserError
from dljax.reporting import (
    audio_figures,
    audio_files,
    figures,
    profiles,
    sample_figures,
)
from dljax.reporting.summary import StudySummary, summarise_study, to_json
from dljax.reporting.templates import (
    data_uri,
    describe_method,
    describe_verdict,
    environment,
    number,
    p_value,
    values,
)
from dljax.studies import results
from dljax.studies.experiment import Experiment
from dljax.studies.results import Results
from dljax.studies.rule import rule_hash, rule_text
from dljax.studies.statistics import Comparison
from dljax.studies.study import Study
from dljax.studies.study_spec import StudySpec
from dljax.studies.tuning import scores
from dljax.studies.verdict import comparisons
from dljax.trials.disk import write_json, write_text

SPECTROGRAM_AXES = " (spectrograms: time to the right, low bands below)"
Figure = tuple[str, str, Any]  # name of its file, caption, matplotlib figure or None


def write(
    experiment: Experiment, directory: pathlib.Path, spec: StudySpec
) -> StudySummary:
    """Writes all files of the report; returns the content of report.json.

    Raises:
      UserError: no trial that a verdict rests on is listed yet.
    """
    if not spec.trials:
        raise UserError(
            "tuning-not-finished",
            f"{directory}: only tuned so far; the study's command goes on",
        )
    study, folder = experiment.study, directory / "figures"
    collected = results.collect(directory, spec, rule_hash(study))
    compared = comparisons(study, collected)
    tuning = scores(study, spec, directory) if spec.tuning_trials else ()
    summary = summarise_study(experiment.name, study, collected, compared, tuning)
    write_json(directory / "report.json", to_json(summary))
    results.write_csv(directory / "results.csv", collected)
    samples = sample_figures.read(directory, spec)
    drawn = [
        *_result_figures(study, collected, compared, summary),
        *_sample_figures(samples),
    ]
    page = {
        "summary": summary,
        "spec": spec,
        "verdict_sentence": describe_verdict(summary),
        "method": describe_method(study, collected.test_train_ratio),
        "direction": (
            f"{study.primary_metric}, {'more' if study.higher else 'less'} is better"
        ),
        "has_bca": any(row.bca_low is not None for row in summary.variants),
        "has_solved": any(row.solved is not None for row in summary.variants),
        "rule": rule_text(study),
        "doc": experiment.doc.strip(),
        "images": _save_figures(drawn, folder),
        "texts": sample_figures.list_texts(samples),
        "sounds": [
            *audio_files.write_piano_rolls(
                audio_figures.select_piano_rolls(samples), folder
            ),
            *audio_files.write_sounds(audio_figures.select_sounds(samples), folder),
        ],
        "costs": _costs(collected.manifests),
        "tuning_cost": _tuning_cost(collected.manifests, spec),
        "manifests": {
            name: json.dumps(_abridged(manifest), indent=1)
            for name, manifest in collected.manifests.items()
        },
        "report_command": shlex.join(["dljax", "report", spec.workdir]),
        "replay_command": shlex.join(
            ["dljax", "replay", f"{spec.workdir}/{spec.trials[0].name}"]
        ),
    }
    for name in ("report.html", "report.md"):
        text = environment().get_template(name).render(page)
        write_text(directory / name, text)
    return summary


def text(summary: StudySummary, directory: pathlib.Path) -> str:
    """What a terminal shows at the end: the tables, the verdict, the report's path."""
    lines = [
        "",
        *_variant_lines(summary),
        "",
        *_contrast_lines(summary),
        *_tuning_lines(summary),
        "",
        f"claim    {summary.claim}",
        f"verdict  {summary.verdict.upper()}. {describe_verdict(summary)}",
        f"report   {directory / 'report.html'}",
    ]
    return "\n".join(lines)


def _variant_lines(summary: StudySummary) -> Iterator[str]:
    width = max(len("variant"), *(len(row.variant) for row in summary.variants))
    yield f"{'variant':<{width}}   n   test {summary.primary_metric} (95 % interval)"
    for row in summary.variants:
        interval = f"{number(row.ci_low)} to {number(row.ci_high)}"
        head = f"{row.variant:<{width}}  {row.n:>2}"
        yield f"{head}   {number(row.mean)}  ({interval})"


def _contrast_lines(summary: StudySummary) -> Iterator[str]:
    width = max(len("contrast"), *(len(c.name) for c in summary.comparisons))
    yield f"{'contrast':<{width}}  difference (simultaneous interval)"
    for c in summary.comparisons:
        low, high = number(c.simultaneous_low, True), number(c.simultaneous_high, True)
        yield (
            f"{c.name:<{width}}  {number(c.difference, True)}  ({low} to {high}), "
            f"p {p_value(c.p)}, adjusted {p_value(c.p_adjusted)}"
        )


def _tuning_lines(summary: StudySummary) -> Iterator[str]:
    chosen = [row for row in summary.tuning if row.chosen]
    if chosen:
        yield from ("", "tuned on validation data of other seeds")
    for row in chosen:
        yield f"{row.variant}: {values(row.values)}"


def _result_figures(
    study: Study,
    collected: Results,
    compared: Mapping[str, Comparison],
    summary: StudySummary,
) -> list[Figure]:
    """The figures of metrics."""
    metric = study.primary_metric
    return [
        (
            "curves",
            "Learning curves: what is validated, and the training loss, by update, "
            "mean and 95 % band over seeds",
            figures.curves(collected, metric),
        ),
        (
            "finals",
            f"Final test {metric} of every seed, by variant",
            figures.finals(collected, metric),
        ),
        (
            "differences",
            "Paired differences of every contrast",
            figures.differences(compared),
        ),
        (
            "by_factor",
            f"Test {metric} by a factor's number, mean and 95 % interval over seeds",
            profiles.of_factor(collected, metric),
        ),
        (
            "profiles",
            "Test metrics over a number, mean and 95 % interval over seeds",
            profiles.of_metrics(collected, study.profiles),
        ),
        (
            "effects",
            f"What each level adds to the mean test {metric} of the grid, with 95 % "
            "intervals that are not adjusted for their number",
            figures.effects(summary.effects, metric),
        ),
    ]


def _sample_figures(samples: sample_figures.Samples) -> list[Figure]:
    """The figures of samples: what networks see, answer and make."""
    axes = SPECTROGRAM_AXES if sample_figures.has_spectrograms(samples) else ""
    return [
        (
            "predictions",
            f"Test images as each network sees them, and its answer{axes}",
            sample_figures.draw_predictions(samples),
        ),
        (
            "generated",
            f"Real test images, and what each network makes{axes}",
            sample_figures.draw_images(samples),
        ),
        (
            "code_planes",
            "Code space: what the two numbers of a code that differ most stand for, "
            "over the prior's quantiles; the others are 0",
            sample_figures.draw_code_planes(samples),
        ),
        (
            "pixel_maps",
            "What each network makes of every pixel: red for, blue against",
            sample_figures.draw_pixel_maps(samples),
        ),
        (
            "attention",
            "Attention: what was read from left to right, what was said downwards",
            sample_figures.draw_alignments(samples),
        ),
        (
            "piano_rolls",
            "Piano rolls: a real test piece, and what each network makes of it",
            audio_figures.draw_piano_rolls(audio_figures.select_piano_rolls(samples)),
        ),
    ]


def _save_figures(
    drawn: Sequence[Figure], folder: pathlib.Path
) -> list[dict[str, str]]:
    """Saves the figures that show something; [{"name", "alt", "data": URI}]."""
    return [
        {
            "name": name,
            "alt": caption,
            "data": data_uri(figures.save(figure, folder, name)),
        }
        for name, caption, figure in drawn
        if figure is not None
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialCost:
    """A trial's size and times, of its manifest."""

    trial: str
    runs: int
    parameters: int
    flops_per_update: float | None
    strategy: str
    compile_secs: float
    train_secs: float
    save_secs: float
    steps_per_sec: float
    peak_bytes: int | None


def _costs(manifests: Mapping[str, Mapping[str, Any]]) -> list[TrialCost]:
    """The costs of the trials whose manifests have times."""
    names = [f.name for f in dataclasses.fields(TrialCost)]
    rows = []
    for trial, manifest in manifests.items():
        if "timing" in manifest:
            row = {"runs": len(manifest["seeds"]), **manifest, **manifest["timing"]}
            row["trial"] = trial
            rows.append(TrialCost(**{name: row[name] for name in names}))
    return rows


def _tuning_cost(manifests: Mapping[str, Mapping[str, Any]], spec: StudySpec) -> str:
    costs = _costs({e.name: manifests.get(e.name, {}) for e in spec.tuning_trials})
    runs = sum(cost.runs for cost in costs)
    secs = sum(cost.train_secs + cost.compile_secs for cost in costs)
    return f"{runs} runs, {secs:.1f} s of compiling and training"


def _abridged(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest for the page: without the parameter table, the diff as its length."""
    fields = {k: v for k, v in manifest.items() if k != "parameter_table"}
    if diff := fields.get("git_diff"):
        fields["git_diff"] = f"{len(diff.splitlines())} lines, see manifest.json"
    return fields
