"""Text that is generated from the code while the pages are built."""


def setup(app):
    return {"parallel_read_safe": True}
