"""Reasons why a study's default size is its full size: `Study.default_is_full`."""

ALL_DIGITS = "the data set has only these 1,797 images"
DIGITS_TWICE = f"{ALL_DIGITS}; two rounds of five folds test each image twice"
WHOLE_DATA_SET = "the default size uses the whole data set; --full adds nothing"
WHOLE_TASK = "the default size is the whole task; --full adds nothing"
PUBLISHED_SIZE = "the default size is the published size; --full adds nothing"
KNOWN_EXACTLY = "the correct answer is known exactly"
TIMES = "the study measures times; the images serve as input only"
