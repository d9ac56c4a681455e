"""Sampling of tokens, and the command that samples from a finished trial."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import diffusion
from PIL import Image
from user_errors import user_error

from dljax import cli
from dljax.commands import sample
from dljax.models.decoding import sample_tokens
from dljax.training import update
from experiments.reference import tiny_shakespeare

SHARES = np.array([0.5, 0.3, 0.15, 0.05])
DRAWS = 4000


def frequencies(**options):
    """The relative frequency of each of four tokens."""
    logits = jnp.tile(jnp.log(SHARES), (DRAWS, 1))
    tokens = sample_tokens(logits, jax.random.key(0), **options)
    return np.bincount(tokens, minlength=4) / DRAWS


def test_tokens_are_sampled_by_their_probability():
    np.testing.assert_allclose(frequencies(), SHARES, atol=0.03)


def test_low_temperature_sharpens_the_distribution():
    expected = SHARES**2 / (SHARES**2).sum()
    np.testing.assert_allclose(frequencies(temperature=0.5), expected, atol=0.03)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"top_k": 1}, 1),
        ({"top_k": 3}, 3),
        ({"top_k": 9}, 4),
        ({"top_p": 0.4}, 1),
        ({"top_p": 0.7}, 2),
        ({"top_p": 0.9}, 3),
        ({"top_k": 3, "top_p": 0.7}, 2),
    ],
)
def test_top_k_and_top_p_truncate_the_distribution(options, left):
    expected = SHARES[:left] / SHARES[:left].sum()
    np.testing.assert_allclose(frequencies(**options)[:left], expected, atol=0.03)
    assert not frequencies(**options)[left:].any()


def test_without_a_key_it_is_the_argmax():
    assert sample_tokens(jnp.log(SHARES)[None], None).tolist() == [0]


@pytest.fixture(scope="module")
def trial(tmp_path_factory, data_dir):
    """A trial of two seeds, of a few updates."""
    folder = tmp_path_factory.mktemp("sample")
    flags = ["--smoke", "--dataset=python_reference", f"--data_dir={data_dir}"]
    flags.append("--seed=0")
    assert cli.run(tiny_shakespeare, [*flags, f"--workdir={folder}"]) == 0
    (path,) = folder.glob("transformer-*")
    return str(path)


def printed(capsys, *arguments):
    capsys.readouterr()
    assert sample.main(list(arguments)) == 0
    return capsys.readouterr().out


def test_n_texts_are_printed(trial, capsys):
    flags = "--prompt=The", "--n=3", "--length=20"
    out = printed(capsys, trial, *flags)
    assert out == printed(capsys, trial, *flags)
    assert out != printed(capsys, trial, *flags, "--sampling_seed=1")
    greedy = printed(capsys, trial, *flags, "--greedy")
    assert greedy != printed(capsys, trial, *flags, "--greedy", "--seed=1")
    assert len({text for text in greedy.split("\n\n") if text}) == 1


@pytest.mark.parametrize(
    ("arguments", "error_id", "names"),
    [
        ([], "usage", ["dljax sample TRIAL"]),
        (["--n=3"], "usage", ["dljax sample TRIAL"]),
        (["TRIAL", "other"], "usage", ["other", "dljax sample TRIAL"]),
        (["TRIAL", "--seed=7"], "unknown-seed", ["--seed=7", "0, 1"]),
        (["TRIAL", "--promt=a"], "unknown-flag", ["--promt", "--prompt"]),
        (["TRIAL", "--n=0"], "flag-out-of-range", ["--n=0", 1]),
        (["TRIAL", "--draw=1"], "renamed-flag", ["--draw", "--sampling_seed"]),
        (["TRIAL", "--top_p=5"], "flag-out-of-range", ["--top_p=5.0", 1]),
        (["nowhere"], "not-a-trial", ["nowhere", "config.json"]),
    ],
)
def test_mistakes_are_refused(trial, arguments, error_id, names):
    arguments = [trial if word == "TRIAL" else word for word in arguments]
    with user_error(error_id, *names):
        sample.main(arguments)


def test_network_without_generation_is_refused(tmp_path, data_dir):
    from experiments import sentiment

    flags = ["--smoke", "--dataset=lexicon", f"--data_dir={data_dir}"]
    flags += ["--learning_rate=0.001", "--dropout=0.3"]  # not tuned
    assert cli.run(sentiment, [*flags, f"--workdir={tmp_path}"]) == 0
    trial = next(tmp_path.glob("bilstm-*-[0-9a-f]*"))
    with user_error("nothing-to-sample", trial):
        sample.main([str(trial)])


def test_prompt_that_is_no_class_is_refused(data_dir):
    from experiments import audio_transformer, translation

    config = audio_transformer.Config(data_dir=data_dir)
    with user_error("unknown-class", "--prompt=organs", "piano", "bell"):
        audio_transformer.source(config).encode_prompts(["organs"])
    config = translation.Config(data_dir=data_dir)
    with user_error("empty-prompt", "--prompt"):
        translation.source(config).encode_prompts([""])


def test_run_is_chosen_by_variant_and_seed():
    runs = [("a", 3), ("a", 4), ("b", 3), ("b", 4)]

    def index(**options):
        return sample.find_run("TRIAL", sample.Config(**options), runs)

    assert [index(), index(seed=4), index(variant="b")] == [0, 1, 2]
    assert index(variant="b", seed=4) == 3
    with user_error("unknown-variant", "--variant=c", "TRIAL", "a, b"):
        index(variant="c")


def test_only_generated_samples_are_rendered_of_prompts(data_dir):
    from experiments import generators_compared, text_generation

    text = text_generation.source(text_generation.Config(data_dir=data_dir))
    (continued,) = text.render({"prediction": np.full((2, 3), 5)})
    assert continued.role == "generated"
    config = generators_compared.Config(model="transformer", data_dir=data_dir)
    images = generators_compared.source(config)
    (generated,) = images.render({"prediction": np.zeros((2, 64), int)})
    assert generated.role == "generated"
    assert generated.pixels.shape == (2, 8, 8, 1)


@pytest.mark.long
def test_generated_images_are_written(tmp_path, data_dir, capsys):
    from experiments import vae

    flags = ["--smoke", f"--data_dir={data_dir}", f"--workdir={tmp_path}"]
    assert cli.run(vae, flags) == 0
    (trial,) = (str(path) for path in tmp_path.glob("1.0-usual-*"))
    out = tmp_path / "out"
    printed(capsys, trial, "--n=3", f"--out={out}")
    assert {path.name for path in out.iterdir()} == {"0.png", "1.png", "2.png"}
    with Image.open(out / "0.png") as picture:
        assert picture.size == (8, 8)
    printed(capsys, trial, "--n=1", f"--out={tmp_path / 'one'}")
    assert (tmp_path / "one/0.png").is_file()
    for flag, error_id, names in (
        ("--greedy", "flag-not-applicable", [trial]),
        ("--prompt=3", "not-conditional", [trial]),
        ("--prompt=three", "unknown-class", ["0, 1"]),
        (f"--out={out}", "directory-not-empty", ["3 files"]),
    ):
        with user_error(error_id, flag.split("=3")[0], *names):
            sample.main([trial, flag])


def test_images_are_of_the_class_of_the_prompt():
    family = diffusion()
    task = family.task._replace(
        sample=lambda params, model_state, batch, key: {
            "generated": batch["image"] + batch["label"].reshape(-1, 1, 1, 1) / 4,
            "target_class": batch["label"],
        }
    )
    source = family.source._replace(classes=("above", "below"))
    state = update.init(task, jax.random.key(0))
    for prompt, values in (("", [0, 0.25, 0]), ("below", [0.25] * 3)):
        config = sample.Config(prompt=prompt, n=3)
        (images,) = sample.generate_images("run", config, task, source, state)
        assert images.pixels[:, 0, 0, 0].tolist() == values
        names = ["above", "below", "above"] if not prompt else [prompt] * 3
        assert list(images.target_classes) == names
