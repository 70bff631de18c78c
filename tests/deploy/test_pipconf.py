from pathlib import Path

import pytest

from deploy.pipconf import of_host, parse, translate


def test_the_environment_beats_files_and_other_commands_settings_are_not_ours() -> None:
    listing = (
        ":env:.index-url='https://env.test/simple'\n"
        "global.index-url='https://file.test/simple'\n"
        "global.timeout='60'\n"
        "install.timeout='90'\n"
        "freeze.timeout='1'\n"
        "\n"
    )
    assert parse(listing) == {"index-url": "https://env.test/simple", "timeout": "90"}


def test_addresses_are_kept_folders_travel_and_local_indexes_are_named(tmp_path: Path) -> None:
    certificate = tmp_path / "ca.pem"
    certificate.touch()
    conf = translate(
        {
            "index-url": "https://index.test/simple",
            "extra-index-url": "file:///srv/simple https://extra.test/simple",
            "find-links": f"{tmp_path} https://links.test/wheels /nowhere/at/all",
            "trusted-host": "index.test",
            "cert": str(certificate),
            "cache-dir": "/home/me/cache",
        }
    )
    assert conf.text == (
        "[global]\n"
        "index-url =\n    https://index.test/simple\n"
        "extra-index-url =\n    https://extra.test/simple\n"
        "find-links =\n    https://links.test/wheels\n"
        "trusted-host =\n    index.test\n"
    )
    assert conf.folders == (tmp_path,)
    assert conf.unseen == ("file:///srv/simple", "/nowhere/at/all")
    assert conf.ca_bundle == certificate


def test_no_configuration_is_one_too() -> None:
    conf = translate({"cert": "/nowhere.pem"})
    assert (conf.text, conf.folders, conf.unseen, conf.ca_bundle) == ("[global]\n", (), (), None)


def test_this_machines_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_RETRIES", "7")
    assert "retries =\n    7\n" in of_host().text
