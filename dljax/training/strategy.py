"""Which of the ways of `parallel` a trial is compiled in."""

VMAP_LIMIT = 200_000_000  # parameters of all seeds together, on an accelerator


def resolve(
    how: str, *, backend: str, devices: int, seeds: int, parameters: int
) -> str:
    """What `auto` stands for: a fixed table by backend and network, never a timing."""
    if how != "auto":
        return how
    if backend == "cpu":
        return "cores" if devices > 1 and seeds > 1 else "map"
    if devices > 1:
        return "shard"
    return "vmap" if seeds * parameters <= VMAP_LIMIT else "map"


def kind(lowering: str, devices: int) -> str:
    """What of a lowering can change a run's bits: map and cores are the same."""
    same = {"cores": "map", "map": "map", "vmap": "vmap"}
    return same.get(lowering, f"{lowering}-{devices}")
