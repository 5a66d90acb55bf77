"""The domains otgan ships; each enters by the entry-point group `otgan.domains`, as anybody's."""
