"""Does a Transformer reach its published BLEU on Multi30k?

Claim: "A Transformer translates Multi30k at 36.52 BLEU."

The task is German to English, tested on the 1,000 captions of 2016. The number is that
of Trevett (pytorch-seq2seq, notebook 6), for three blocks in encoder and decoder, post
normalisation, a model width of 256, 8 heads and 9 million parameters. The weights with
the best validation loss of ten epochs are tested. For the conventions of BLEU see
`reference.multi30k`. One seed gives no verdict; --seeds=6 gives one.

    pip install 'dljax[text,spacy]'
    python -m experiments.reference.multi30k_transformer --manual_dir=DIR

DIR has train.de.gz, train.en.gz, val.de.gz and so on.

Differences from the notebook: words are split at punctuation and whitespace, and
spaCy's tokenizer is used for the score only; embeddings are not scaled by the square
root of their width; attention weights have no dropout.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import WHOLE_DATA_SET
from dljax.studies.study import Study

from . import multi30k

source = multi30k.source
PUBLISHED = 36.52


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("multi30k", "data set to train on")
    network: str = flag(
        "transformer", "network", choices=("transformer",), formerly="net"
    )
    min_count: int = flag(
        2,
        "minimum count of a word in the training data; rarer ones are unknown",
        low=1,
        formerly="least",
    )
    max_len: int = flag(
        40,
        "maximum length of a sentence in words; the rest is cut off",
        low=1,
        formerly="longest",
    )
    width: int = flag(256, "model width", low=2)
    depth: int = flag(3, "blocks of the encoder, and of the decoder", low=1)
    heads: int = flag(8, "attention heads per block", low=1)
    dropout: float = flag(0.1, "dropout rate of each residual branch", low=0, below=1)
    learning_rate: float = flag(5e-4, "Adam's learning rate", low=0)
    seeds: int = flag(1, "number of seeds", low=1)
    epochs: float = flag(10.0, "passes over the training data", low=0)
    batch_size: int = flag(128, "sentence pairs per batch", low=1)


def rule(bleu_gain):
    """Supported if the mean BLEU in the published convention is above 35 (simultaneous
    interval); refuted if it is below 35 (simultaneous interval); else undecided. With a
    single seed the result is undecided.
    """
    if bleu_gain.above(35 - PUBLISHED):
        return "supported"
    return "refuted" if bleu_gain.below(35 - PUBLISHED) else "undecided"


STUDY = Study(
    claim="A Transformer translates Multi30k at 36.52 BLEU.",
    family="transformer",
    published="36.52 (Trevett)",
    factors={"network": ("transformer",)},
    primary_metric="loss",
    higher=False,
    select="best_valid",
    contrasts={"bleu_gain": ("transformer@bleu_spacy", PUBLISHED)},
    rule=rule,
    smoke={"steps": 2, "seeds": 2, "width": 8, "heads": 2, "depth": 1, "max_len": 4},
    default_is_full={"multi30k": WHOLE_DATA_SET},
)


def task(config, source, numbers):
    """Prediction of the next word of the translation."""
    from dljax.models.transformer import transformer
    from dljax.sources.examples import example_batch
    from dljax.training.optimizers import adamw

    details = source.details
    decoder_inputs = example_batch(source, "decoder_inputs")["decoder_inputs"]
    net = transformer(
        "encoder_decoder",
        config.width,
        details.target_vocabulary.size,
        depth=config.depth,
        heads=config.heads,
        mlp_ratio=2,
        vocabulary=details.source_vocabulary.size,
        max_len=decoder_inputs.shape[1],
        norm="post",
        activation="relu",
        dropout=config.dropout,
    )
    return multi30k.translation_task(net, adamw(config.learning_rate, clip=1.0), source)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
