"""Reasons why an experiment's default size decides as well as a full size would.

They are values of `Study.default_is_full`, and the report states them.
"""

ALL_DIGITS = "there are no more than these 1,797 images"
DIGITS_TWICE = f"{ALL_DIGITS}; two rounds of five folds test on every one of them twice"
WHOLE_DATA_SET = "it is the whole set; --full asks for nothing more"
WHOLE_TASK = "it is the whole task; --full asks for nothing more"
PUBLISHED_SIZE = "it is the published size; --full asks for nothing more"
KNOWN_EXACTLY = "what is right is known exactly"
TIMES = "what is measured is time; the images are there to be computed on"
