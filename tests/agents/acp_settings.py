"""What points each real agent that speaks the Agent Client Protocol at the fake model server."""

from __future__ import annotations

import json

MODEL = "fake-model"
KEY = "of-no-use"


def env_of(profile: str, url: str) -> dict[str, str]:
    """The variables that the agent of this profile is given."""
    return {
        "claude-agent-acp": claude_env,
        "codex-acp": _codex,
        "copilot": _copilot,
        "gemini": _gemini,
        "kimi": _kimi,
        "opencode": _opencode,
        "qwen": _qwen,
    }[profile](url)


def claude_env(url: str) -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": KEY, "CLAUDE_CODE_MAX_RETRIES": "1"}


def _codex(url: str) -> dict[str, str]:
    provider = {"name": "fake", "base_url": f"{url}/v1", "env_key": "OPENAI_API_KEY", "wire_api": "responses"}
    tries = {"request_max_retries": 1, "stream_max_retries": 1}
    config = {
        "allow_login_shell": False,
        "model": MODEL,
        "model_provider": "fake",
        "model_providers": {"fake": {**provider, **tries}},
    }
    return {"OPENAI_API_KEY": KEY, "CODEX_CONFIG": json.dumps(config)}


def _copilot(url: str) -> dict[str, str]:
    provider = {"TYPE": "openai", "BASE_URL": f"{url}/v1", "API_KEY": KEY}
    return {"COPILOT_MODEL": MODEL, **{f"COPILOT_PROVIDER_{name}": value for name, value in provider.items()}}


def _gemini(url: str) -> dict[str, str]:
    return {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": url, "GEMINI_MODEL": "gemini-2.5-flash"}


def _kimi(url: str) -> dict[str, str]:
    model = {"NAME": MODEL, "PROVIDER_TYPE": "openai", "BASE_URL": f"{url}/v1", "API_KEY": KEY}
    return {f"KIMI_MODEL_{name}": value for name, value in model.items()}


def _opencode(url: str) -> dict[str, str]:
    model = {"name": "fake", "cost": {"input": 3, "output": 15}, "limit": {"context": 200_000, "output": 8192}}
    options = {"baseURL": f"{url}/v1", "apiKey": KEY}
    provider = {"npm": "@ai-sdk/anthropic", "name": "fake", "options": options, "models": {MODEL: model}}
    config = {"provider": {"fake": provider}, "model": f"fake/{MODEL}", "small_model": f"fake/{MODEL}"}
    return {"OPENCODE_CONFIG_CONTENT": json.dumps(config)}


def _qwen(url: str) -> dict[str, str]:
    return {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": KEY, "OPENAI_MODEL": MODEL}
