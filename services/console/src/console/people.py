"""Who types."""

import getpass
import os


def who() -> str:
    """Name of the user of the operating system, or its number where it has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
