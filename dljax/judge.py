"""Refuses `python -m dljax.judge`, the form of earlier versions, and names `dljax judge`."""

if __name__ == "__main__":
    from dljax.__main__ import refuse_old_form

    refuse_old_form("judge")
