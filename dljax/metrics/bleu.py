"""BLEU and chrF of translations, by sacrebleu."""

from typing import Any

from dljax.errors import import_extra
from dljax.types import SampleEvaluator


def translation_sample_evaluator(details: Any) -> SampleEvaluator:
    """Returns an evaluator of translations: "bleu" and "chrf" (chrF2), from 0 to 100.

    Samples need "prediction" and "row". References are never cut. The signatures are
    nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp (BLEU) and
    nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no (chrF). With a vocabulary of
    lower-case words, references are lower-cased too ("case:lc").

    Source: Papineni et al. 2002; Popovic 2015; Post 2018.

    Args:
      details: the source's `translation_pairs.TranslationDetails`.

    Raises:
      UserError: sacrebleu is not installed.
    """
    import_extra("sacrebleu", extra="text", purpose="computing BLEU and chrF")
    from sacrebleu.metrics import BLEU, CHRF

    bleu, chrf = (
        BLEU(lowercase=details.lowercase, force=True),
        CHRF(lowercase=details.lowercase),
    )

    def score(sample: Any, seed: int) -> dict[str, float]:
        del seed
        _, references, translations = details.translate(sample)
        return {
            "bleu": bleu.corpus_score(translations, [references]).score,
            "chrf": chrf.corpus_score(translations, [references]).score,
        }

    return SampleEvaluator(("bleu", "chrf"), score)
