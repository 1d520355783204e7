"""What is set, and what is restarted, never costs the cache: real workers, a random model."""

from __future__ import annotations

import json
import os
import signal

from omlx_cli.contract import routes
from tests.cachewire.driving import ANSWER_TOKENS, Client, story, until

PROMPT = story(600)
STORED = 600 + ANSWER_TOKENS
OPTIONS = {
    "ttl": "2h",
    "aliases": "quick, again",
    "temperature": "0.5",
    "max_tokens": "20",
    "context_limit": "1000",
    "chat_template_kwargs.enable_thinking": "false",
}


def namespaces(client: Client) -> set[str]:
    return {row["namespace"] for row in client.call("GET", routes.CACHE_LIST)["namespaces"]}


def change(client: Client, key: str, value: str) -> None:
    done = client.home.run("config", "set", key, value)
    assert done.returncode == 0, done.stderr


def reload_model(client: Client) -> None:
    assert client.home.run("unload", client.model).returncode == 0
    client.load()


def test_a_models_own_settings_keep_its_cache(client: Client) -> None:
    client.load()
    assert client.ask(PROMPT).computed == 600
    client.await_files(STORED)
    before = namespaces(client)
    for option, value in OPTIONS.items():
        change(client, f"models.{client.model}.{option}", value)
        assert client.ask(PROMPT).computed == 1, option
    assert client.ask(PROMPT, model="quick").computed == 1
    reload_model(client)
    again = client.ask(PROMPT)
    assert (again.computed, again.cold) == (1, 599)
    assert namespaces(client) == before


def test_a_context_limit_counts_from_the_next_load(client: Client) -> None:
    client.load()
    client.ask(PROMPT)
    change(client, f"models.{client.model}.context_limit", "300")
    assert client.ask(PROMPT).computed == 1
    reload_model(client)
    with client.send("POST", routes.COMPLETIONS, {"model": client.model, "prompt": PROMPT}) as response:
        assert (response.status, json.loads(response.read())["error"]["code"]) == (400, "context_length_exceeded")


def test_another_precision_has_its_own_namespace_and_the_way_back_finds_the_old_one(client: Client) -> None:
    client.load()
    client.ask(PROMPT)
    client.await_files(STORED)
    first = namespaces(client)
    change(client, f"models.{client.model}.kv_store_bits", "8")
    reload_model(client)
    assert client.ask(PROMPT).computed == 600
    client.await_files(STORED, STORED)
    assert len(namespaces(client) - first) == 1
    change(client, f"models.{client.model}.kv_store_bits", "16")
    reload_model(client)
    assert client.ask(PROMPT).computed == 1


def test_a_stuck_workers_prefix_is_on_disk_when_it_is_replaced(client: Client) -> None:
    with (client.home.path / "config.toml").open("a") as config:
        config.write('[health]\nstuck_after = "3s"\nrestart_after = "6s"\n')
    client.load()
    body = {"model": client.model, "prompt": PROMPT, "max_tokens": 1400, "stream": True, "ignore_eos": True}
    with client.send("POST", routes.COMPLETIONS, body) as response:
        until(lambda: len(client.files()) >= 2)
        os.kill(client.call("GET", routes.PS)["models"][0]["pid"], signal.SIGSTOP)
        text = response.read().decode()
    assert text.count('"code":"worker_stuck"') == 1
    assert "[DONE]" not in text
    again = client.ask(PROMPT)
    assert again.cold >= 512
