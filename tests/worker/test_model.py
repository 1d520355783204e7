"""Real models, tiny and random: batches, sampling, what is reported, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.events import FinishReason, Text
from omlx_daemon.core.requests import ChatPrompt, Message, TokenPrompt
from omlx_daemon.wire.messages import WorkerSettings
from tests.worker.bench import ModelBench, ask, failed, finished, text, tokens
from tests.worker.models import CONFIGS, END, write_model

LENGTHS = (3, 40, 7, 300, 21, 90)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> ModelBench:
    return ModelBench(write_model(tmp_path_factory.mktemp("llama")))


def prompts(*lengths: int) -> list[TokenPrompt]:
    return [TokenPrompt(token_ids=tuple((7 * n + k * 13) % 250 for k in range(size))) for n, size in enumerate(lengths)]


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_a_batch_gives_each_the_tokens_it_gets_alone(family: str, tmp_path: Path) -> None:
    bench = ModelBench(write_model(tmp_path, family))
    assert bench.loaded.runner.batches == (family != "llama4")
    requests = [
        ask(f"r{n}", prompt, temperature=0.0, max_tokens=8 + n, ignore_eos=True)
        for n, prompt in enumerate(prompts(*LENGTHS))
    ]
    together = [tokens(events) for events in bench.run(*requests)]
    assert together == [tokens(events) for events in bench.alone(*requests)]
    assert [len(ids) for ids in together] == [8 + n for n in range(len(LENGTHS))]


def test_greedy_tokens_are_those_of_mlx_lm(llama: ModelBench, tmp_path: Path) -> None:
    from mlx_lm import load
    from mlx_lm.generate import generate_step

    model = load(str(write_model(tmp_path)))[0]
    for prompt in prompts(*LENGTHS):
        request = ask("r", prompt, temperature=0.0, max_tokens=12, ignore_eos=True)
        steps = generate_step(mx.array(prompt.token_ids), model, max_tokens=12)
        assert tokens(llama.run(request)[0]) == [int(token) for token, _ in steps]


@pytest.mark.parametrize(
    "sampling",
    [
        {"temperature": 1.0},
        {"temperature": 0.7, "top_p": 0.9},
        {"temperature": 1.3, "top_k": 20, "min_p": 0.05},
        {"temperature": 1.0, "repetition_penalty": 1.3, "presence_penalty": 0.5, "frequency_penalty": 0.5},
    ],
)
def test_seeded_sampling_does_not_depend_on_the_company(llama: ModelBench, sampling: dict[str, Any]) -> None:
    prompt = prompts(5)[0]
    seeded = [ask(f"s{seed}", prompt, seed=seed, max_tokens=12, ignore_eos=True, **sampling) for seed in (1, 2)]
    others = [ask(f"o{n}", other, max_tokens=20) for n, other in enumerate(prompts(30, 9, 4))]
    first, second = (tokens(events) for events in llama.alone(*seeded))
    assert first != second
    assert [tokens(events) for events in llama.run(others[0], *seeded, *others[1:])[1:3]] == [first, second]


def test_unseeded_requests_differ(llama: ModelBench) -> None:
    requests = [ask(f"r{n}", prompts(5)[0], max_tokens=12, ignore_eos=True) for n in range(3)]
    answers = {tuple(tokens(events)) for events in llama.run(*requests)}
    assert len(answers) == 3


def test_logprobs_are_of_the_raw_logits_whatever_the_sampling(llama: ModelBench) -> None:
    prompt = prompts(6)[0]
    plain = ask("plain", prompt, temperature=0.0, logprobs=3, max_tokens=1)
    biased = ask("biased", prompt, temperature=5.0, seed=1, logit_bias={9: 100.0}, logprobs=3, max_tokens=1)
    silent = ask("silent", prompt, temperature=0.0, max_tokens=1)
    one, two, three = (
        next(event for event in events if isinstance(event, Text)) for events in llama.run(plain, biased, silent)
    )
    assert three.logprobs == ()
    best = one.logprobs[0]
    assert [top.logprob for top in best.top] == sorted((top.logprob for top in best.top), reverse=True)
    assert best.chosen == best.top[0]
    assert two.logprobs[0].chosen.token_id == 9
    for ours, theirs in zip(best.top, two.logprobs[0].top, strict=True):
        assert ours.token_id == theirs.token_id
        assert ours.logprob == pytest.approx(theirs.logprob, abs=1e-4)


def test_logprobs_are_those_of_a_forward_pass(llama: ModelBench, tmp_path: Path) -> None:
    from mlx_lm import load

    model = load(str(write_model(tmp_path)))[0]
    prompt = prompts(6)[0]
    events = llama.run(ask("r", prompt, temperature=0.0, logprobs=0, max_tokens=5, ignore_eos=True))[0]
    reported = [entry.chosen for event in events if isinstance(event, Text) for entry in event.logprobs]
    logits = model(mx.array([[*prompt.token_ids, *tokens(events)]]))
    logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    at = len(prompt.token_ids) - 1
    for n, entry in enumerate(reported):
        assert entry.logprob == pytest.approx(logprobs[0, at + n, entry.token_id].item(), abs=1e-3)


def test_logit_bias_forbids_and_forces(llama: ModelBench) -> None:
    free, banned = prompts(6)[0], tokens(llama.run(ask("a", prompts(6)[0], temperature=0.0, max_tokens=1))[0])[0]
    request = ask("b", free, temperature=0.0, max_tokens=5, ignore_eos=True, logit_bias={banned: -100.0})
    assert banned not in tokens(llama.run(request)[0])


def test_presence_and_frequency_penalties_look_at_the_answer_alone(llama: ModelBench) -> None:
    prompt = TokenPrompt(token_ids=tuple(range(250)))
    plain = tokens(llama.run(ask("a", prompt, temperature=0.0, max_tokens=1))[0])
    request = ask("b", prompt, temperature=0.0, presence_penalty=100.0, max_tokens=40, ignore_eos=True)
    penalised = tokens(llama.run(request)[0])
    assert penalised[0] == plain[0], "the prompt's own tokens are not penalised"
    assert len(set(penalised)) == 40, "no token comes twice"
    request = ask("c", prompt, temperature=0.0, frequency_penalty=100.0, max_tokens=40, ignore_eos=True)
    assert len(set(tokens(llama.run(request)[0]))) == 40


def test_repetition_penalty_is_sign_aware_and_covers_the_prompt(llama: ModelBench) -> None:
    prompt = TokenPrompt(token_ids=tuple(range(0, 250, 2)))
    request = ask("r", prompt, temperature=0.0, repetition_penalty=100.0, max_tokens=20, ignore_eos=True)
    answer = tokens(llama.run(request)[0])
    assert not set(answer) & set(prompt.token_ids)
    assert len(set(answer)) == len(answer)


def test_the_models_end_token_ends_an_answer(llama: ModelBench) -> None:
    request = ask("r", prompts(4)[0], logit_bias={END: 100.0}, max_tokens=5)
    events = llama.run(request)[0]
    assert finished(events).reason is FinishReason.STOP
    assert text(events) == ""
    ignoring = ask("i", prompts(4)[0], logit_bias={END: 100.0}, max_tokens=5, ignore_eos=True)
    assert text(llama.run(ignoring)[0]) == "</s>" * 5


def test_text_is_all_tokens_decoded_at_once(llama: ModelBench) -> None:
    for seed in range(4):
        events = llama.run(ask(f"r{seed}", prompts(9)[0], seed=seed, max_tokens=60, ignore_eos=True))[0]
        assert text(events) == llama.loaded.tokenizer.decode(tokens(events))


def test_echo_comes_first(llama: ModelBench) -> None:
    events = llama.run(ask("r", "Hi 世界", temperature=0.0, max_tokens=2, echo=True))[0]
    assert isinstance(events[0], Text)
    assert events[0].text == "Hi 世界"


def test_the_chat_template_is_rendered_and_its_refusal_is_the_callers_error(llama: ModelBench) -> None:
    tokenizer = llama.loaded.tokenizer
    ids = tokenizer.encode_chat(ChatPrompt(messages=(Message(role="user", content="é"),)))
    assert tokenizer.decode(ids) == "<s>user: é</s><s>assistant: "
    for prompt in (
        ChatPrompt(messages=(Message(role="tool", content="x"),)),
        ChatPrompt(messages=(Message(role="user", content="x"),), template_kwargs={"chat_template": "{{ 1 }}"}),
    ):
        with pytest.raises(OmlxError) as caught:
            tokenizer.encode_chat(prompt)
        assert caught.value.code is Code.INVALID_REQUEST


def test_a_failing_sampler_fails_its_own_row(llama: ModelBench, monkeypatch: pytest.MonkeyPatch) -> None:
    from omlx_daemon.worker.backend import sampling

    def broken(*_: object) -> mx.array:
        raise ValueError("broken on purpose")

    neighbour = ask("n", prompts(8)[0], temperature=0.0, max_tokens=10, ignore_eos=True)
    expected = tokens(llama.run(neighbour)[0])
    monkeypatch.setattr(sampling, "draw", broken)
    monkeypatch.setattr(sampling, "adjusted", broken)
    one, two, three = llama.run(
        ask("s", prompts(8)[0], temperature=1.0),
        neighbour,
        ask("p", prompts(5)[0], temperature=0.0, logit_bias={1: 1.0}),
    )
    assert failed(one).error.code is failed(three).error.code is Code.GENERATION_FAILED
    assert tokens(two) == expected


@pytest.mark.parametrize(("bits", "dtype"), [(4, mx.float16), (8, mx.bfloat16), (0, mx.bfloat16)])
def test_on_a_cpu_weights_become_float32_where_they_fit(bits: int, dtype: mx.Dtype, tmp_path: Path) -> None:
    bench = ModelBench(write_model(tmp_path, bits=bits, dtype=dtype))
    assert bench.loaded.ready.weights_dtype == ("float32" if bench.loaded.ready.backend == "cpu" else f"{bits}-bit")
    assert bench.steps[0] == "configuration"
    assert finished(bench.run(ask("r", "hello", temperature=0.0, max_tokens=3))[0])


def test_weights_stay_as_they_are_where_float32_does_not_fit(tmp_path: Path) -> None:
    bench = ModelBench(write_model(tmp_path, bits=4), WorkerSettings(memory_limit_bytes=1))
    assert bench.loaded.ready.weights_dtype == "4-bit"
    assert finished(bench.run(ask("r", "hello", temperature=0.0, max_tokens=3))[0])


def test_the_context_is_the_models_or_the_settings(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    assert ModelBench(folder).loaded.ready.context_tokens == 2048
    assert ModelBench(folder, WorkerSettings(context_limit_tokens=100)).loaded.ready.context_tokens == 100


def test_the_models_sampling_advice_is_its_default(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    (folder / "generation_config.json").write_text(json.dumps({"temperature": 0.6, "top_k": 20, "top_p": "x"}))
    defaults = ModelBench(folder).loaded.facts.defaults
    assert (defaults.temperature, defaults.top_k, defaults.top_p) == (0.6, 20, None)


@pytest.mark.parametrize(("name", "key"), [("config.json", "model_file"), ("tokenizer_config.json", "auto_map")])
def test_a_model_with_code_of_its_own_is_refused(name: str, key: str, tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    document = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(document | {key: "evil.py"}))
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    with pytest.raises(OmlxError) as caught:
        ModelBench(folder)
    assert caught.value.code is Code.UNSUPPORTED_MODEL


@pytest.mark.parametrize("damage", ["missing", "no weights", "torn weights", "bad config", "unknown", "no tokenizer"])
def test_a_folder_that_is_no_model_is_one_clear_error(damage: str, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    weights, config = folder / "model.safetensors", folder / "config.json"
    match damage:
        case "missing":
            folder = tmp_path / "nothing"
        case "no weights":
            weights.unlink()
        case "torn weights":
            weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
        case "bad config":
            config.write_text("{")
        case "unknown":
            config.write_text(json.dumps(json.loads(config.read_text()) | {"model_type": "no_such_thing"}))
        case _:
            (folder / "tokenizer.json").unlink()
    with pytest.raises(OmlxError) as caught:
        ModelBench(folder)
    assert caught.value.code is Code.LOAD_FAILED
    assert "\n" not in caught.value.body.message


@pytest.mark.parametrize(
    "way",
    ["{{ 'args: ' + tool_call['function']['arguments'] }}", "args: {{ tool_call.function.arguments | tojson }}"],
)
def test_a_template_gets_a_calls_arguments_as_it_takes_them(tmp_path: Path, way: str) -> None:
    folder = write_model(tmp_path / "m")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    loop = "{% for tool_call in m.tool_calls or [] %}" + way + "{% endfor %}"
    settings["chat_template"] = "{% for m in messages %}{{ m.content }}" + loop + "{% endfor %}"
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer = ModelBench(folder).loaded.tokenizer
    call: dict[str, object] = {"id": "c", "function": {"name": "f", "arguments": '{"a": 1}'}}
    prompt = ChatPrompt(messages=(Message(role="user", content="x"), Message(role="assistant", tool_calls=(call,))))
    assert tokenizer.decode(tokenizer.encode_chat(prompt)) == 'xargs: {"a": 1}'
