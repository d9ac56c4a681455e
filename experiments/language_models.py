"""Decoders on windows of running text, for several experiments."""


def rotary_transformer(config, source, **changes):
    """A decoder with rotary positions and tied embeddings, unless changed.

    Args:
      config: has `width`, `depth`, `heads` and `context`.
      source: windows made by `dljax.sources.lm_windows`.
      changes: options of `dljax.models.transformer.transformer`.
    """
    from dljax.models.transformer import transformer

    options = {"depth": config.depth, "heads": config.heads, "positions": "rotary"}
    return transformer(
        "decoder",
        config.width,
        source.details.vocabulary.size,
        max_len=config.context,
        tied=True,
        **options | changes,
    )


def next_token(net, optimizer, source, *, max_new_tokens):
    """The task of predicting each token of a window from all tokens before it.

    Samples have `max_new_tokens` tokens, drawn from the predicted distribution.
    """
    from dljax.sources.examples import example_batch
    from dljax.tasks.tokens import tokens

    return tokens(
        net,
        optimizer,
        example=example_batch(source, "x")["x"],
        mask_key="y_mask",
        max_new_tokens=max_new_tokens,
        do_sample=True,
    )


def clipped_adam(learning_rate, steps):
    """Adam with 50 warm-up updates, cosine decay to a tenth, and clipping to norm 1."""
    from dljax.training.optimizers import adamw, warmup_cosine

    rate = warmup_cosine(learning_rate, steps, warmup=50, end=0.1)
    return adamw(rate, clip=1.0)
