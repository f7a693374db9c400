"""The errors that a user can cause or mend; each message says what, where and what to do."""


class MemFactoryError(Exception):
    """Anything that is shown to the user as one line, without a traceback."""


class ConfigError(MemFactoryError):
    """A setting, a recipe, a part or a data file is not usable as it stands."""


class PolicyError(MemFactoryError):
    """A policy cannot be loaded or cannot answer."""


class RunError(MemFactoryError):
    """A run cannot be started, found, stopped or read."""
