"""The report of a study: report.html, report.md, report.json, results.csv, figures/.

report.html is one self-contained file. The report is a pure function of the study's
directory: the same trials give the same bytes.
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

SPECTROGRAM_AXES = " (spectrograms: time to the right, low frequencies at the bottom)"
Figure = tuple[str, str, Any]  # (file name, caption, matplotlib figure or None)


def write(
    experiment: Experiment, directory: pathlib.Path, spec: StudySpec
) -> StudySummary:
    """Writes all files of the report.

    Args:
      directory: the study's directory.

    Returns:
      the content of report.json.

    Raises:
      UserError: tuning is not finished, or a trial is damaged.
    """
    if not spec.trials:
        raise UserError(
            "tuning-not-finished",
            f"{directory}: tuning is not finished; repeat the command of the study, "
            "which continues it",
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
            f"primary metric {study.primary_metric}, "
            f"{'higher' if study.higher else 'lower'} is better"
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
    """Formats the result for a terminal: tables, verdict and the report's path."""
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
        yield from ("", "chosen by tuning, on validation data of other seeds")
    for row in chosen:
        yield f"{row.variant}: {values(row.values)}"


def _result_figures(
    study: Study,
    collected: Results,
    compared: Mapping[str, Comparison],
    summary: StudySummary,
) -> list[Figure]:
    """Draws the figures of metrics."""
    metric = study.primary_metric
    return [
        (
            "curves",
            "Learning curves: validation metric and training loss by update; mean and "
            "95 % band over seeds",
            figures.curves(collected, metric),
        ),
        (
            "finals",
            f"Final test {metric}: one dot per seed, mean and 95 % interval per "
            "variant",
            figures.finals(collected, metric),
        ),
        (
            "differences",
            "Contrasts: one difference per seed, mean and simultaneous interval",
            figures.differences(compared),
        ),
        (
            "by_factor",
            f"Test {metric} by the level of a factor; mean and 95 % interval over "
            "seeds",
            profiles.of_factor(collected, metric),
        ),
        (
            "profiles",
            "Profiles of test metrics; mean and 95 % interval over seeds",
            profiles.of_metrics(collected, study.profiles),
        ),
        (
            "effects",
            f"Main effect of each level on test {metric}: its mean minus the mean of "
            "the grid, with unadjusted 95 % intervals",
            figures.effects(summary.effects, metric),
        ),
    ]


def _sample_figures(samples: sample_figures.Samples) -> list[Figure]:
    """Draws the figures of samples: inputs, predictions and generated examples."""
    axes = SPECTROGRAM_AXES if sample_figures.has_spectrograms(samples) else ""
    return [
        (
            "predictions",
            f"Predictions: the test images as input to each network, and the predicted "
            f"class, followed by ≠ and the label if it is wrong{axes}",
            sample_figures.draw_predictions(samples),
        ),
        (
            "generated",
            f"Real test images, and images from each network{axes}",
            sample_figures.draw_images(samples),
        ),
        (
            "code_planes",
            "Code planes: images decoded from a grid over the two code dimensions with "
            "the largest variance, at quantiles of the prior; all other dimensions are "
            "0",
            sample_figures.draw_code_planes(samples),
        ),
        (
            "pixel_maps",
            "Pixel maps: the attribution of each pixel by each method; red is "
            "positive, blue is negative",
            sample_figures.draw_pixel_maps(samples),
        ),
        (
            "attention",
            "Attention weights: source tokens from left to right, target tokens from "
            "top to bottom",
            sample_figures.draw_alignments(samples),
        ),
        (
            "piano_rolls",
            "Piano rolls: a real test piece, and the prediction of each network; time "
            "to the right",
            audio_figures.draw_piano_rolls(audio_figures.select_piano_rolls(samples)),
        ),
    ]


def _save_figures(
    drawn: Sequence[Figure], folder: pathlib.Path
) -> list[dict[str, str]]:
    """Saves all figures that are not None; returns [{"name", "alt", "data": URI}]."""
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
    """The size and times of a trial, from its manifest.

    flops_per_update: FLOPs counted by XLA, loop bodies once; None if unknown.
    peak_bytes: peak memory of the process (CPU) or of the first device.
    """

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
    """Returns the costs of the trials whose manifests contain times."""
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
    return f"{runs} runs and {secs:.1f} s of compilation and training"


def _abridged(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Shortens a manifest for the page: no parameter table, the diff as its length."""
    fields = {k: v for k, v in manifest.items() if k != "parameter_table"}
    if diff := fields.get("git_diff"):
        fields["git_diff"] = f"{len(diff.splitlines())} lines, see manifest.json"
    return fields
