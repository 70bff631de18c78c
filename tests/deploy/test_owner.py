import subprocess
import sys

from deploy.owner import is_gone, owner

SAY = "from deploy.owner import owner; print(owner())"


def test_a_living_process_is_not_gone() -> None:
    assert not is_gone(owner())


def test_a_process_that_has_ended_is_gone() -> None:
    said = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, check=True)
    assert is_gone(said.stdout.strip())


def test_another_process_with_the_same_id_is_not_the_owner() -> None:
    host, boot, process, started = owner().split("/")
    assert is_gone("/".join([host, boot, process, f"{started}1"]))
    assert is_gone("/".join([host, "another-boot", process, started]))


def test_other_machines_are_not_ours_to_judge() -> None:
    assert not is_gone("elsewhere/boot/1/1")
