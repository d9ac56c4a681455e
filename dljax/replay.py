"""Refuses `python -m dljax.replay`; the command is `dljax replay`."""

if __name__ == "__main__":
    from dljax.__main__ import refuse_old_form

    refuse_old_form("replay")
