"""Makes checkpoint_N.zip (N: the format): python tests/golden/make_checkpoint.py

One checkpoint as today's dljax and Orbax write it, of made-up arrays. Made once for a
format and kept, so that tests/test_checkpoint.py can restore what was written long ago.
Needs tests/ on PYTHONPATH.
"""

import pathlib
import tempfile
import zipfile

from test_checkpoint import FIXED, tree

from dljax.trials import checkpoint

STEP = 7


def make(path: pathlib.Path) -> None:
    """Writes the archive."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        saver = checkpoint.Saver(root / "checkpoints")
        saver.save(STEP, tree(STEP), {"fixed": FIXED})
        saver.wait()
        saver.close()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(root.rglob("*")):
                archive.write(file, file.relative_to(root))


if __name__ == "__main__":
    make(pathlib.Path(__file__).with_name(f"checkpoint_{checkpoint.FORMAT}.zip"))
