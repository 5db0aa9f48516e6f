"""The errors that end a command with one sentence: unusable input, and a training run that diverged."""


class InputError(ValueError):
    """Input that cannot be used; one sentence: which file or value, what was expected, what came.

    The command line and the recipes print the message alone and exit with 1; any other exception is a bug.
    """


class NonFiniteLossError(RuntimeError):
    """A loss term became infinite or not a number; the message names the term and the step."""
