r"""Does a Transformer generate sounds token by token?

Claim: "A Transformer generates audio."

A sound is a spectrogram of about a second: 32 frames of 16 bands, quantised to 16
levels, as a sequence of 512 tokens, frame by frame from the lowest band up. A decoder
predicts each token from the tokens before it and from the class, an instrument's family
or a digit. A classifier, trained on real sounds, evaluates its samples: the rule looks
at the share that the classifier assigns to the intended class. It also compares the
bits per token with those of a decoder without attention, which depends on the last
token and the position alone. The report contains the sounds.

    python -m experiments.audio_transformer  # 4 minutes on 2 cores
    python -m experiments.audio_transformer --dataset=spoken_digit --manual_dir=DIR \
        --full

The default data are single notes of 128 instruments (extra `music`). DIR has the
archive of the Free Spoken Digit Dataset 1.0.9. --dataset=audio_folder reads WAV files.
"""

import dataclasses
import sys
from typing import Any

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

from .image_transformers import image_transformer, next_pixel

CHANGES: dict[str, dict[str, Any]] = {
    "none": {},
    "attention": {"attention": False},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("notes", "data set to train on")
    ablate: str = flag(
        "none",
        "component that is removed",
        choices=tuple(CHANGES),
        formerly="knows",
    )
    width: int = flag(64, "model width", low=4)
    depth: int = flag(2, "number of blocks", low=1)
    heads: int = flag(4, "attention heads per block", low=1)
    dropout: float = flag(0.1, "dropout rate of each residual branch", low=0, below=1)
    learning_rate: float = flag(
        2e-3, "Adam's peak learning rate, after 50 warm-up updates", low=0
    )
    evaluator_steps: int = flag(
        1000,
        "updates of the classifier that scores samples",
        low=1,
        formerly="recogniser",
    )
    seeds: int = flag(4, "number of seeds", low=1)
    steps: int = flag(100, "number of updates", low=1)
    eval_every: int = flag(25, "updates between validations", low=1)
    batch_size: int = flag(16, "sounds per batch", low=1)


def rule(accuracy, attention):
    """Supported if the classifier assigns more than half of the samples to the intended
    class, and the decoder needs fewer bits per token than the decoder without attention
    (Holm-adjusted tests at 0.05); refuted if less than half are assigned to it, or the
    decoder needs more bits (the same tests); else undecided.
    """
    if accuracy.above(0) and attention.above(0):
        return "supported"
    return "refuted" if accuracy.below(0) or attention.below(0) else "undecided"


STUDY = Study(
    claim="A Transformer generates audio.",
    family="transformer",
    factors={"ablate": tuple(CHANGES)},
    primary_metric="bits",
    higher=False,
    select="best_valid",
    contrasts={
        "accuracy": ("none@class_accuracy", 0.5),
        "attention": ("attention", "none"),
    },
    rule=rule,
    full=dict.fromkeys(
        ("notes", "spoken_digit"), {"steps": 1000, "eval_every": 50, "seeds": 8}
    ),
    smoke={"steps": 2, "seeds": 2, "width": 8, "depth": 1, "evaluator_steps": 2}
    | {"ablate": ("none",)},
)


def source(config):
    """Spectrograms as sequences of tokens, frame by frame."""
    from dljax.sources import loading
    from dljax.sources.image_tokens import image_tokens

    return image_tokens(
        loading.load_dataset(config), levels=16, pool_width=2, class_conditional=True
    )


def task(config, source, numbers):
    """Prediction of the next token."""
    from dljax.training.image_evaluator import image_sample_evaluator
    from dljax.training.optimizers import adamw, warmup_cosine

    details = source.details
    evaluator = image_sample_evaluator(
        details.images,
        steps=config.evaluator_steps,
        conditional=True,
        to_images=details.to_images,
    )
    net = image_transformer(
        source,
        config.width,
        depth=config.depth,
        heads=config.heads,
        dropout=config.dropout,
        **CHANGES[config.ablate],
    )
    rate = warmup_cosine(config.learning_rate, config.steps, warmup=50)
    return next_pixel(net, adamw(rate, clip=1.0), source, evaluator)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
