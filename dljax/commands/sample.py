"""Samples texts, images, sounds or music from a trained network.

TRIAL is a trial's directory. A language model continues the prompt, and a translation
model translates it; for a class-conditional generator the prompt is a class. Texts are
printed. Images, sounds and music are written to --out as PNG, WAV and MIDI files. Music
begins with the first chord of a test piece.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

from dljax.commands.arguments import parse as parse_arguments
from dljax.config import flag
from dljax.errors import DISK, DONE, FAILED_RUNS, UserError
from dljax.errors import EXIT_CODES as MEANINGS
from dljax.rendering import (
    Audio,
    Images,
    PianoRolls,
    Rendering,
    Renderings,
    Texts,
    class_names,
    of_kind,
)

USAGE = "TRIAL [--prompt=TEXT] [--n=N] [--out=DIR]"
EXIT_CODES = {
    DONE: MEANINGS[DONE],
    FAILED_RUNS: "no checkpoint is usable",
    DISK: MEANINGS[DISK],
}
EXAMPLES = (
    "dljax sample runs/STUDY/TRIAL --prompt='The ' --length=200",
    "dljax sample runs/STUDY/TRIAL --prompt=3 --n=100 --out=threes",
)
TOKEN_FLAGS = ("length", "temperature", "top_k", "top_p", "greedy")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags of `dljax sample`."""

    prompt: str = flag("", "text to continue or translate, or a class")
    n: int = flag(5, "number of samples", low=1)
    length: int = flag(0, "tokens per text (0: the length of an example)", low=0)
    temperature: float = flag(
        1.0, "divisor of the logits; below 1 favours likely tokens", low=0.01
    )
    top_k: int = flag(0, "sample from the k most likely tokens (0: all)", low=0)
    top_p: float = flag(
        1.0,
        "sample from the most likely tokens with this total probability",
        low=0.01,
    )
    greedy: bool = flag(False, "always take the most likely token")
    variant: str = flag("", "variant of the run (default: the trial's first)")
    seed: int = flag(-1, "seed of the run (-1: the trial's first)", low=-1)
    sampling_seed: int = flag(0, "seed of the samples", low=0, formerly="draw")
    out: str = flag("", "directory of the files (default: TRIAL/samples)")


def main(arguments: list[str]) -> int:
    """Runs `dljax sample`; returns the exit code.

    Raises:
      UserError: --out is not empty; see `parse`, `generate` and `write`.
    """
    run, config = parse(arguments)
    from dljax import backend

    backend.prepare()
    folder = pathlib.Path(config.out or f"{run}/samples").expanduser()
    if count := len(list(folder.glob("*"))):
        raise UserError(
            "directory-not-empty",
            f"--out={folder}: has {count} files already; give another directory",
        )
    renderings = generate(run, config)
    for record in of_kind(renderings, Texts):
        for text in record.texts:
            print(text, end="\n\n")
    for path in write(renderings, folder):
        print(path)
    return DONE


def parse(arguments: Sequence[str]) -> tuple[str, Config]:
    """Parses a command line; returns the trial's directory and the flags.

    Raises:
      UserError: no directory, or an invalid flag.
    """
    (run,), config = parse_arguments("sample", USAGE, arguments, Config)
    if config.top_p > 1:
        raise UserError(
            "flag-out-of-range", f"--top_p={config.top_p}: must be at most 1"
        )
    return run, config


def generate(run: str, config: Config) -> Renderings:
    """Samples from one run of a trial; returns renderings.

    Args:
      run: the trial's directory.
      config: the flags.

    Raises:
      UserError: the trial has no such seed or variant, the network generates nothing,
        or the prompt is not a class; see `loading.load`, too.
    """
    import jax

    from dljax.studies import loading

    loaded = loading.load(run)
    task, source = loaded.task, loaded.source
    runs = [(r.variant, r.seed) for r in loaded.runs]
    index = find_run(run, config, runs)
    state = jax.tree.map(lambda leaf: leaf[index], loaded.tested)
    if task.generate and source.encode_prompts and source.render:
        return continue_prompts(config, task, source, state)
    if "image" in source.arrays:
        return generate_images(run, config, task, source, state)
    return continue_examples(run, config, task, source, state)


def find_run(run: str, config: Config, runs: Sequence[tuple[str, int]]) -> int:
    """Returns the index of --variant and --seed in a trial's runs.

    Args:
      run: the trial's directory, for errors.
      config: the flags.
      runs: (variant, seed) of each run.

    Raises:
      UserError: no run has this variant and seed.
    """
    variants = list(dict.fromkeys(variant for variant, _ in runs))
    if config.variant and config.variant not in variants:
        known = ", ".join(variants)
        raise UserError(
            "unknown-variant",
            f"--variant={config.variant}: not in {run}; variants are {known}",
        )
    variant = config.variant or variants[0]
    seeds = [seed for name, seed in runs if name == variant]
    if config.seed >= 0 and config.seed not in seeds:
        raise UserError(
            "unknown-seed",
            f"--seed={config.seed}: not in {run}; "
            f"seeds are {', '.join(map(str, seeds))}",
        )
    return runs.index((variant, config.seed if config.seed >= 0 else seeds[0]))


def continue_prompts(config: Config, task: Any, source: Any, state: Any) -> Renderings:
    """Continues --prompt token by token with an autoregressive network.

    Args:
      config: the flags.
      task: has `generate`.
      source: has `encode_prompts` and `render`.
      state: the state of one run.

    Returns:
      --n renderings: texts, or images and sounds of pixel tokens.

    Raises:
      UserError: --length for images; see `Source.encode_prompts`.
    """
    import jax
    import numpy as np

    from dljax.models.decoding import sample_tokens
    from dljax.sources.examples import example_batch
    from dljax.training import update

    if config.length and "pixels" in source.arrays:
        raise UserError(
            "flag-not-applicable", "--length: images have a fixed size; omit the flag"
        )
    batch = source.encode_prompts([config.prompt] * config.n)
    draw = functools.partial(
        sample_tokens,
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
    )
    key = None if config.greedy else jax.random.key(config.sampling_seed)
    params, model_state = update.eval_params(task, state)
    length = config.length or example_batch(source, "y")["y"].shape[1]
    steps = functools.partial(task.generate, steps=length, draw=draw)
    samples = jax.jit(steps)(params, model_state, batch, key)
    renderings = source.render(
        {**batch, **{name: np.asarray(array) for name, array in samples.items()}}
    )
    return tuple(record for record in renderings if _is_generated(record))


def generate_images(
    run: str, config: Config, task: Any, source: Any, state: Any
) -> Renderings:
    """Generates --n images, and their sounds where images are spectrograms.

    Args:
      run: the trial's directory, for errors.
      config: the flags.
      task: `task.sample` returns "generated".
      source: a source of images.
      state: the state of one run.

    Raises:
      UserError: the task generates no images, a flag applies to tokens only, or the
        prompt is not a class that the network is conditioned on.
    """
    import numpy as np

    from dljax.sources.examples import example_batch
    from dljax.sources.image_rendering import render_images

    if task.sample is None:
        raise _nothing_to_sample(run)
    _refuse_token_flags(run, config)
    if config.prompt and config.prompt not in source.classes:
        raise UserError(
            "unknown-class",
            f"--prompt={config.prompt}: unknown class; classes are "
            f"{', '.join(source.classes)}",
        )
    label = np.arange(config.n, dtype=np.int32) % len(source.classes)
    if config.prompt:
        label[:] = source.classes.index(config.prompt)
    image = example_batch(source, "image")["image"].repeat(config.n, 0)
    samples = _sample(config, task, state, {"image": image, "label": label})
    if "generated" not in samples:
        raise _nothing_to_sample(run)
    if config.prompt and "target_class" not in samples:
        raise UserError(
            "not-conditional",
            f"--prompt: the network of {run} is unconditional; omit the flag",
        )
    return render_images(
        source,
        "generated",
        "generated",
        np.clip(samples["generated"], 0, 1),
        class_names(samples.get("target_class", ()), source.classes),
    )


def continue_examples(
    run: str, config: Config, task: Any, source: Any, state: Any
) -> Renderings:
    """Generates texts or music from test examples with a task that takes no prompt.

    Args:
      run: the trial's directory, for errors.
      config: the flags.
      task: `task.sample` returns "prediction".
      source: has `render`.
      state: the state of one run.

    Returns:
      --n renderings, each of a random test example of seed 0's split.

    Raises:
      UserError: the task generates neither, or a flag applies to prompts or tokens.
    """
    import numpy as np

    from dljax.reporting.audio_files import is_binary

    if task.sample is None or source.render is None:
        raise _nothing_to_sample(run)
    rows = source.split(0)["test"]
    rows = np.resize(np.random.default_rng(0).permutation(rows), config.n)
    samples = _sample(config, task, state, source.gather(source.arrays, rows))
    if np.ndim(samples.get("prediction", 0)) < 2:  # classes, not texts
        raise _nothing_to_sample(run)
    renderings = tuple(
        record
        for record in source.render(samples)
        if isinstance(record, Texts | PianoRolls) and _is_generated(record)
    )
    rolls = of_kind(renderings, PianoRolls)
    if not renderings or not all(is_binary(record.rolls) for record in rolls):
        raise _nothing_to_sample(run)
    _refuse_token_flags(run, config)
    if config.prompt:
        raise UserError(
            "flag-not-applicable",
            f"--prompt: the network of {run} takes no prompt; omit the flag",
        )
    return renderings


def _sample(config: Config, task: Any, state: Any, batch: Any) -> dict[str, Any]:
    """Returns a batch and the task's samples for it, as NumPy arrays."""
    import jax
    import numpy as np

    from dljax.training import update

    params, model_state = update.eval_params(task, state)
    key = jax.random.key(config.sampling_seed)
    samples = {**batch, **jax.jit(task.sample)(params, model_state, batch, key)}
    return {name: np.asarray(array) for name, array in samples.items()}


def _is_generated(record: Rendering) -> bool:
    return getattr(record, "role", None) == "generated"


def _nothing_to_sample(run: str) -> UserError:
    return UserError(
        "nothing-to-sample",
        f"{run}: the network generates no texts, images, sounds or music; give another "
        "trial",
    )


def _refuse_token_flags(run: str, config: Config) -> None:
    for name in TOKEN_FLAGS:
        if getattr(config, name) != getattr(Config(), name):
            raise UserError(
                "flag-not-applicable",
                f"--{name}: {run} generates no tokens from a prompt; omit the flag",
            )


def write(renderings: Renderings, folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes images to N.png, sounds to N.wav, music to N.mid and N.wav.

    Returns:
      the paths of the files.

    Raises:
      UserError: the directory is not writable, or the extra for music is missing.
    """
    from dljax.reporting import audio_files
    from dljax.trials import disk

    paths: list[pathlib.Path] = []
    for record in renderings:
        if isinstance(record, Texts):
            continue
        disk.check_writable(folder, "out")
        if isinstance(record, PianoRolls):
            for i, roll in enumerate(record.rolls):
                paths += audio_files.write_music(roll, folder / str(i))
        elif isinstance(record, Images):
            for i, pixels in enumerate(record.pixels):
                paths.append(_write_image(pixels, folder / f"{i}.png"))
        elif isinstance(record, Audio):
            for i, wave in enumerate(record.waveforms):
                paths.append(folder / f"{i}.wav")
                data = audio_files.encode_wav(wave, record.sample_rate)
                paths[-1].write_bytes(data)
    return paths


def _write_image(pixels: Any, path: pathlib.Path) -> pathlib.Path:
    """Writes pixels (h, w, c) in [0, 1] as a PNG file; returns the path."""
    import numpy as np
    from PIL import Image

    values = np.round(255 * np.asarray(pixels)).astype(np.uint8)
    Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values).save(path)
    return path
