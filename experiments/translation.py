"""Can a recurrent network translate, and what does attention add?

Claim: "Recurrent networks of many to many translate."

An encoder reads the source sentence, and a decoder predicts the English one token by
token. The decoder starts from the last hidden state of the encoder; with attention it
also reads all outputs of the encoder. The control has a blank source, so that its
translations depend on the frequencies of the targets alone. The rule compares chrF (0
to 100) with attention against this control. BLEU, an encoder-decoder without attention
and a Transformer are reported. chrF and BLEU are those of sacrebleu.

    python -m experiments.translation  # 4 minutes on 2 cores
    python -m experiments.translation --full
    python -m experiments.translation --dataset=multi30k --manual_dir=DIR --full

The default data are names of places, languages and currencies, German to English,
character by character. DIR has the files of multi30k, or of tatoeba_de, tatoeba_fr or
tatoeba_es, which are translated in byte-pair encoding; --dataset=parallel_text reads
files of sentence pairs. For scores of whole sentences see `reference.multi30k`.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

NETS = ("attention", "encoder_decoder", "transformer")
SHOWN = ("source", "blank")
PIECES = ("word", "character", "bpe")
WHOLE = ("multi30k_fr", "tatoeba_de", "tatoeba_fr", "tatoeba_es", "parallel_text")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("names", "data set to train on")
    network: str = flag("attention", "network", choices=NETS, formerly="net")
    encoder_input: str = flag(
        "source",
        "input of the encoder: the source sentence, or blanks",
        choices=SHOWN,
        formerly="shown",
    )
    cell: str = flag("gru", "recurrent cell", choices=("rnn", "gru", "lstm"))
    tokenizer: str = flag(
        "character", "unit of the tokens", choices=PIECES, formerly="pieces"
    )
    vocab_size: int = flag(
        4000, "maximum vocabulary size of byte-pair encoding", low=10, formerly="size"
    )
    max_len: int = flag(
        40,
        "maximum length of a sentence in tokens; the rest is cut off",
        low=1,
        formerly="longest",
    )
    hidden: int = flag(128, "size of the hidden state", low=1)
    embedding: int = flag(64, "size of a token's embedding", low=1)
    dropout: float = flag(
        0.2, "dropout rate of the inputs and outputs of each layer", low=0, below=1
    )
    learning_rate: float = flag(2e-3, "Adam's learning rate", low=0)
    seeds: int = flag(8, "number of seeds", low=1)
    epochs: float = flag(3.0, "passes over the training data", low=0)


def rule(reading, **others):
    """Supported if with attention the chrF of translations of the source is more than
    10 above that of translations of a blank source (simultaneous interval); refuted if
    it is less than 2 above (simultaneous interval); else undecided. The comparisons
    with the encoder-decoder and with the Transformer are reported and decide nothing.
    """
    del others  # reported, not part of the claim
    if reading.above(10):
        return "supported"
    return "refuted" if reading.below(2) else "undecided"


STUDY = Study(
    claim="Recurrent networks of many to many translate.",
    family="recurrent",
    factors={"network": NETS, "encoder_input": SHOWN},
    design=[
        {"network": "attention", "encoder_input": "source"},
        {"network": "encoder_decoder", "encoder_input": "source"},
        {"network": "attention", "encoder_input": "blank"},
        {"network": "transformer", "encoder_input": "source"},
    ],
    primary_metric="chrf",
    contrasts={
        "reading": ("attention/source", "attention/blank"),
        "attention": ("attention/source", "encoder_decoder/source"),
        "transformer": ("transformer/source", "attention/source"),
    },
    rule=rule,
    sizes=dict.fromkeys(WHOLE, {"tokenizer": "bpe", "vocab_size": 2000, "max_len": 28})
    | {
        "multi30k": {
            "tokenizer": "bpe",
            "vocab_size": 2000,
            "max_len": 28,
            "epochs": 1.0,
        }
    },
    full={"names": {"epochs": 30.0}, "multi30k": {"epochs": 3.0}},
    smoke={"steps": 2, "seeds": 2, "hidden": 4, "embedding": 4, "max_len": 4}
    | {"network": ("attention",), "encoder_input": ("source",)},
)


def source(config):
    """Sentence pairs as token ids."""
    from dljax.sources import loading
    from dljax.sources.translation_pairs import translation_pairs

    return translation_pairs(
        loading.load_dataset(config),
        tokenizer=config.tokenizer,
        vocab_size=config.vocab_size,
        max_len=config.max_len,
        blank=config.encoder_input == "blank",
    )


def task(config, source, numbers):
    """Prediction of the next token of the translation."""
    from dljax.metrics.bleu import translation_sample_evaluator
    from dljax.models.recurrent import recurrent
    from dljax.models.transformer import transformer
    from dljax.sources.examples import example_batch
    from dljax.tasks.tokens import tokens
    from dljax.training.optimizers import adamw

    details = source.details
    inputs = example_batch(source, "x", "mask", "decoder_inputs")
    if config.network == "transformer":
        net = transformer(
            "encoder_decoder",
            config.hidden,
            details.target_vocabulary.size,
            vocabulary=details.source_vocabulary.size,
            max_len=inputs["decoder_inputs"].shape[1],
            dropout=config.dropout,
        )
    else:
        net = recurrent(
            config.network,
            config.cell,
            config.hidden,
            details.target_vocabulary.size,
            vocabulary=details.source_vocabulary.size,
            embedding=config.embedding,
            bidirectional=True,
            dropout=config.dropout,
        )
    return tokens(
        net,
        adamw(config.learning_rate, clip=1.0),
        example=inputs,
        input_keys=tuple(inputs),
        mask_key="y_mask",
        max_new_tokens=inputs["decoder_inputs"].shape[1],
        sample_evaluator=translation_sample_evaluator(details),
    )


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
