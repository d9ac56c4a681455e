"""Refuses `python -m dljax.sample`, the form of earlier versions, and names `dljax sample`."""

if __name__ == "__main__":
    from dljax.__main__ import refuse_old_form

    refuse_old_form("sample")
