"""The errors that end a command with one sentence: unusable input, and a training run that diverged."""


class InputError(ValueError):
    """Input that cannot be used; one sentence: which file or value, what was expected, what came.

    The command line and the recipes print the message alone and exit with 1; any other exception is a bug.
    What a terminal would take for commands, such as control characters in a file's name, is escaped.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class NonFiniteLossError(RuntimeError):
    """A loss term became infinite or not a number; the message names the term and the step."""


def printable(text: object) -> str:
    """The text of an object with everything escaped that does not print: control characters, stray bytes."""
    shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
