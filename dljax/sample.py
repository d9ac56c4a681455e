"""Refuses `python -m dljax.sample`; the command is `dljax sample`."""

if __name__ == "__main__":
    from dljax.__main__ import refuse_old_form

    refuse_old_form("sample")
