import json
from pathlib import Path

import pytest

from core.errors import SettingsError
from core.providers_file import known_providers, load_providers, parse_providers
from core.settings import duration_s, load_settings

FOUNDRY = [
    {"name": "local", "base_url": "http://localhost:11434/", "timeout": "5m", "models": []},
    {
        "name": "az",
        "base_url": "https://x.services.ai.azure.com",
        "api_key_env": "",
        "model_configs": [
            {"name": "phi", "chat_path": "/models/chat/completions?v=1", "api_key_env": "PHI_KEY"},
            {"name": "claude", "type": "anthropic", "base_url": "https://x/anthropic"},
        ],
    },
]


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("2m", 120), ("1h30m", 5400), ("7", 7)])
def test_durations_read_as_go_writes_them(text, seconds):
    assert duration_s(text) == seconds


def test_empty_variables_count_as_unset():
    assert load_settings({"PORT": "", "BENCHMARK_JUDGE_MODEL": ""}).port == 8080


@pytest.mark.parametrize(
    ("key", "value"), [("PORT", "x"), ("SELECTION_CACHE_TTL", "soon"), ("EXPOSE_MODELS", "none")]
)
def test_a_wrong_value_names_key_value_and_what_is_allowed(key, value):
    with pytest.raises(SettingsError, match=rf"{key} is '{value}'; allowed: \S"):
        load_settings({key: value})


def test_a_secret_never_stands_in_an_error_or_a_repr():
    with pytest.raises(SettingsError) as caught:
        load_settings({"DATABASE_URL": "mysql://u:hunter2@h/db"})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(load_settings({"ADMIN_API_KEY": "hunter2"}))


def test_a_models_own_config_overrides_its_provider():
    providers = parse_providers(FOUNDRY, {"PHI_KEY": "k1"})
    phi, claude = providers.for_model("az", "phi"), providers.for_model("az", "claude")
    assert (phi.api_key, phi.chat_path) == ("k1", "/models/chat/completions?v=1")
    assert (claude.type, claude.base_url, claude.api_key) == (
        "anthropic",
        "https://x/anthropic",
        "",
    )
    assert providers.for_model("local", "any").base_url == "http://localhost:11434"


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "a", "base_url": "ftp://x"},
        {"name": "a", "base_url": "http://x", "type": "soap"},
        {"name": "a", "base_url": "http://x", "timeout": "later"},
        {"name": "a/b", "base_url": "http://x"},
        {"base_url": "http://x"},
        "openai",
    ],
)
def test_a_wrong_provider_is_named(entry):
    with pytest.raises(SettingsError, match=r"providers\.json"):
        parse_providers([entry], {})


def test_two_providers_of_one_name_are_refused():
    entry = {"name": "a", "base_url": "http://x"}
    with pytest.raises(SettingsError, match="two providers"):
        parse_providers([entry, entry], {})


def test_the_file_is_read_and_its_absence_is_not_an_error(tmp_path: Path):
    path = tmp_path / "p.json"
    settings = load_settings({"PROVIDERS_FILE": str(path)})
    assert load_providers(settings, {}) is None
    path.write_text(json.dumps(FOUNDRY))
    assert [p.name for p in load_providers(settings, {})] == ["local", "az"]


def test_zero_configuration_finds_keys_and_servers():
    found = known_providers({"OPENAI_API_KEY": "k"}, {"ollama": "http://127.0.0.1:11434"})
    assert [p.name for p in found] == ["openai", "ollama"]


@pytest.mark.parametrize(
    "text", ["0 3 * * *", "*/15 8-18 1,15 jan-jun mon-fri", "30 4 * * 7", "24h", "off"]
)
def test_a_schedule_that_can_be(text):
    assert load_settings({"BENCHMARK_SCHEDULE": text}).benchmark_schedule == text


@pytest.mark.parametrize(
    "text", ["99 99 * * *", "a b c d e", "* * 0 * *", "*/0 * * * *", "5-1 * * * *", "1--2 * * * *"]
)
def test_a_schedule_that_cannot_be(text):
    with pytest.raises(SettingsError, match="BENCHMARK_SCHEDULE"):
        load_settings({"BENCHMARK_SCHEDULE": text})
