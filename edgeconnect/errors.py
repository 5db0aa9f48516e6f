"""The one error that a user's own input can raise."""


class InputError(ValueError):
    """Input that cannot be used; its message is one sentence: which file or value, what was expected, what came.

    The command line and the recipes print the message alone and exit with 1; any other exception is a bug.
    """
