r"""Do masked diffusion and a GAN generate text as a Transformer does?

Claim: "GANs and diffusion models generate text."

Each model generates 32 characters of running text. The Transformer samples one
character after the other, from a prompt of one character. Masked diffusion, with a
bidirectional Transformer, starts from 32 masks and unmasks them in random order. The
generator of the GAN outputs the probabilities of all 32 characters at once, and its
critic compares them with real windows. Samples are compared with held-out text by the
n-grams of one to four characters (`ngrams`, 0 to 1). The baselines are other real text
(`_real`), a first-order Markov chain (`_chain`) and shuffled characters (`_shuffled`).
The test loss of the Transformer, and its bound for diffusion, are reported in nats per
character. The learning rates are not tuned.

    python -m experiments.text_generation  # 4 minutes on 2 cores
    python -m experiments.text_generation --dataset=tiny_shakespeare --manual_dir=DIR \
        --full

The default text is Python's language reference. DIR has input.txt. --dataset=text_file
reads a text file.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

MODELS = ("transformer", "diffusion", "gan")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("python_reference", "data set to train on")
    model: str = flag("transformer", "generative model", choices=MODELS, formerly="way")
    context: int = flag(32, "length of a sample in characters", low=8)
    width: int = flag(64, "model width", low=4)
    depth: int = flag(2, "number of blocks", low=1)
    eval_windows: int = flag(
        2000,
        "windows of the evaluation; half of them are its reference",
        low=8,
        formerly="judged",
    )
    learning_rate: float = flag(
        2e-3, "Adam's peak learning rate; a GAN has a quarter of it", low=0
    )
    seeds: int = flag(4, "number of seeds", low=1)
    steps: int = flag(300, "number of updates", low=1)
    batch_size: int = flag(
        64, "windows per batch; each turn of a GAN has a quarter of them", low=4
    )


def rule(transformer, diffusion, gan):
    """Supported if the samples of masked diffusion and of the GAN both have a smaller
    n-gram distance to held-out text than samples of the Markov chain (Holm-adjusted
    tests at 0.05); refuted if the samples of one of them have a larger one (the same
    tests); else undecided. The Transformer's comparison is reported and decides
    nothing.
    """
    del transformer  # reported
    if diffusion.below(0) and gan.below(0):
        return "supported"
    return "refuted" if diffusion.above(0) or gan.above(0) else "undecided"


STUDY = Study(
    claim="GANs and diffusion models generate text.",
    family="generative",
    factors={"model": MODELS},
    primary_metric="ngrams",
    higher=False,
    contrasts={name: (name, f"{name}@ngrams_chain") for name in MODELS},
    rule=rule,
    full=dict.fromkeys(
        ("python_reference", "tiny_shakespeare"), {"steps": 3000, "seeds": 8}
    ),
    smoke={
        "steps": 2,
        "seeds": 2,
        "context": 8,
        "width": 8,
        "depth": 1,
        "eval_windows": 100,
    }
    | {"model": ("diffusion", "gan")},
)


def source(config):
    """Windows of text as token ids, and as one-hot probabilities."""
    import jax

    from dljax.rendering import Texts
    from dljax.sources import loading
    from dljax.sources.lm_windows import lm_windows

    windows = lm_windows(loading.load_dataset(config), context=config.context)
    vocabulary = windows.details.vocabulary

    def gather(arrays, rows):
        batch = windows.gather(arrays, rows)
        probabilities = jax.nn.one_hot(batch["y"], vocabulary.size)
        return {**batch, "begin": batch["x"][:, :1], "probabilities": probabilities}

    def texts(role, rows):
        decoded = tuple(vocabulary.decode(tokens) for tokens in rows)
        return Texts(title=role, role=role, texts=decoded)

    def render(samples):
        generated = texts("generated", samples["prediction"])
        if "y" not in samples:  # of a prompt
            return (generated,)
        return texts("real", samples["y"]), generated

    return windows._replace(gather=gather, render=render)


def task(config, source, numbers):
    """Prediction of the next or of masked characters, or the game of a GAN."""
    from dljax.metrics.ngrams import text_sample_evaluator
    from dljax.models.transformer import transformer
    from dljax.sources.examples import example_batch
    from dljax.tasks.masked import masked
    from dljax.tasks.tokens import tokens
    from dljax.training.optimizers import adamw, warmup_cosine

    size = source.details.vocabulary.size
    inputs = example_batch(source, "x", "y", "probabilities")
    options = {"depth": config.depth, "max_len": config.context}
    rate = warmup_cosine(config.learning_rate, config.steps, warmup=config.steps // 20)
    optimizer = adamw(rate, clip=1.0, ema=0.995)
    evaluator = text_sample_evaluator(source, max_examples=config.eval_windows)
    if config.model == "transformer":
        net = transformer("decoder", config.width, size, tied=True, **options)
        return tokens(
            net,
            optimizer,
            example=inputs["x"],
            mask_key="y_mask",
            max_new_tokens=config.context,
            prompts={"prediction": "begin"},
            do_sample=True,
            sample_evaluator=evaluator,
        )
    if config.model == "diffusion":
        net = transformer(
            "encoder",
            config.width,
            size,
            vocabulary=size + 1,
            pool="none",
            **options,
        )
        return masked(
            net,
            optimizer,
            example=inputs["y"],
            vocabulary_size=size,
            mask_key="y_mask",
            sample_evaluator=evaluator,
        )
    return gan_of_text(config, size, inputs["probabilities"], evaluator)


def gan_of_text(config, size, example, evaluator):
    """A Wasserstein GAN on probabilities of characters, as in Gulrajani et al. 2017."""
    import jax
    import jax.numpy as jnp

    from dljax.models.net import map_inputs
    from dljax.models.transformer import transformer
    from dljax.tasks.gan import gan
    from dljax.training.optimizers import adamw

    options = {"depth": config.depth, "max_len": config.context}
    generator = transformer("encoder", config.width, size, pool="none", **options)
    generator = map_inputs(generator, lambda z: z.reshape(len(z), config.context, -1))
    critic = transformer("encoder", config.width, 1, **options)

    def probabilities(params, model_state, z, **options):
        y, model_state = generator.apply(params, model_state, z, **options)
        return jax.nn.softmax(y), model_state

    def score(params, model_state, x, **options):
        y, model_state = critic.apply(params, model_state, x, **options)
        return y[:, 0], model_state

    rate = config.learning_rate / 4
    game = gan(
        generator._replace(apply=probabilities),
        critic._replace(apply=score),
        {
            "generator": adamw(rate, b1=0.0, b2=0.9, ema=0.995),
            "critic": adamw(rate, b1=0.0, b2=0.9),
        },
        example=example,
        latent_size=4 * config.context,
        objective="wasserstein",
        order=("critic",) * 3 + ("generator",),
        input_key="probabilities",
        sample_evaluator=evaluator,
    )

    generate = game.sample
    assert generate is not None

    def sample(params, model_state, batch, key):
        generated = generate(params, model_state, batch, key)["generated"]
        return {"prediction": jnp.argmax(generated, -1).astype(jnp.int32)}

    return game._replace(sample=sample)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
