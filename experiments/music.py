"""Does a recurrent network continue a chorale from its first chord?

Claim: "Recurrent networks of one to many make music."

The network is given the first chord of a test chorale. From there it samples one chord
per step from all chords of the training data, and each sample is the next input.
(Independent samples of the 88 keys, as from the networks of `reference.jsb_chorales`,
had a far larger distance on validation data.) Samples and test chorales are compared by
histograms: intervals between simultaneous notes and between notes 1, 2, 4, 8 and 16
steps apart, and the number of notes. The distance is the mean total variation of these
histograms, 0 to 1. The baseline is a first-order Markov chain of the training chords
(`chain`), the floor the distance of as many training chorales (`floor`).

    python -m experiments.music
    python -m experiments.music --dataset=piano_roll --manual_dir=DIR --full

The default data are the 350 four-part chorales of music21 (extra `music`) in quarter
notes, 64 steps at most. DIR has JSB_Chorales.mat.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import WHOLE_DATA_SET
from dljax.studies.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("chorales", "data set to train on")
    cell: str = flag("lstm", "recurrent cell", choices=("rnn", "gru", "lstm"))
    hidden: int = flag(200, "size of the hidden state", low=1)
    embedding: int = flag(100, "size of a chord's embedding", low=1)
    dropout: float = flag(
        0.5, "dropout rate of the inputs and outputs of each layer", low=0, below=1
    )
    max_len: int = flag(
        64,
        "maximum number of steps after the first; the rest is cut off",
        low=20,
        formerly="longest",
    )
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds", low=1)
    epochs: float = flag(10.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "pieces per batch", low=1)


def rule(chain, **others):
    """Supported if the LSTM's samples have a smaller distance to the test chorales than
    those of the Markov chain (Holm-adjusted test at 0.05); refuted if they have a
    larger one (the same test); else undecided. The comparisons with training chorales
    and with the simple recurrent network are reported and decide nothing.
    """
    del others  # reported
    if chain.below(0):
        return "supported"
    return "refuted" if chain.above(0) else "undecided"


STUDY = Study(
    claim="Recurrent networks of one to many make music.",
    family="recurrent",
    factors={"cell": ("lstm", "rnn")},
    primary_metric="distance",
    higher=False,
    contrasts={
        "chain": ("lstm", "lstm@chain"),
        "floor": ("lstm", "lstm@floor"),
        "gates": ("lstm", "rnn"),
    },
    rule=rule,
    sizes={"piano_roll": {"epochs": 40.0}},
    full={"chorales": {"epochs": 40.0}},
    default_is_full={"piano_roll": WHOLE_DATA_SET},
    smoke={"steps": 2, "seeds": 2, "hidden": 4, "embedding": 4, "max_len": 20},
)


def source(config):
    """Pieces as sequences of chords."""
    from dljax.sources import piano_rolls
    from dljax.sources.loading import load_source

    return piano_rolls.chords(load_source(config), max_len=config.max_len)


def task(config, source, numbers):
    """Prediction of the next chord from all chords before it."""
    from dljax.models.recurrent import recurrent
    from dljax.sources.examples import example_batch
    from dljax.tasks.tokens import tokens
    from dljax.training.optimizers import adamw

    chords = len(source.details.frames)
    net = recurrent(
        "one_to_many",
        config.cell,
        config.hidden,
        chords,
        vocabulary=chords,
        embedding=config.embedding,
        dropout=config.dropout,
    )
    inputs = example_batch(source, "x", "decoder_inputs")
    return tokens(
        net,
        adamw(config.learning_rate, clip=1.0),
        example=inputs,
        input_keys=tuple(inputs),
        mask_key="y_mask",
        max_new_tokens=inputs["decoder_inputs"].shape[1],
        do_sample=True,
        sample_evaluator=sample_evaluator(source),
    )


def sample_evaluator(source):
    """Distances of samples, a Markov chain and training pieces to the test pieces."""
    import numpy as np

    from dljax.errors import UserError
    from dljax.metrics.harmony import MarkovChain, distance
    from dljax.types import SampleEvaluator

    frames = source.details.frames
    rolls, length = (np.asarray(source.arrays[k]) for k in ("roll", "length"))
    train = [rolls[i][: length[i]] for i in source.split(0)["train"]]
    if len(train) < (test_size := len(source.split(0)["test"])):
        raise UserError(
            "too-few-examples",
            f"--dataset={source.name}: has {len(train)} training pieces, fewer than "
            f"its {test_size} test pieces; give a data set with more",
        )
    chain = MarkovChain(train)

    def score(sample, seed):
        del seed
        steps = sample["prediction"].shape[1]
        lengths = [min(n, steps) for n in sample["y_mask"].sum(-1).astype(int)]
        predictions = zip(sample["prediction"], lengths, strict=True)
        generated = [frames[tokens[:n]] for tokens, n in predictions]
        real = [
            rolls[i, 1 : 1 + n] for i, n in zip(sample["row"], lengths, strict=True)
        ]
        rng = np.random.default_rng(sample["random_bits"][0])
        prompts = zip(sample["x"], lengths, strict=True)
        markov = [chain.draw(first, n, rng) for first, n in prompts]
        others = [train[i] for i in rng.choice(len(train), len(real), replace=False)]
        sets = {
            "distance": generated,
            "chain": markov,
            "floor": [roll[1 : 1 + steps] for roll in others],
        }
        return {name: distance(pieces, real) for name, pieces in sets.items()}

    return SampleEvaluator(("distance", "chain", "floor"), score)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
