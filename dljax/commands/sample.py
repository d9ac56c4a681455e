"""dljax sample RUN --prompt=TEXT --n=5: what a finished run's network makes.

RUN is a trial's directory. A language model goes on from the prompt, a translator
translates it; of a network that makes images or sounds of classes it is a class. Each
of the n is drawn, token by token where there are such; with --greedy it is the
likeliest token each time. Texts are printed; images, sounds and music are written to
--out as PNG, WAV and MIDI files. Music goes on from the first chord of a test piece.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import Any

from dljax import config as configs
from dljax.config import flag
from dljax.errors import DONE, UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags."""

    prompt: str = flag("", "what it goes on from, or translates; or a class")
    n: int = flag(5, "how many are made", low=1)
    length: int = flag(0, "tokens of a text; 0: as many as an example has", low=0)
    temperature: float = flag(1.0, "below 1 the likely become likelier", low=0.01)
    top_k: int = flag(0, "of so many likeliest tokens alone; 0: of all", low=0)
    top_p: float = flag(1.0, "of the likeliest that have this share together", low=0.01)
    greedy: bool = flag(False, "the likeliest token each time")
    variant: str = flag("", "which of the trial's variants; its first, else")
    seed: int = flag(-1, "which of the trial's seeds; -1: its first", low=-1)
    draw: int = flag(0, "another number, other draws", low=0)
    out: str = flag("", "where files are written; default RUN/made")


def main(arguments: list[str]) -> int:
    """Prints texts, or where the files are; exit code 0.

    Raises:
      UserError: --out has files already; see `made` and `write`.
    """
    if not arguments or arguments[0].startswith("-"):
        raise UserError("usage: dljax sample RUN [--prompt=TEXT] [--n=N]")
    run, *flags = arguments
    config = configs.parse(Config, flags, factors={}).config
    from dljax import backend

    backend.prepare()
    folder = pathlib.Path(config.out or f"{run}/made").expanduser()
    if before := len(list(folder.glob("*"))):
        raise UserError(
            f"--out={folder}: has {before} files already, among which these would be "
            "lost; give another"
        )
    said = made(run, config)
    if "said" in said:
        for text in said["said"]:
            print(str(text), end="\n\n")
        return DONE
    for path in write(said, folder):
        print(path)
    return DONE


def made(run: str, config: Config) -> Mapping[str, Any]:
    """What `Source.say` says of what is made: texts "said", pictures
    "generated" and "generated sound", or piano rolls "roll".

    Raises:
      UserError: see `loading.load`; the trial has no such seed or variant, its network
        makes nothing, or the prompt is none of its classes.
    """
    import jax
    import numpy as np

    from dljax.datasets import spectrogram
    from dljax.models.decoding import sample_tokens
    from dljax.sources.examples import example_batch
    from dljax.studies import loading
    from dljax.training import update

    if config.top_p > 1:
        raise UserError(f"--top_p={config.top_p}: must be at most 1")
    loaded = loading.load(run)
    place = _place(run, config, [(variant, seed) for variant, seed, _ in loaded.runs])
    task, source = loaded.task, loaded.source
    state = jax.tree.map(lambda leaf: leaf[place], loaded.tested)
    if task.generate is None or source.ask is None or source.say is None:
        if "image" not in source.arrays:
            return beside(run, config, task, source, state)
        images = at_once(run, config, task, source, state)
        if "voice" not in source.arrays:
            return {"generated": images}
        return {"generated": images, "generated sound": spectrogram.heard(images)}
    if config.length and "pixels" in source.arrays:
        raise UserError("--length: is of texts; an image has all its pixels")
    batch = source.ask([config.prompt] * config.n)
    draw = functools.partial(
        sample_tokens,
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
    )
    key = None if config.greedy else jax.random.key(config.draw)
    params, model_state = update.eval_params(task, state)
    length = config.length or example_batch(source, "y")["y"].shape[1]
    generate = functools.partial(task.generate, steps=length, draw=draw)
    found = jax.jit(generate)(params, model_state, batch, key)
    return source.say({**batch, **{k: np.asarray(v) for k, v in found.items()}})


def _place(run: str, config: Config, runs: list[tuple[str, int]]) -> int:
    """Of the run that is asked for, among the trial's."""
    variants = list(dict.fromkeys(variant for variant, _ in runs))
    if config.variant and config.variant not in variants:
        known = ", ".join(variants)
        raise UserError(
            f"--variant={config.variant}: the variants of {run} are {known}"
        )
    variant = config.variant or variants[0]
    seeds = [seed for of, seed in runs if of == variant]
    if config.seed >= 0 and config.seed not in seeds:
        raise UserError(f"--seed={config.seed}: the seeds of {run} are {seeds}")
    return runs.index((variant, config.seed if config.seed >= 0 else seeds[0]))


def _nothing(run: str) -> UserError:
    return UserError(
        f"{run}: its network makes no text, images or sounds that can be asked for"
    )


def _refuse_tokens(run: str, config: Config) -> None:
    for name in ("length", "temperature", "top_k", "top_p", "greedy"):
        if getattr(config, name) != getattr(Config(), name):
            raise UserError(
                f"--{name}: is of what is drawn token by token from a prompt, which "
                f"{run} does not"
            )


def beside(run: str, config: Config, task: Any, source: Any, state: Any) -> Any:
    """{"said": texts} or {"roll": of music} of a task that takes no prompt: what its
    samples are beside n of seed 0's test examples.

    Raises:
      UserError: there are none, or a flag is of prompts and tokens.
    """
    import jax
    import numpy as np

    from dljax.training import update

    if task.sample is None or source.say is None:
        raise _nothing(run)
    rows = source.split(0)["test"]
    rows = np.resize(np.random.default_rng(0).permutation(rows), config.n)
    batch = source.gather(source.arrays, rows)
    params, model_state = update.eval_params(task, state)
    key = jax.random.key(config.draw)
    found = {**batch, **jax.jit(task.sample)(params, model_state, batch, key)}
    if np.ndim(found.get("prediction", 0)) < 2:  # a class is an answer, not a text
        raise _nothing(run)
    said = source.say({name: np.asarray(its) for name, its in found.items()})
    made = {name: said[name] for name in ("said", "roll") if name in said}
    rolls = np.unique(made.get("roll", 0))
    if not made or not set(rolls) <= {0, 1}:  # likelihoods of notes are no music
        raise _nothing(run)
    _refuse_tokens(run, config)
    if config.prompt:
        raise UserError(f"--prompt: {run} goes on from nothing of yours")
    return made


def at_once(run: str, config: Config, task: Any, source: Any, state: Any) -> Any:
    """Images (n, h, w, c) in [0, 1], of a task whose samples are "generated".

    Raises:
      UserError: there are none, a flag is of tokens, or the prompt is no class of it.
    """
    import jax
    import numpy as np

    from dljax.sources.examples import example_batch
    from dljax.training import update

    if task.sample is None:
        raise _nothing(run)
    _refuse_tokens(run, config)
    if config.prompt and config.prompt not in source.classes:
        raise UserError(
            f"--prompt={config.prompt}: must be one of {', '.join(source.classes)}"
        )
    one = example_batch(source, "image", "label")
    label = np.arange(config.n, dtype=np.int32) % len(source.classes)
    if config.prompt:
        label[:] = source.classes.index(config.prompt)
    batch = {"image": one["image"].repeat(config.n, 0), "label": label}
    params, model_state = update.eval_params(task, state)
    found = jax.jit(task.sample)(
        params, model_state, batch, jax.random.key(config.draw)
    )
    if "generated" not in found:
        raise _nothing(run)
    if config.prompt and "target_class" not in found:
        raise UserError(f"--prompt: {run} makes images of no class that is asked for")
    return np.clip(found["generated"], 0, 1)


def write(said: Mapping[str, Any], folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes N.png of pictures, N.wav of sounds, N.mid and N.wav of music; returns the
    files.

    Raises:
      UserError: the directory cannot be written, or for music the extra is missing.
    """
    import numpy as np
    from PIL import Image

    from dljax.reporting import audio_files
    from dljax.trials import disk

    disk.check_writable(folder, "out")
    paths = []
    for i, roll in enumerate(said.get("roll", ())):
        paths += audio_files.music(roll, folder / str(i))
    for i, picture in enumerate(said.get("generated", ())):
        paths.append(folder / f"{i}.png")
        values = np.round(255 * np.asarray(picture)).astype(np.uint8)
        values = values[..., 0] if values.shape[-1] == 1 else values
        Image.fromarray(values).save(paths[-1])
    for i, wave in enumerate(said.get("generated sound", ())):
        paths.append(folder / f"{i}.wav")
        paths[-1].write_bytes(audio_files.wav(wave))
    return paths
