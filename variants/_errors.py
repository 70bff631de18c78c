"""The one exception that means "the user can mend this"."""


class OptbuildError(Exception):
    """What failed and what to do about it, in one line.

    Raised anywhere, turned into a line on stderr and an exit code in one place: `builder.one_line`.
    Anything else that is raised is a bug and keeps its traceback.
    """

    exit_code = 2

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        if exit_code is not None:
            self.exit_code = exit_code
