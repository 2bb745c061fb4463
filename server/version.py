"""The version of Baton."""

from importlib.metadata import version

VERSION = version("baton")
