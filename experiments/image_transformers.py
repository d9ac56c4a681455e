"""Decoders on images as sequences of tokens, for several experiments.

Their sources are made by `dljax.sources.image_tokens`.
"""


def image_transformer(source, width, **options):
    """A decoder of the tokens of an image.

    Args:
      options: of `dljax.models.transformer.transformer`.
    """
    from dljax.models.transformer import transformer

    details = source.details
    return transformer(
        "decoder", width, details.num_tokens, max_len=details.length, **options
    )


def next_pixel(net, optimizer, source, sample_evaluator, *, complete=True):
    """The task of predicting each token of an image from all tokens before it.

    Measures bits per token. Samples are whole images and, with `complete`, test images
    whose second half is generated.
    """
    from dljax.sources.examples import example_batch
    from dljax.tasks.tokens import tokens

    prompts = {"prediction": "begin"} | ({"completion": "half"} if complete else {})
    return tokens(
        net,
        optimizer,
        example=example_batch(source, "x")["x"],
        max_new_tokens=source.details.length,
        prompts=prompts,
        do_sample=True,
        measure_bits=True,
        sample_evaluator=sample_evaluator,
    )
