"""The deployments: one for each flow, on the schedules of the settings."""

from datetime import timedelta

import pytest
import yaml

from core.errors import SettingsError
from core.settings import Settings, load_settings
from flows import runner


async def test_every_deployment_has_a_dotted_entry_point_a_description_and_its_schedule():
    settings = Settings(benchmark_schedule="20s")
    found = {d.name: d for d in await runner.deployments(settings)}
    assert set(found) == {
        *("discover-models", "interview-models", "run-benchmarks", "refresh-all", "prune-history"),
    }
    assert found["run-benchmarks"].entrypoint == "flows.run_benchmarks.run_benchmarks"
    assert all(d.description for d in found.values())
    assert found["run-benchmarks"].schedules[0].schedule.interval == timedelta(seconds=20)
    assert found["refresh-all"].schedules == []


def test_the_file_and_the_settings_agree_on_the_default_schedules():
    entries = yaml.safe_load(runner._FILE.read_text())["deployments"]
    crons = {e["name"]: e["schedules"][0]["cron"] for e in entries if e["schedules"]}
    settings = Settings()
    assert crons == {
        "discover-models": settings.discovery_schedule,
        "interview-models": settings.interview_schedule,
        "run-benchmarks": settings.benchmark_schedule,
        "prune-history": settings.prune_schedule,
    }


def test_off_means_no_schedule():
    assert runner.schedule_of("off") == {}
    assert runner.schedule_of("0 3 * * *") == {"cron": "0 3 * * *"}


@pytest.mark.parametrize("text", ["often", "* * *", "0", "1 2 3 4 %"])
def test_a_wrong_schedule_stops_the_start(text):
    with pytest.raises(SettingsError, match="BENCHMARK_SCHEDULE is"):
        load_settings({"BENCHMARK_SCHEDULE": text})
