"""Text: vocabularies, sources, the user's files, and one-line errors."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from user_errors import user_error

from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.loading import load
from dljax.datasets.location import find
from dljax.errors import DAMAGED_DATA, USAGE, import_extra
from dljax.models.mlp import bag_of_words
from dljax.models.recurrent import recurrent
from dljax.rendering import Texts, of_kind
from dljax.sources import sentences, translation_pairs, vocabulary

LINES = [f"a {w} film, {w}!" for w in ("good", "fine", "bad", "poor", "dull")] * 8


def table(parts=None, folds=5):
    label = np.array([i % 5 > 1 for i in range(len(LINES))], np.int32)
    arrays = {"text": np.array([t.encode() for t in LINES]), "label": label}
    rows = parts or {"train": np.arange(len(LINES))}
    return ArrayDataset("mine", "1", arrays, rows, ("up", "down"), folds=folds)


@pytest.mark.parametrize("tokenizer", vocabulary.TOKENIZERS)
def test_decode_inverts_encode(tokenizer):
    fitted = vocabulary.fit_vocabulary(tokenizer, LINES, vocab_size=60)
    line = LINES[3]
    expected = " ".join(vocabulary.words(line)) if tokenizer == "word" else line
    assert fitted.decode([*fitted.encode(line), vocabulary.END, 5, 6]) == expected
    assert max(fitted.encode(line)) < fitted.size


def test_words_are_split_at_punctuation_in_lower_case():
    assert vocabulary.words("It's a Über-film, 2nd!") == (
        ["it's", "a", "über", "-", "film", ",", "2nd", "!"]
    )


def test_vocabulary_has_frequent_tokens():
    fitted = vocabulary.fit_vocabulary("word", ["a b", "a c", "a b"], min_count=2)
    assert fitted.size == len(vocabulary.SPECIAL) + 2
    assert fitted.encode("a b c") == [4, 5, vocabulary.UNKNOWN]


def test_each_fold_has_a_vocabulary_of_its_own_training_data():
    lines = [f"word{i}" for i in range(40)]
    arrays = {
        "text": np.array([t.encode() for t in lines]),
        "label": np.tile(np.array([0, 1], np.int32), 20),
    }
    dataset = ArrayDataset("mine", "1", arrays, {"train": np.arange(40)}, ("a", "b"))
    source = sentences.labelled_sentences(dataset)
    tested = []
    for seed in range(6):
        parts = source.split(seed)
        x = {k: source.gather(source.arrays, v)["x"] for k, v in parts.items()}
        assert (x["train"] > vocabulary.UNKNOWN).all()
        assert (x["valid"] == vocabulary.UNKNOWN).all()
        assert (x["test"] == vocabulary.UNKNOWN).all()
        tested.append(set(parts["test"] % 40))
    assert tested[5] == tested[0]
    assert set().union(*tested[:5]) == set(range(40))


def test_batch_decodes_to_its_sentences():
    source = sentences.labelled_sentences(table())
    size = source.details.vocabulary_size
    rows = source.split(2)["valid"]
    batch = source.gather(source.arrays, rows)
    np.testing.assert_array_equal(
        batch["label"], table().arrays["label"][rows % len(LINES)]
    )
    assert batch["mask"].sum(-1).tolist() == [6] * len(rows)
    assert int(batch["x"].max()) < size
    samples = {**batch, "prediction": np.zeros(len(rows), int)}
    renderings = source.render(jax.tree.map(np.asarray, samples))
    sentence, label, prediction = of_kind(renderings, Texts)
    assert list(sentence.texts) == [LINES[i % len(LINES)] for i in rows]
    assert label.texts == tuple(table().classes[i] for i in batch["label"])
    assert set(prediction.texts) == {"up"}


def test_bag_of_words_ignores_order_and_padding():
    net = bag_of_words(9, 2)
    x = np.array([[4, 5, 6, 0], [6, 4, 5, 0], [5, 5, 8, 4]], np.int32)
    batch = {"x": x, "mask": (x > 0).astype(np.float32)}
    params, _ = net.init(jax.random.key(0), batch)
    weights = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
    params = {"Embed_0": {"embedding": weights}, "bias": params["bias"] + 1}
    y, _ = net.apply(params, {}, batch, key=None, train=False)
    counts = np.stack([np.bincount(row[row > 0], minlength=9) for row in x])
    np.testing.assert_allclose(y, counts @ weights + 1, rtol=1e-5)


@pytest.mark.parametrize("pool", ["max", "mean"])
def test_pooling_ignores_padding(pool):
    options = {"vocabulary": 9, "embedding": 4, "bidirectional": True, "pool": pool}
    net = recurrent("many_to_one", "gru", 5, 2, **options)
    x = np.array([[4, 5, 6], [6, 4, 0]], np.int32)
    batch = {"x": x, "mask": (x > 0).astype(np.float32)}
    params, _ = net.init(jax.random.key(0), batch)
    wide = {name: np.pad(array, ((0, 0), (0, 2))) for name, array in batch.items()}
    a, b = (net.apply(params, {}, g, key=None, train=False)[0] for g in (batch, wide))
    np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("max_len", [0, 2])
def test_shuffled_sentences_have_the_same_words(max_len):
    plain, shuffled = (
        sentences.labelled_sentences(table(), shuffled=s, max_len=max_len)
        for s in (False, True)
    )
    a, b = plain.arrays["x"], shuffled.arrays["x"]
    assert (a != b).any()
    np.testing.assert_array_equal(np.sort(a), np.sort(b))
    assert plain.fingerprint != shuffled.fingerprint


def test_long_sentences_are_truncated():
    whole, cut = (sentences.labelled_sentences(table(), max_len=n) for n in (0, 3))
    np.testing.assert_array_equal(whole.arrays["x"][:, :3], cut.arrays["x"])


def pairs(**options):
    sides = {
        "source": [f"das {i} haus" for i in range(40)],
        "target": [f"the {i} house is very old" for i in range(40)],
    }
    arrays = {k: np.array([t.encode() for t in v]) for k, v in sides.items()}
    rows = {"train": np.arange(30), "valid": np.arange(30, 35), "test": [36, 37]}
    return translation_pairs.translation_pairs(
        ArrayDataset("mine", "1", arrays, rows, ()), **options
    )


def test_a_batch_of_pairs_is_shifted_by_one_and_ends():
    source = pairs()
    batch = source.gather(source.arrays, jnp.array([2, 31]))
    np.testing.assert_array_equal(batch["decoder_inputs"][:, 0], vocabulary.BEGIN)
    np.testing.assert_array_equal(batch["decoder_inputs"][:, 1:], batch["y"][:, :-1])
    np.testing.assert_array_equal(batch["y"][:, 6], vocabulary.END)
    assert batch["y"][1, 1] == vocabulary.UNKNOWN  # 31 is not in the training data
    samples = {"row": np.array([2]), "x": batch["x"][:1], "prediction": batch["y"][:1]}
    attention = np.zeros((1, 7, 6))
    renderings = source.render({**samples, "attention": attention})
    texts = {record.title: (record.role, *record.texts) for record in renderings[:3]}
    assert texts == {
        "source": ("real", "das 2 haus"),
        "reference": ("real", "the 2 house is very old"),
        "translation": ("generated", "the 2 house is very old"),
    }
    inputs, alignment = renderings[3:]
    assert inputs.tokens == (("das", "2", "haus", "", "", ""),)
    assert alignment.source_tokens == inputs.tokens
    assert alignment.target_tokens == (("the", "2", "house", "is", "very", "old", ""),)
    assert alignment.weights is attention
    assert len(source.render(samples)) == 4  # without attention


def test_blank_source_is_constant():
    source = pairs(blank=True)
    assert len(np.unique(source.arrays["x"], axis=0)) == 1
    np.testing.assert_array_equal(source.arrays["y"], pairs().arrays["y"])


def test_translation_scores_equal_sacrebleu():
    sacrebleu = pytest.importorskip("sacrebleu")

    from dljax.metrics.bleu import translation_sample_evaluator

    source = pairs(tokenizer="character")
    rows = np.array([1, 3])
    batch = source.gather(source.arrays, rows)
    samples = {"row": rows, "prediction": np.array(batch["y"])}
    evaluator = translation_sample_evaluator(source.details)
    assert evaluator.score(samples, 0) == pytest.approx({"bleu": 100, "chrf": 100})
    samples["prediction"][0, 20:] = vocabulary.END
    _, references, translations = source.details.translate(samples)
    expected = sacrebleu.corpus_bleu(translations, [references]).score
    assert evaluator.score(samples, 0)["bleu"] == pytest.approx(expected)
    assert evaluator.score(samples, 0)["bleu"] < 100


@pytest.mark.parametrize("name", ["BLEU", "CHRF"])
def test_signatures_equal_sacrebleu(name):
    sacrebleu = pytest.importorskip(
        "sacrebleu", reason="sacrebleu is in the extra `text`"
    )
    from dljax.metrics.bleu import translation_sample_evaluator

    metric = getattr(sacrebleu.metrics, name)()
    metric.corpus_score(["a b"], [["a b"]])
    signature = str(metric.get_signature()).partition("|version")[0]
    assert signature in " ".join(translation_sample_evaluator.__doc__.split())


@pytest.mark.parametrize(
    ("name", "rows", "names"), [("lexicon", 7506, 2), ("names", 1414, 0)]
)
def test_embedded_text_is_there(name, rows, names, data_dir):
    dataset = load(find(name, data_dir=data_dir))
    assert sum(map(len, dataset.parts.values())) == rows
    assert len(dataset.classes) == names


def labelled(folder, **files):
    for name, lines in files.items():
        (folder / f"{name}.tsv").write_text("".join(f"{line}\n" for line in lines))
    return load(find("labelled_text", manual_dir=str(folder)))


def test_own_text_has_its_own_parts(tmp_path):
    dataset = labelled(tmp_path, train=["ja\tb", "nein\ta"], test=["doch\ta"])
    assert dataset.classes == ("a", "b")
    assert dataset.arrays["label"].tolist() == [1, 0, 0]
    assert {k: v.tolist() for k, v in dataset.parts.items()} == {
        "train": [0, 1],
        "test": [2],
    }


def test_one_file_of_own_text_is_split_by_its_hash(tmp_path):
    lines = [f"text {i}\t{'ab'[i % 2]}" for i in range(300)]
    dataset = labelled(tmp_path, mine=lines + lines[:50])
    assert set(dataset.parts) == {"train", "valid", "test"}
    assert 20 < len(dataset.parts["test"]) < 60
    texts = {k: set(dataset.arrays["text"][v]) for k, v in dataset.parts.items()}
    assert not texts["train"] & texts["test"]


def parallel(folder, german, english):
    (folder / "text.de").write_text("".join(f"{line}\n" for line in german))
    (folder / "text.en").write_text("".join(f"{line}\n" for line in english))
    return load(find("parallel_text", manual_dir=str(folder)))


def test_own_pairs_are_split_and_aligned(tmp_path):
    dataset = parallel(
        tmp_path, [f"haus {i}" for i in range(200)], [f"house {i}" for i in range(200)]
    )
    for source, target in zip(
        dataset.arrays["source"], dataset.arrays["target"], strict=True
    ):
        assert source.split()[1] == target.split()[1]
    assert sum(map(len, dataset.parts.values())) == 200


def test_a_line_ends_where_an_editor_ends_it(tmp_path):
    odd = [f"haus\u2028{i}\x85" for i in range(20)]
    dataset = parallel(tmp_path, odd, [f"house {i}" for i in range(20)])
    assert odd[3].strip().encode() in dataset.arrays["source"]


def rated(folder, line):
    from dljax.datasets import vader

    for name in vader.FILES:
        (folder / name).write_text(f"1\t2.5\tgood {name}\n2\t0.0\tflat\n3\t{line}\n")
    return load(find("vader", manual_dir=str(folder)))


def test_rated_text_is_negative_or_positive(tmp_path):
    dataset = rated(tmp_path, "-1.5\tbad")
    assert dataset.arrays["label"].tolist() == [1, 0] * 3
    assert b"flat" not in dataset.arrays["text"]


MISTAKES = {
    "no tab": (
        lambda d: labelled(d, mine=["no label"] * 30),
        "damaged-text",
        ("mine.tsv", 1),
        DAMAGED_DATA,
    ),
    "no file": (
        lambda d: labelled(d),
        "manual-dir-incomplete",
        ("--manual_dir=", "train.tsv", "test.tsv"),
    ),
    "other splits": (
        lambda d: labelled(d, train=["a\tb"], dev=["a\tb"]),
        "manual-dir-incomplete",
        ("--manual_dir=", "dev.tsv"),
    ),
    "no text to validate": (
        lambda d: labelled(d, train=["a\tb"], test=["a\tb"], valid=[]),
        "too-few-examples",
        ("--manual_dir=", "valid"),
    ),
    "no text to test": (
        lambda d: labelled(d, train=["a\tb"], test=[]),
        "too-few-examples",
        ("--manual_dir=", "test"),
    ),
    "an unknown label": (
        lambda d: labelled(d, train=["a\tb"], test=["a\tc"]),
        "classes-differ",
        ("--manual_dir=", " c ", "test", "train"),
    ),
    "different lengths": (
        lambda d: parallel(d, ["a", "b"], ["a"]),
        "line-counts-differ",
        ("--manual_dir=", "text.de", 2, "text.en", 1),
        DAMAGED_DATA,
    ),
    "too few pairs": (
        lambda d: parallel(d, ["a"], ["a"]),
        "too-few-examples",
        ("--manual_dir=", 1),
    ),
    "no two files": (
        lambda d: find("parallel_text", manual_dir=str(d)),
        "manual-dir-incomplete",
        ("--manual_dir=", "text.de", "text.en"),
    ),
    "no rating": (
        lambda d: rated(d, "bad"),
        "damaged-text",
        ("amazonReviewSnippets_GroundTruth.txt", 3),
        DAMAGED_DATA,
    ),
    "no rated files": (
        lambda d: find("vader", manual_dir=str(d)),
        "manual-dir-incomplete",
        ("--manual_dir=", "amazonReviewSnippets_GroundTruth.txt"),
    ),
    "no sentences": (
        lambda d: sentences.labelled_sentences(ArrayDataset("x", "1", {}, {}, ())),
        "dataset-wrong-kind",
        ("--dataset=x",),
    ),
    "no pairs": (
        lambda d: translation_pairs.translation_pairs(table()),
        "dataset-wrong-kind",
        ("--dataset=mine",),
    ),
    "a size": (
        lambda d: load(find("lexicon", data_dir=str(d), resize=8)),
        "resize-without-images",
        ("--resize=8", "lexicon"),
    ),
    "not UTF-8": (
        lambda d: (
            (d / "a.tsv").write_bytes(b"\xff\tb")
            and load(find("labelled_text", manual_dir=str(d)))
        ),
        "not-utf-8",
        ("a.tsv",),
        DAMAGED_DATA,
    ),
    "no package": (
        lambda d: import_extra("no_such_package", extra="text", purpose="--flag"),
        "extra-not-installed",
        ("--flag", "no_such_package", "pip install 'dljax[text]'"),
    ),
}


@pytest.mark.parametrize(
    ("package", "extra", "flag", "call"),
    [
        (
            "tokenizers",
            "text",
            "--tokenizer=bpe",
            lambda root: vocabulary.fit_vocabulary("bpe", LINES),
        ),
        (
            "music21",
            "music",
            "--dataset=chorales",
            lambda root: load(find("chorales", data_dir=str(root))),
        ),
        (
            "pretty_midi",
            "music",
            "--dataset=notes",
            lambda root: load(find("notes", data_dir=str(root))),
        ),
    ],
)
def test_missing_packages_raise_user_error(
    package, extra, flag, call, tmp_path, monkeypatch
):
    for name in (package, f"{package}.corpus"):
        monkeypatch.setitem(sys.modules, name, None)
    command = f"pip install 'dljax[{extra}]'"
    with user_error("extra-not-installed", flag, package, command):
        call(tmp_path)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_raise_user_error(mistake, tmp_path):
    call, error_id, names, *code = MISTAKES[mistake]
    with user_error(error_id, *names, code=code[0] if code else USAGE):
        call(tmp_path)
