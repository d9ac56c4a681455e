"""The report of a study: report.html, report.md, report.json, results.csv, figures/.

The page is one self-contained file. It says nothing that is not in the run directories,
so that the same directories give the same page.
"""

import dataclasses
import json
import pathlib
import shlex
from collections.abc import Mapping
from typing import Any

from dljax.errors import UserError
from dljax.reporting import (
    audio_figures,
    audio_files,
    figures,
    profiles,
    sample_figures,
)
from dljax.reporting.templates import (
    data_uri,
    environment,
    method,
    number,
    p_value,
    sentence,
    values,
)
from dljax.studies import results
from dljax.studies.experiment import Experiment
from dljax.studies.rule import rule_hash, rule_text, rule_words
from dljax.studies.statistics import Comparison, described, summarise
from dljax.studies.study import Study
from dljax.studies.study_spec import StudySpec
from dljax.studies.tuning import scores
from dljax.studies.verdict import comparisons, verdict
from dljax.trials.disk import write_json, write_text


def write(
    experiment: Experiment, directory: pathlib.Path, spec: StudySpec
) -> dict[str, Any]:
    """Writes all files of the report; returns the content of report.json.

    Raises:
      UserError: no trial that a verdict rests on is declared yet.
    """
    if not spec.trials:
        raise UserError(f"{directory}: only tuned so far; the study's command goes on")
    study = experiment.study
    found = results.collect(directory, spec, rule_hash(study))
    manifests = found.manifests
    compared = comparisons(study, found)
    summary = _summary(study, found, compared, experiment.name)
    tuned = scores(study, spec, directory) if spec.tuning_trials else []
    summary["tuning"] = [dataclasses.asdict(row) for row in tuned]
    write_json(directory / "report.json", summary)
    results.write_csv(directory / "results.csv", found)
    folder = directory / "figures"
    samples = sample_figures.read(directory, spec)
    pictures = _pictures(study, found, compared, summary, samples)
    images = [
        {
            "name": name,
            "alt": alt,
            "data": data_uri(figures.save(figure, folder, name)),
        }
        for name, alt, figure in pictures
    ]
    first = spec.trials[0].name
    context = {
        "summary": summary,
        "sentence": sentence(summary),
        "rule": rule_text(study),
        "direction": (
            f"{study.primary_metric}, {'more' if study.higher else 'less'} is better"
        ),
        "bca": any(row["bca_low"] is not None for row in summary["variants"]),
        "solved": any(row["solved"] is not None for row in summary["variants"]),
        "method": method(study, found.test_train_ratio),
        "doc": experiment.doc.strip(),
        "images": images,
        "texts": sample_figures.list_texts(samples),
        "sounds": [
            *audio_files.write_piano_rolls(
                audio_figures.select_piano_rolls(samples), folder
            ),
            *audio_files.write_sounds(audio_figures.select_sounds(samples), folder),
        ],
        "costs": _costs(manifests),
        "tuning_cost": _tuning_cost(manifests, spec),
        "manifests": {
            k: json.dumps(_folded(m), indent=1) for k, m in manifests.items()
        },
        "command": spec.command,
        "spec": spec,
        "page_again": shlex.join(["dljax", "report", spec.workdir]),
        "trial_again": shlex.join(["dljax", "replay", f"{spec.workdir}/{first}"]),
    }
    pages = environment()
    for name in ("report.html", "report.md"):
        text = pages.get_template(name).render(context)
        write_text(directory / name, text)
    return summary


def _summary(
    study: Study,
    found: results.Results,
    compared: Mapping[str, Comparison],
    name: str,
) -> dict[str, Any]:
    """The content of report.json."""
    decided, why = verdict(study, found, compared)
    rows = []
    for variant in found.final:
        its = [*found.values(variant, study.primary_metric).values()]
        told = summarise(its, test_train_ratio=found.test_train_ratio)
        rows.append({"variant": variant} | told._asdict())
    return {
        "study": name,
        "claim": study.claim,
        "rule": rule_words(study),
        "rule_sha256": rule_hash(study),
        "verdict": decided,
        "why": why,
        "primary_metric": study.primary_metric,
        "dataset": found.spec.dataset,
        "smoke": bool(found.spec.not_judged_because),
        "variants": rows,
        "metrics": results.final_metrics(found),
        "comparisons": [{"name": key} | described(c) for key, c in compared.items()],
        "notes": found.notes,
        "effects": results.effects(study, found),
        "failed": found.failed,
    }


def text(summary: Mapping[str, Any], directory: pathlib.Path) -> str:
    """What a terminal shows at the end: the table, the verdict, the report's path."""
    rows = summary["variants"]
    width = max(len("variant"), *(len(row["variant"]) for row in rows))
    lines = [
        "",
        f"{'variant':<{width}}   n   test {summary['primary_metric']} (95 % interval)",
    ]
    for row in rows:
        span = f"{number(row['ci_low'])} to {number(row['ci_high'])}"
        head = f"{row['variant']:<{width}}  {row['n']:>2}"
        lines.append(f"{head}   {number(row['mean'])}  ({span})")
    lines.append("")
    width = max(len("contrast"), *(len(c["name"]) for c in summary["comparisons"]))
    lines.append(f"{'contrast':<{width}}  difference (simultaneous interval)")
    for c in summary["comparisons"]:
        low, high = c["simultaneous_low"], c["simultaneous_high"]
        span = f"{number(low, True)} to {number(high, True)}"
        lines.append(
            f"{c['name']:<{width}}  {number(c['difference'], True)}  ({span}), "
            f"p {p_value(c['p'])}, adjusted {p_value(c['p_adjusted'])}"
        )
    if picked := [t for t in summary["tuning"] if t["chosen"]]:
        lines += ["", "tuned on validation data of other seeds"]
        for t in picked:
            lines.append(f"{t['variant']}: {values(t['values'])}")
    lines += [
        "",
        f"claim    {summary['claim']}",
        f"verdict  {summary['verdict'].upper()}. {sentence(summary)}",
        f"report   {directory / 'report.html'}",
    ]
    return "\n".join(lines)


def _pictures(
    study: Study,
    found: results.Results,
    compared: Mapping[str, Comparison],
    summary: Mapping[str, Any],
    samples: sample_figures.Samples,
) -> list[tuple[str, str, Any]]:
    """(name, what it shows, figure) of every picture that there is something for."""
    metric = study.primary_metric
    drawn = [
        (
            "curves",
            "Learning curves: what is validated, and the training loss, by update, "
            "mean and 95 % band over seeds",
            figures.curves(found, metric),
        ),
        (
            "finals",
            f"Final test {metric} of every seed, by variant",
            figures.finals(found, metric),
        ),
        (
            "differences",
            "Paired differences of every contrast",
            figures.differences(compared),
        ),
        (
            "by_factor",
            f"Test {metric} by a factor's number, mean and 95 % interval over seeds",
            profiles.of_factor(found, metric),
        ),
        (
            "profiles",
            "Test metrics over a number, mean and 95 % interval over seeds",
            profiles.of_metrics(found, study.profiles),
        ),
    ]
    if summary["effects"]:
        added = (
            f"What each level adds to the mean test {metric} of the grid, with 95 % "
            "intervals that are not adjusted for their number"
        )
        drawn.append(("effects", added, figures.effects(summary["effects"], metric)))
    axes = (
        " (spectrograms: time to the right, low bands below)"
        if sample_figures.has_spectrograms(samples)
        else ""
    )
    drawn += [
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
    return [picture for picture in drawn if picture[2] is not None]


def _costs(manifests: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for trial, manifest in manifests.items():
        if "timing" in manifest:
            keys = ("parameters", "flops_per_update", "strategy")
            rows.append(
                {"trial": trial, "runs": manifest.get("runs", len(manifest["seeds"]))}
                | {k: manifest[k] for k in keys}
                | manifest["timing"]
            )
    return rows


def _tuning_cost(manifests: Mapping[str, Any], spec: StudySpec) -> str:
    costs = _costs({e.name: manifests.get(e.name, {}) for e in spec.tuning_trials})
    runs = sum(row["runs"] for row in costs)
    secs = sum(row["train_secs"] + row["compile_secs"] for row in costs)
    return f"{runs} runs, {secs:.1f} s of compiling and training"


def _folded(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest for the page: without the parameter table, the diff as its length."""
    shown = {k: v for k, v in manifest.items() if k != "parameter_table"}
    diff = shown.get("git_diff")
    if diff:
        shown["git_diff"] = f"{len(diff.splitlines())} lines, see manifest.json"
    return shown
