"""Is a recurrent network with one input and one output a feed-forward network?

Claim: "A one-to-one recurrent net is like a feed-forward net, and unfit for sequences."

With a single time step there is no recurrence. Its input is the whole image, where the
network has to be equivalent to an MLP of equal width with tanh, or the last row of the
image, where it has to be less accurate than a recurrent network whose input is all rows
in sequence. The test accuracy decides.

    python -m experiments.rnn_one_to_one  # half a minute
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import DIGITS_TWICE
from dljax.studies.study import Study

KINDS = ("feed_forward", "one_to_one", "last_row", "many_to_one")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    network: str = flag(
        "one_to_one",
        "network and its input: the image, its last row, or all rows in sequence",
        choices=KINDS,
        formerly="kind",
    )
    hidden: int = flag(64, "width of the hidden layer or state", low=1)
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    epochs: float = flag(40.0, "passes over the training data", low=0)


def rule(alike, unfit):
    """Supported if on whole images the one-to-one network is equivalent to the
    feed-forward network within 3 percentage points (two one-sided tests), and on the
    last row alone it is more than 20 percentage points less accurate than the recurrent
    network that reads all rows (simultaneous interval); if not, refuted if it differs
    from the feed-forward network by more than 3 percentage points, or the network of
    all rows leads by less than 5 (simultaneous intervals); else undecided.
    """
    if alike.within(0.03) and unfit.above(0.2):
        return "supported"
    other = alike.above(0.03) or alike.below(-0.03)
    return "refuted" if other or unfit.below(0.05) else "undecided"


STUDY = Study(
    claim="A one-to-one recurrent net is like a feed-forward net, and unfit for "
    "sequences.",
    family="recurrent",
    factors={"network": KINDS},
    primary_metric="accuracy",
    contrasts={
        "alike": ("one_to_one", "feed_forward"),
        "unfit": ("many_to_one", "last_row"),
    },
    rule=rule,
    smoke={"steps": 3, "seeds": 2, "hidden": 4},
    default_is_full={"digits": DIGITS_TWICE},
)


def source(config):
    """Images of the data set."""
    from dljax.sources.loading import load_source

    return load_source(config)


def task(config, source, numbers):
    """Classification of the image, of its last row, or of its rows in sequence."""
    from dljax.models.mlp import mlp
    from dljax.models.net import map_inputs
    from dljax.models.recurrent import image_rows, recurrent
    from dljax.sources.examples import image_example
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    example, outputs = image_example(source)
    sees = {
        "one_to_one": lambda x: x.reshape(x.shape[0], -1),
        "last_row": lambda x: image_rows(x)[:, -1],
        "many_to_one": image_rows,
    }
    if config.network == "feed_forward":
        net = mlp((config.hidden,), outputs, activation="tanh")
    else:
        many = config.network == "many_to_one"
        architecture = "many_to_one" if many else "one_to_one"
        net = recurrent(architecture, "rnn", config.hidden, outputs)
        net = map_inputs(net, sees[config.network])
    return classification(net, adamw(config.learning_rate), example=example)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
