"""A scenario becomes a locustfile whose one user drives an open loop.

Locust gives the command line, the web UI and the statistics; who sends when is decided by the
schedule alone, not by the number of users. Response times that Locust shows run from the planned
send time. A test ends by itself when its schedule is played and answered.
"""

import argparse

from locust import User, events, task
from locust.exception import StopUser

from loadtests._bridge import Bridge, leave
from loadtests._options import add_options
from loadtests._orphan import die_with_parent
from loadtests._scenario import Scenario

_scenarios: list[Scenario] = []


def opened_last() -> Scenario:
    """The scenario of the locustfile that was imported last."""
    return _scenarios[-1]


def open_loop(scenario: Scenario) -> type[User]:
    """The Locust user that plays `scenario`; give it a name in the locustfile."""
    _scenarios.append(scenario)
    bridge = Bridge(scenario)

    def add(parser: argparse.ArgumentParser, **_: object) -> None:
        if len(_scenarios) > 1:
            names = ", ".join(scenario.name for scenario in _scenarios)
            leave(f"several scenarios at once ({names}): give one with -f")
        add_options(parser, scenario)

    die_with_parent()
    events.init_command_line_parser.add_listener(add)
    events.init.add_listener(bridge.check)
    events.test_start.add_listener(bridge.start)
    events.spawning_complete.add_listener(bridge.spawned)
    events.test_stopping.add_listener(bridge.stop)
    events.quit.add_listener(bridge.print_summary)

    class Dispatcher(User):  # type: ignore[misc]
        fixed_count = 1  # whatever number of users is asked for

        @task  # type: ignore[untyped-decorator]
        def play(self) -> None:
            bridge.play_as_user()
            raise StopUser

    Dispatcher.__name__ = scenario.name.title().replace("_", "")
    Dispatcher.__doc__ = f"Plays the schedule of {scenario.name}."
    return Dispatcher
