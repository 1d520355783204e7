"""A tiny model that says what it is told to: its weights are a chain of tokens, each a piece of a script."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten, tree_map
from mlx_lm.models import llama
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

END = "<|end|>"
TEMPLATE = (
    "{%- if tools %}<tools>{{ tools | tojson }}</tools>{% endif -%}"
    "{%- for message in messages %}{{ message.role }}: {{ message.reasoning_content }}{{ message.content }}"
    "{%- for tool_call in message.tool_calls or [] %}<tool_call>{{ tool_call.name }}{{ tool_call.function | tojson }}"
    "</tool_call>{% endfor %}<|end|>\n{% endfor -%}"
    "{%- set script = messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list -%}"
    "{%- if not enable_thinking %}<think>\n</think>{% endif %}<|say {{ script[-1] }}|>"
)
"""The last user's turn names the script that the model follows."""


def write_scripted(folder: Path, scripts: Mapping[str, Sequence[str]]) -> Path:
    """Write a model that answers the user's `name` with the pieces of that script, one token each.

    No piece may stand twice in all scripts, since a token tells the next one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokens = _tokenizer(folder, scripts)
    size = len(tokens)
    config: dict[str, Any] = {
        "model_type": "llama",
        "hidden_size": -(-size // 8) * 8,
        "num_hidden_layers": 1,
        "intermediate_size": 16,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "rms_norm_eps": 1e-5,
        "vocab_size": size,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
        "eos_token_id": tokens[END],
    }
    arguments: Any = llama.ModelArgs
    model = llama.Model(arguments.from_dict(config))
    model.update(tree_map(mx.zeros_like, model.parameters()))
    weights: Any = dict(tree_flatten(model.parameters()))
    weights["model.norm.weight"] = mx.ones_like(weights["model.norm.weight"])
    weights["model.embed_tokens.weight"] = mx.eye(size, config["hidden_size"])
    weights["lm_head.weight"] = _chain(tokens, scripts, config["hidden_size"])
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _chain(tokens: Mapping[str, int], scripts: Mapping[str, Sequence[str]], width: int) -> mx.array:
    """Return the output weights by which each token of a script is followed by the next, and any other by the end."""
    follows = dict.fromkeys(range(len(tokens)), tokens[END])
    for name, pieces in scripts.items():
        said = [tokens[f"<|say {name}|>"], *(tokens[piece] for piece in pieces)]
        follows |= dict(pairwise(said))
    rows = [[0.0] * width for _ in tokens]
    for token, following in follows.items():
        rows[following][token] = 10.0
    return mx.array(rows)


def _tokenizer(folder: Path, scripts: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Write a tokenizer of the 256 bytes and every piece; return its vocabulary."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END])
    added = [*(f"<|say {name}|>" for name in scripts), *(piece for script in scripts.values() for piece in script)]
    assert len(set(added)) == len(added), "a piece is said twice"
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in added])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "chat_template": TEMPLATE,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    return vocabulary
