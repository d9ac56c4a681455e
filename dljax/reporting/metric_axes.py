"""How a test metric is shown to a reader: its name, unit and number of digits."""

import dataclasses
import math

from dljax.studies.recorded_results import DIGITS

MAX_DECIMALS = 5  # from more on, a power of ten
POINTS = "percentage points"


@dataclasses.dataclass(frozen=True)
class MetricAxis:
    """How a metric is shown.

    label: the axis of its values, with the unit. difference: the unit of a difference.
    scale: shown value per recorded value. log2: whether the recorded value is a binary
    logarithm; the value is then shown on a logarithmic axis, a difference as a ratio.
    """

    label: str
    difference: str
    scale: float = 1.0
    log2: bool = False

    def shown(self, value: float) -> float:
        """A recorded value or difference in the units that are shown."""
        return 2.0**value if self.log2 else self.scale * value


def _share(label: str) -> MetricAxis:
    return MetricAxis(f"{label} (%)", POINTS, 100.0)


ACCURACY = _share("Test accuracy")
DELETION = MetricAxis(
    "Area under the label's probability, pixels deleted or inserted", "area"
)
# By the longest prefix of a metric's name that is here.
AXES = {
    "accuracy": ACCURACY,
    "train_accuracy": ACCURACY,
    "class_accuracy": _share("Samples recognised as their class"),
    "noise_left": _share("Noise left"),
    "beyond_pca": _share("Error beyond that of PCA"),
    "relative_error": _share("Relative error"),
    "loss_error": _share("Relative error of the loss"),
    "moments_error": MetricAxis(
        "Error of the samples' moments (standard errors)", "standard errors"
    ),
    "loss": MetricAxis("Test loss (nats)", "nats"),
    "nll": MetricAxis("Negative log-likelihood (nats)", "nats"),
    "nelbo": MetricAxis("Negative evidence lower bound (nats)", "nats"),
    "bound": MetricAxis("Negative evidence lower bound (nats)", "nats"),
    "ppca_nll": MetricAxis("Negative evidence lower bound (nats)", "nats"),
    "bits": MetricAxis("Bits per token", "bits per token"),
    "mse": MetricAxis("Mean squared error", "mean squared error"),
    "pca_mse": MetricAxis("Mean squared error", "mean squared error"),
    "frechet": MetricAxis("Fréchet distance (lower is better)", "Fréchet distance"),
    "ngrams": MetricAxis("Distance of n-grams (lower is better)", "distance"),
    "distance": MetricAxis("Distance from real music (lower is better)", "distance"),
    "chain": MetricAxis("Distance from real music (lower is better)", "distance"),
    "floor": MetricAxis("Distance from real music (lower is better)", "distance"),
    "chrf": MetricAxis("chrF of the translations", "chrF"),
    "bleu": MetricAxis("BLEU", "BLEU"),
    "r2": MetricAxis("Explained variance of the pixels", "explained variance"),
    "integrated_hit": _share("Attributions that hit the evidence"),
    "integrated_shuffled": MetricAxis(
        "Rank correlation after shuffling the weights", "rank correlation"
    ),
    "integrated": DELETION,
    "random": DELETION,
    "drawn": MetricAxis("Gradient relative to the last step (log10)", "log10"),
    "trained": MetricAxis("Gradient relative to the last step (log10)", "log10"),
    "log2_step_us": MetricAxis("Train step (µs)", "times the time", log2=True),
    "log2_secs": MetricAxis(
        "Time to the target accuracy (s)", "times the time", log2=True
    ),
    "log2_flop": MetricAxis(
        "Operations per train step", "times the operations", log2=True
    ),
    "log2_examples_per_sec": MetricAxis(
        "Training examples per second", "times the throughput", log2=True
    ),
    # Accuracies under a change of the images or of the weights.
    **dict.fromkeys(
        ("shift", "rotation", "contrast", "noise", "blur", "occlusion", "fgsm", "pgd"),
        ACCURACY,
    ),
    **dict.fromkeys(
        ("corrupted", "smallest", "random_mean", "largest"),
        ACCURACY,
    ),
}

# What a metric is of, where its name and its axis do not say it.
NOTES = {
    "train_accuracy": "on training data",
    "frechet_gaussian": "a Gaussian's samples",
    "frechet_few": "few sampling steps",
    "frechet_ancestral": "ancestral sampling",
    "frechet_guided": "with guidance",
    "frechet_classless": "without the class",
    "ngrams_chain": "a Markov chain's text",
    "chain": "a Markov chain's music",
    "floor": "other real music",
    "pca_mse": "PCA",
    "ppca_nll": "probabilistic PCA",
    "log2_flop": "operations",
    "log2_secs": "time",
}


def note_of(metric: str) -> str:
    """What a metric is of, in a few words."""
    return NOTES.get(metric, metric.replace("_", " "))


def axis_of(metric: str) -> MetricAxis:
    """How a metric is shown: by its name, or its beginning; else as it is recorded."""
    names = [name for name in AXES if metric == name or metric.startswith(f"{name}_")]
    if names:
        return AXES[max(names, key=len)]
    label = metric.replace("_", " ")
    return MetricAxis(label[:1].upper() + label[1:], label)


def decimals(*bounds: float | None) -> int | None:
    """The digits after the point that show two digits of an interval's half width.

    Not more digits than the numbers have: results from text are rounded.

    Args:
      bounds: a value, and the ends of its interval where known; as shown.

    Returns:
      None where there is no interval, or one of length 0.
    """
    known = [bound for bound in bounds if bound is not None]
    width = (max(known) - min(known)) / 2
    if width <= 0:
        return None
    recorded = [f"{x:.{DIGITS}g}" for x in known]
    if any("e" in text for text in recorded):
        return max(0, 1 - math.floor(math.log10(width)))
    most = max(len(text.partition(".")[2]) for text in recorded)
    return min(most, max(0, 1 - math.floor(math.log10(width))))


def describe_value(
    axis: MetricAxis, value: float, low: float | None, high: float | None
) -> str:
    """A value with its interval: "95.2 (93.2 to 97.3)"."""
    return _describe(axis, value, low, high, "")


def describe_difference(
    axis: MetricAxis, value: float, low: float | None, high: float | None
) -> str:
    """A difference with its sign and interval, or a ratio: "+13.8 (+11.8 to +15.7)"."""
    return _describe(axis, value, low, high, "" if axis.log2 else "+")


def _describe(
    axis: MetricAxis, value: float, low: float | None, high: float | None, sign: str
) -> str:
    shown, *ends = (None if x is None else axis.shown(x) for x in (value, low, high))
    assert shown is not None
    digits = decimals(shown, *ends)

    def text(x: float) -> str:
        if digits is None or digits > MAX_DECIMALS:
            kind = ".3g" if digits is None else ".1e"
        else:
            x = round(x, digits) + 0.0  # never -0.0
            kind = f",.{digits}f"
        return f"{x:{sign if x else ''}{kind}}".replace("-", "−")

    if None in ends:
        return text(shown)
    return f"{text(shown)} ({' to '.join(text(x) for x in ends if x is not None)})"
