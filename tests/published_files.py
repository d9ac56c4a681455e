"""Replaces the checksums of a data set's published files by those of test files."""

import hashlib


def publish(monkeypatch, builder, url, folder):
    """Registers the files of a folder as the published files of a builder."""
    from tensorflow_datasets.core.download import checksums

    infos = {
        f"{url}{path.name}": checksums.UrlInfo(
            size=path.stat().st_size,
            checksum=hashlib.sha256(path.read_bytes()).hexdigest(),
            filename=path.name,
        )
        for path in folder.iterdir()
    }
    monkeypatch.setattr(builder, "url_infos", infos)
