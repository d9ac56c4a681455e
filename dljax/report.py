"""Refuses `python -m dljax.report`, the form of earlier versions, and names `dljax report`."""

if __name__ == "__main__":
    from dljax.__main__ import refuse_old_form

    refuse_old_form("report")
