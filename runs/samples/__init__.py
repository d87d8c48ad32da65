"""Sample workflows that do real work on the files in ``documents/``."""
