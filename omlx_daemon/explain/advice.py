"""Each cause in a sentence, and what to do about it."""

from __future__ import annotations

from omlx_cli.contract.misses import MissCause

MEANINGS = {
    MissCause.NONE: "everything that earlier prompts share with this one was reused",
    MissCause.NEW_PROMPT: "nothing that begins like this was asked before",
    MissCause.HEADER: "a header line in the prompt differs from the one before",
    MissCause.COUNTER: "a counter, a date or a time in the prompt differs from the one before",
    MissCause.SYSTEM_HOISTED: "the system text at the top took in what belongs to the middle of the conversation",
    MissCause.TOOLS_REORDERED: "the same tools came in another order or spelling",
    MissCause.TOOLS_CHANGED: "the tools are not the ones before",
    MissCause.REASONING_STRIPPED: "reasoning of an earlier answer is gone from the history",
    MissCause.HISTORY_CHANGED: "something that was said before reads otherwise now",
    MissCause.TEMPLATE_CHANGED: "the model's files changed since this was stored, so nothing of it may be used",
    MissCause.EVICTED: "it was stored and made room for something else",
    MissCause.PRUNED: "it was stored and has been removed",
    MissCause.NOT_COMMITTED: "the request that computes it was still at work and had not stored it",
    MissCause.NOT_STORED: "the request that computed it stored nothing, or there was no room for it",
    MissCause.BELOW_GATE: "reading it from the SSD would have taken longer than computing it",
    MissCause.NO_CHECKPOINT: "this model can be resumed at chosen places alone, and none lay near enough",
    MissCause.DAMAGED: "a stored block was damaged or missing",
    MissCause.OFF: "prefixes of this model are not cached",
}
ADVICE = {
    MissCause.HEADER: "have the client leave the header out (Claude Code: CLAUDE_CODE_ATTRIBUTION_HEADER=0), or switch "
    "prompts.attribution_header on; omlx doctor agents  lists the rules",
    MissCause.COUNTER: "have the client leave it out or put it at the end of the prompt; prompts.token_counter drops "
    "counters of tokens, prompts.clock times of day",
    MissCause.SYSTEM_HOISTED: "have the client, or the proxy before omlx, leave system messages where they are: omlx "
    "keeps them in place",
    MissCause.TOOLS_REORDERED: "switch prompts.tools_order and prompts.tools_json on, or have the client send its "
    "tools in one order",
    MissCause.TOOLS_CHANGED: "have the client declare all its tools from the first turn on",
    MissCause.REASONING_STRIPPED: "have the client send reasoning_content back, and the model's template keep it (such "
    "as chat_template_kwargs.preserve_thinking = true), or switch reasoning off",
    MissCause.HISTORY_CHANGED: "have the client send earlier turns as they were",
    MissCause.TEMPLATE_CHANGED: "nothing: the next turns are cached again; omlx cache prune --incompatible  frees the "
    "old blocks",
    MissCause.EVICTED: "raise cache.cold_max_size or cache.hot_max_size, or keep the prefix: omlx cache pin",
    MissCause.PRUNED: "omlx cache pin  keeps a prefix from being removed",
    MissCause.NOT_COMMITTED: "send the next turn when the answer before it has ended",
    MissCause.NOT_STORED: "leave cache_store on; omlx cache stats  tells what was refused",
    MissCause.BELOW_GATE: "nothing, or a faster disk; a larger cache.hot_max_size keeps more in RAM",
    MissCause.NO_CHECKPOINT: "nothing: later turns have checkpoints of their own",
    MissCause.DAMAGED: "omlx cache verify  checks what else is damaged",
    MissCause.OFF: "omlx cache stats  says why",
}
