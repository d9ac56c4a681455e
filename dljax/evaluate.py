"""Refuses `python -m dljax.evaluate`; the command is `dljax evaluate`."""

if __name__ == "__main__":
    from dljax.__main__ import refuse_old_form

    refuse_old_form("evaluate")
