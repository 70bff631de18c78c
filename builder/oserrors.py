"""Errors of the operating system that a user can mend, in a line."""

import errno

_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space and run it again",
    errno.EDQUOT: "the disk quota is used up: free some space and run it again",
    errno.EACCES: "no permission: set OPTBUILD_CACHE and BENTOML_HOME to folders of your own",
    errno.ENOTDIR: "a file where a folder should be: check OPTBUILD_CACHE and BENTOML_HOME",
    errno.EROFS: "read-only: set OPTBUILD_CACHE and BENTOML_HOME to folders that can be written",
}


def explain(error: OSError) -> str | None:
    """What happened where and what to do about it; None if it is not the user's to mend."""
    remedy = _REMEDIES.get(error.errno or 0)
    if remedy is None:
        return None
    return f"{error.filename}: {remedy}" if error.filename else remedy
