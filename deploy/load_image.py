"""An image that generates load: Locust, the scenarios and the way its results come back."""

import hashlib
import json
import tempfile
from pathlib import Path

from docker import DockerClient

import loadtests
from deploy import context, lock, recipe
from deploy.engine_build import Say, build, exists
from deploy.image import Options, find_base, installation
from deploy.manifests.render import UID

REQUIREMENTS = ("locust", "numpy", "pyarrow", "scipy")  # of what is copied
ROOT = Path(next(iter(loadtests.__path__))).parent
CODE = (
    *("loadtests/*.py", "analysis/*.py", "variants/_errors.py"),
    *("deploy/generate.py", "deploy/parcel.py"),
)
TEMPLATES = ("load.j2", "venv.j2", "prune.py")


def load_image(client: DockerClient, options: Options, say: Say) -> str:
    """Its name, built unless the engine has it: equal code and libraries give an equal name.

    Raises OptbuildError with the engine's last lines if it cannot be built.
    """
    base_id = find_base(client, options.base, say)
    pins = lock.pinned(REQUIREMENTS)
    code = {
        f"code/{path.relative_to(ROOT).as_posix()}": path
        for pattern in CODE
        for path in sorted(ROOT.glob(pattern))
    }
    contents = [*code.values(), *(recipe.FOLDER / name for name in TEMPLATES)]
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in contents]
    what = json.dumps([base_id, dict(pins), list(code), digests]).encode()
    reference = f"optbuild/load:{hashlib.sha256(what).hexdigest()[:16]}"
    if exists(client, reference):
        return reference
    install = installation(pins, options)
    texts, files = install.files(REQUIREMENTS)
    values = {"base": options.base, "ca_bundle": "build/ca-bundle.pem" in files, "uid": UID}
    texts["Dockerfile"] = recipe.render("load.j2", values)
    with tempfile.TemporaryFile() as archive:
        context.write(archive, texts, {**files, **code})
        archive.seek(0)
        build(client, archive, reference, {}, options.network, say, install.pip.unseen)
    return reference
