"""What the Kubernetes API refuses, as a line that says what to do."""

import json
from typing import Any

from variants._errors import OptbuildError

NO_ANSWER = 0
_PASSING = (NO_ANSWER, 429, 500, 502, 503, 504)


class ApiError(OptbuildError):
    """A refusal, or no answer at all (`status` 0)."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, exit_code=1 if status in (NO_ANSWER, 409, 422, 500) else 2)
        self.status = status

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.status in _PASSING


def no_answer(host: str, reason: object) -> ApiError:
    """For a connection that could not be made or broke."""
    return ApiError(
        f"the Kubernetes API at {host} does not answer ({_short(str(reason))}): start the cluster "
        "(K3s: sudo systemctl start k3s), or choose another --kubeconfig or --context",
        NO_ANSWER,
    )


def refusal(status: int, body: bytes, what: str, namespace: str) -> ApiError:
    """For an answer that is not 2xx; `what` is what was tried, as in `patch deployments`."""
    content = _status_object(body)
    message = _short(content.get("message") or body.decode(errors="replace") or f"HTTP {status}")
    return ApiError(_line(status, content, message, what, namespace), status)


def _line(status: int, content: dict[str, Any], message: str, what: str, namespace: str) -> str:
    details = content.get("details") or {}
    causes = [cause.get("reason") for cause in details.get("causes") or []]
    if "NamespaceTerminating" in causes or "being terminated" in message:
        return (
            f"namespace '{namespace}' is being deleted: wait until it is gone, "
            "or choose another --namespace"
        )
    if "exceeded quota" in message:
        return f"{message}: {QUOTA_REMEDY}"
    if status == 401:
        return "the cluster does not accept these credentials: renew them, or choose --context"
    if status == 403:
        return (
            f"no permission to {what} in namespace '{namespace}': ask for the role that "
            f"deploy/README.md lists, or choose another --namespace or --context"
        )
    if status == 404 and details.get("kind") == "namespaces":
        return (
            f"there is no namespace '{namespace}': kubectl create namespace {namespace}, "
            "or choose another --namespace"
        )
    if status == 409:
        return f"somebody else is changing the same thing ({message}): run it again"
    return f"the cluster refuses to {what}: {message}"


QUOTA_REMEDY = "ask for fewer replicas or lower limits, or have the quota raised"


def _status_object(body: bytes) -> dict[str, Any]:
    """The API's Status object; {} if something before the API answered, such as a proxy."""
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _short(text: str, most: int = 400) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 3]}..."
