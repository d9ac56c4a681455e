"""How good translations are, as sacrebleu has it."""

from typing import Any

from dljax.errors import import_extra
from dljax.types import SampleEvaluator


def translation_sample_evaluator(details: Any) -> SampleEvaluator:
    """BLEU and chrF2 (0 to 100) of samples {"prediction", "row"}, against all of each
    reference, whatever was cut off for training.

    Args:
      details: `TranslationDetails` of the source.

    BLEU with sacrebleu's own tokens: nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp; chrF
    nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no. What a vocabulary of words says is in
    lower case, and so is what it is compared with ("case:lc").

    Source: Papineni et al. 2002; Popovic 2015; Post 2018.

    Raises:
      UserError: sacrebleu is not installed.
    """
    import_extra("sacrebleu", extra="text", purpose="to score translations")
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
