"""The two ways to say no: an answer with a code, and an error that hides its code."""


class Refusal(Exception):
    """The command looked and says no; `error.code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class ThrownError(Exception):
    """The command broke off: its code is CLI_ERROR, the text has the real one."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
