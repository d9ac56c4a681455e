"""Does a recurrent network with attention reach its published BLEU on Multi30k?

Claim: "A recurrent net with attention translates Multi30k at 28.11 BLEU."

The task is German to English, tested on the 1,000 captions of 2016. The number is that
of Trevett (pytorch-seq2seq, notebook 4), for a bidirectional encoder with attention and
packed sequences. Its BLEU has a different convention from sacrebleu's: tokens of spaCy
in lower case, no smoothing, greedy decoding. `bleu_spacy` follows it; `bleu` and `chrf`
are sacrebleu's, in lower case as the vocabulary is. The weights with the best
validation loss are tested.

    pip install 'dljax[text,spacy]'
    python -m experiments.reference.multi30k --manual_dir=DIR

DIR has train.de.gz, train.en.gz, val.de.gz and so on.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import WHOLE_DATA_SET
from dljax.studies.study import Study

PUBLISHED = 28.11


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("multi30k", "data set to train on")
    cell: str = flag("gru", "recurrent cell", choices=("rnn", "gru", "lstm"))
    min_count: int = flag(
        2,
        "minimum count of a word in the training data; rarer ones are unknown",
        low=1,
        formerly="least",
    )
    max_len: int = flag(
        25,
        "maximum length of a sentence in words; the rest is cut off",
        low=1,
        formerly="longest",
    )
    hidden: int = flag(256, "size of the hidden state", low=1)
    embedding: int = flag(256, "size of a word's embedding", low=1)
    dropout: float = flag(
        0.3, "dropout rate of the inputs and outputs of each layer", low=0, below=1
    )
    learning_rate: float = flag(
        2e-3, "Adam's initial learning rate, with cosine decay to 0", low=0
    )
    seeds: int = flag(6, "number of seeds", low=1)
    epochs: float = flag(4.0, "passes over the training data", low=0)
    batch_size: int = flag(128, "sentence pairs per batch", low=1)


def rule(bleu_gain):
    """Supported if the mean BLEU in the published convention is above 27.11, one below
    the published score (simultaneous interval); refuted if it is below 27.11
    (simultaneous interval); else undecided.
    """
    if bleu_gain.above(-1):
        return "supported"
    return "refuted" if bleu_gain.below(-1) else "undecided"


STUDY = Study(
    claim="A recurrent net with attention translates Multi30k at 28.11 BLEU.",
    family="recurrent",
    published="28.11 (Trevett)",
    factors={"cell": ("gru",)},
    primary_metric="loss",
    higher=False,
    select="best_valid",
    contrasts={"bleu_gain": ("gru@bleu_spacy", PUBLISHED)},
    rule=rule,
    smoke={"steps": 2, "seeds": 2, "hidden": 4, "embedding": 4, "max_len": 4},
    default_is_full={"multi30k": WHOLE_DATA_SET},
)


def source(config):
    """Sentence pairs as token ids."""
    from dljax.sources import loading
    from dljax.sources.translation_pairs import translation_pairs

    return translation_pairs(
        loading.load_dataset(config), min_count=config.min_count, max_len=config.max_len
    )


def task(config, source, numbers):
    """Prediction of the next word of the translation."""
    from dljax.models.recurrent import recurrent
    from dljax.sources.resident import updates
    from dljax.training.optimizers import adamw, warmup_cosine

    details = source.details
    net = recurrent(
        "attention",
        config.cell,
        config.hidden,
        details.target_vocabulary.size,
        vocabulary=details.source_vocabulary.size,
        embedding=config.embedding,
        bidirectional=True,
        dropout=config.dropout,
    )
    rate = warmup_cosine(config.learning_rate, updates(config, source))
    return translation_task(net, adamw(rate, clip=1.0), source)


def translation_task(net, optimizer, source):
    """The task of translation by `net`, scored in both conventions of BLEU."""
    from dljax.sources.examples import example_batch
    from dljax.tasks.tokens import tokens

    inputs = example_batch(source, "x", "mask", "decoder_inputs")
    return tokens(
        net,
        optimizer,
        example=inputs,
        input_keys=tuple(inputs),
        mask_key="y_mask",
        max_new_tokens=inputs["decoder_inputs"].shape[1],
        sample_evaluator=sample_evaluator(source.details),
    )


def sample_evaluator(details):
    """Scores by sacrebleu, and by BLEU in the published convention."""
    from dljax.errors import import_extra
    from dljax.metrics.bleu import translation_sample_evaluator
    from dljax.types import SampleEvaluator

    sacrebleu = translation_sample_evaluator(details)
    spacy = import_extra("spacy", extra="spacy", purpose="the published convention")
    tokenize = spacy.blank("en").tokenizer
    from sacrebleu.metrics import BLEU

    bleu = BLEU(tokenize="none", smooth_method="none", force=True)

    def words(text):
        return " ".join(
            token.text for token in tokenize(" ".join(text.lower().split()))
        )

    def score(sample, seed):
        _, references, translations = (
            list(map(words, texts)) for texts in details.translate(sample)
        )
        score = bleu.corpus_score(translations, [references]).score
        return {**sacrebleu.score(sample, seed), "bleu_spacy": score}

    return SampleEvaluator((*sacrebleu.names, "bleu_spacy"), score)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
