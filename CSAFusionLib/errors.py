"""Errors that are shown to the user; each message is one sentence that needs no further wording."""


class CSAFusionError(Exception):
    """Base of every error whose message is written for the user."""


class InputError(CSAFusionError, ValueError):
    """An input or a setting cannot be used; the message names it, says what is wrong and what to do."""


class NotEnoughMemory(InputError):
    """The machine lacks the memory for the job; the message says how much is needed and what to do."""


class RegistrationError(CSAFusionError, RuntimeError):
    """A registration engine failed or is not installed; the message says which and what to do."""


class Cancelled(CSAFusionError):
    """The user cancelled the job. A progress callback raises it; the code that started the job catches it."""

    def __init__(self, message: str = "Cancelled.") -> None:
        super().__init__(message)


class Interrupted(Cancelled):
    """The user stopped a job of many parts; the message says how much is done and how to resume."""
