"""dljax sample RUN --prompt=TEXT --n=5: samples of a finished run's network.

RUN is a trial's directory. A language model continues the prompt, a translator
translates it; for a network that generates images or sounds by class it is a class.
Tokens are drawn one by one, or with --greedy each is the likeliest. Texts are printed;
images, sounds and music are written to --out as PNG, WAV and MIDI files. Music begins
with the first chord of a test piece.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

from dljax import config as configs
from dljax.config import flag
from dljax.errors import DONE, UserError
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

TOKEN_FLAGS = ("length", "temperature", "top_k", "top_p", "greedy")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags."""

    prompt: str = flag("", "text to continue or translate; or a class")
    n: int = flag(5, "number of samples", low=1)
    length: int = flag(0, "tokens of a text; 0: as many as an example has", low=0)
    temperature: float = flag(
        1.0, "logits are divided by it: below 1 the likely become likelier", low=0.01
    )
    top_k: int = flag(0, "draw from the k likeliest tokens; 0: from all", low=0)
    top_p: float = flag(
        1.0, "draw from the likeliest tokens that have this share together", low=0.01
    )
    greedy: bool = flag(False, "the likeliest token each time")
    variant: str = flag("", "variant of the trial; default its first")
    seed: int = flag(-1, "seed of the trial; -1: its first", low=-1)
    sampling_seed: int = flag(0, "seed of the samples", low=0, formerly="draw")
    out: str = flag("", "directory of the files; default RUN/samples")


def main(arguments: list[str]) -> int:
    """Prints texts, or the paths of the files; exit code 0.

    Raises:
      UserError: --out has files already; see `generate` and `write`.
    """
    run, config = parse(arguments)
    from dljax import backend

    backend.prepare()
    folder = pathlib.Path(config.out or f"{run}/samples").expanduser()
    if count := len(list(folder.glob("*"))):
        raise UserError(
            "directory-not-empty",
            f"--out={folder}: has {count} files already, among which these would be "
            "lost; give another",
        )
    renderings = generate(run, config)
    for record in of_kind(renderings, Texts):
        for text in record.texts:
            print(text, end="\n\n")
    for path in write(renderings, folder):
        print(path)
    return DONE


def parse(arguments: Sequence[str]) -> tuple[str, Config]:
    """The trial's directory, and the flags.

    Raises:
      UserError: there is no directory, or a flag is wrong.
    """
    if not arguments or arguments[0].startswith("-"):
        raise UserError("usage", "usage: dljax sample RUN [--prompt=TEXT] [--n=N]")
    run, *flags = arguments
    config = configs.parse(Config, flags, factors={}).config
    if config.top_p > 1:
        raise UserError(
            "flag-out-of-range", f"--top_p={config.top_p}: must be at most 1"
        )
    return run, config


def generate(run: str, config: Config) -> Renderings:
    """Renderings of what a trial's network generates.

    Raises:
      UserError: see `loading.load`; the trial has no such seed or variant, its network
        generates nothing, or the prompt is none of its classes.
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
    """The index of the run of --variant and --seed among a trial's (variant, seed)."""
    variants = list(dict.fromkeys(variant for variant, _ in runs))
    if config.variant and config.variant not in variants:
        known = ", ".join(variants)
        raise UserError(
            "unknown-variant",
            f"--variant={config.variant}: the variants of {run} are {known}",
        )
    variant = config.variant or variants[0]
    seeds = [seed for name, seed in runs if name == variant]
    if config.seed >= 0 and config.seed not in seeds:
        raise UserError(
            "unknown-seed", f"--seed={config.seed}: the seeds of {run} are {seeds}"
        )
    return runs.index((variant, config.seed if config.seed >= 0 else seeds[0]))


def continue_prompts(config: Config, task: Any, source: Any, state: Any) -> Renderings:
    """What a network generates from the prompt, token by token.

    Raises:
      UserError: --length of images; see `Source.encode_prompts`.
    """
    import jax
    import numpy as np

    from dljax.models.decoding import sample_tokens
    from dljax.sources.examples import example_batch
    from dljax.training import update

    if config.length and "pixels" in source.arrays:
        raise UserError(
            "flag-not-applicable", "--length: is of texts; an image has all its pixels"
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
    """Images and their sound, of a task whose samples are "generated".

    Raises:
      UserError: there are none, a flag is of tokens, or the prompt is not a class that
        images are generated for.
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
            f"--prompt={config.prompt}: must be one of {', '.join(source.classes)}",
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
            f"--prompt: {run} makes images of no class that is asked for",
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
    """Texts or music of a task that takes no prompt: its samples of n of seed 0's test
    examples.

    Raises:
      UserError: there are none, or a flag is of prompts and tokens.
    """
    import numpy as np

    from dljax.reporting.audio_files import is_binary

    if task.sample is None or source.render is None:
        raise _nothing_to_sample(run)
    rows = source.split(0)["test"]
    rows = np.resize(np.random.default_rng(0).permutation(rows), config.n)
    samples = _sample(config, task, state, source.gather(source.arrays, rows))
    if np.ndim(samples.get("prediction", 0)) < 2:  # a class is an answer, not a text
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
            "flag-not-applicable", f"--prompt: {run} goes on from nothing of yours"
        )
    return renderings


def _sample(config: Config, task: Any, state: Any, batch: Any) -> dict[str, Any]:
    """Host arrays of a batch and of the task's samples of it."""
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
        f"{run}: its network makes no text, images or sounds that can be asked for",
    )


def _refuse_token_flags(run: str, config: Config) -> None:
    for name in TOKEN_FLAGS:
        if getattr(config, name) != getattr(Config(), name):
            raise UserError(
                "flag-not-applicable",
                f"--{name}: is of what is drawn token by token from a prompt, which "
                f"{run} does not",
            )


def write(renderings: Renderings, folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes N.png of images, N.wav of sounds, N.mid and N.wav of music; returns the
    paths of the files.

    Raises:
      UserError: the directory cannot be written, or for music the extra is missing.
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
    """Writes (h, w, c) in [0, 1] as a PNG file."""
    import numpy as np
    from PIL import Image

    values = np.round(255 * np.asarray(pixels)).astype(np.uint8)
    Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values).save(path)
    return path
