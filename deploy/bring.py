"""A container image from this machine into the cluster, without a registry or through one."""

import shutil
import subprocess
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from deploy.apierrors import ApiError
from deploy.cluster import Cluster
from variants._errors import OptbuildError

Say = Callable[[str], None]
Save = Callable[[str], Iterable[bytes]]  # an image's name to the chunks of its tar archive
LOCAL = ("127.0.0.1", "localhost", "::1")


def bring(image: str, cluster: Cluster, save: Save, say: Say) -> None:
    """Import an image into the K3s of this machine, unless it is there.

    Does nothing where the cluster's nodes are elsewhere (they pull it) or share the docker engine
    that has built it. Raises OptbuildError if the import fails.
    """
    if urlsplit(cluster.host).hostname not in LOCAL or shutil.which("k3s") is None:
        return
    if _runtime(cluster).startswith("docker:"):
        return
    if _full_name(image) in _ctr("ls", "--quiet").split():
        return
    say(f"importing {image} into K3s")
    _import(save(image))


def _runtime(cluster: Cluster) -> str:
    """What runs the nodes' containers, as in `containerd://2.0.5-k3s1`; "" if we may not ask."""
    try:
        nodes = cluster.select("Node")
    except ApiError:
        return ""
    return str(nodes[0]["status"]["nodeInfo"]["containerRuntimeVersion"]) if nodes else ""


def _full_name(image: str) -> str:
    """The name that containerd keeps: short ones are docker.io's."""
    first = image.partition("/")[0]
    if "/" not in image:
        return f"docker.io/library/{image}"
    return image if "." in first or ":" in first or first == "localhost" else f"docker.io/{image}"


def _ctr(*arguments: str) -> str:
    done = subprocess.run(
        ["k3s", "ctr", "--namespace", "k8s.io", "images", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise _failed(done.stderr)
    return done.stdout


def _import(archive: Iterable[bytes]) -> None:
    command = ["k3s", "ctr", "--namespace", "k8s.io", "images", "import", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as importer:
        assert importer.stdin is not None and importer.stderr is not None
        try:
            try:
                for chunk in archive:
                    importer.stdin.write(chunk)
                importer.stdin.close()
            except BrokenPipeError:
                pass  # it says on stderr why it has stopped reading
            errors = importer.stderr.read().decode(errors="replace")
        except BaseException:
            importer.kill()
            raise
    if importer.returncode != 0:
        raise _failed(errors)


def _failed(errors: str) -> OptbuildError:
    last = (errors.strip().splitlines() or ["it said nothing"])[-1]
    remedy = "run optbuild with sudo, or push it with --registry"
    if "no space left" in last:
        remedy = "free some space: k3s crictl rmi --prune"
    return OptbuildError(f"k3s ctr cannot import the image ({last}): {remedy}", exit_code=1)
