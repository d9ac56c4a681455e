"""Refuses `python -m dljax.report`; the command is `dljax report`."""

if __name__ == "__main__":
    from dljax.__main__ import refuse_old_form

    refuse_old_form("report")
