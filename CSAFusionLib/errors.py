"""The errors a user can cause or ask for; each message is one sentence fit to be shown as it is."""


class CSAFusionError(Exception):
    """Base of every error whose message is written for the user."""


class InputError(CSAFusionError, ValueError):
    """An input or a setting cannot be used; the message names it, says what is wrong and what to do."""


class NotEnoughMemory(InputError):
    """The machine cannot hold what was asked for; the message says how much is needed and what to do."""


class RegistrationError(CSAFusionError, RuntimeError):
    """A registration engine failed or is not installed; the message says which and what to do."""


class Cancelled(CSAFusionError):
    """The user asked to stop. Raised by a progress callback and left to unwind to whoever started the job."""

    def __init__(self, message: str = "Cancelled.") -> None:
        super().__init__(message)


class Interrupted(Cancelled):
    """The user asked to stop a job of many parts; the message says what of it is done and how to go on."""
