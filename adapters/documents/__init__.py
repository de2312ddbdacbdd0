"""A store of PDF documents: a directory, or an object store through fsspec."""
