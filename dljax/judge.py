"""Refuses `python -m dljax.judge`; the command is `dljax judge`."""

if __name__ == "__main__":
    from dljax.__main__ import refuse_old_form

    refuse_old_form("judge")
