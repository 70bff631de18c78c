"""Why a request is not answered as it asks."""


class Refusal(Exception):
    """A request that is answered with an error status.

    `cause`: what stood in the way of a good one, in a word, for who counts them.
    `ends`: the connection ends with it, because nobody is going to read what is still on its way.
    """

    def __init__(self, status: int, reason: str, cause: str = "", *, ends: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.cause = cause
        self.ends = ends
