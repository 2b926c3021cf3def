"""The flags that name a language model, and say how it is called."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from llm_erm.llms.clients import ReasoningEffort, ToolChoice, Verbosity
from llm_erm.llms.providers import Constraint


@dataclass(frozen=True)
class CallOptions:
    """A language model, and how it is called."""

    provider: str | None = None
    """openai (the Responses API, or a server that offers it), chat (any server with a chat
    completions API), anthropic, gemini, vllm, ollama, command (a program of yours), local (a GGUF
    file in this process, free), transformers (a Hugging Face folder in this process), scripted
    (answers from a file) or replay (answers from an earlier run) (default: local, command with
    --command, or scripted with --answers)."""
    model: str | None = None
    """The model's name, or provider:model (default: gpt-5 for openai). For local: a GGUF file
    (default: the embedded SmolLM2-135M-Instruct)."""
    command: str | None = None
    """For command: a program with its arguments, as in 'claude -p'. Each attempt starts it once,
    gives it the prompt on standard input and takes what it prints. In its arguments, {index} is the
    number of the attempt and {seed} a seed of its own. No shell reads it."""
    max_output_tokens: int | None = None
    """Maximum number of generated tokens per attempt, including reasoning (default: 20000; for
    local 64 or 1024, depending on the constraint)."""
    base_url: str | None = None
    """Address of the API (default: for openai and chat OPENAI_BASE_URL, if set; chat has no other,
    the others have their usual one)."""
    temperature: float | None = None
    """Sampling temperature (default: 1 for local, else the model's own default). At 0, all attempts
    with the same prompt are nearly the same."""
    top_p: float | None = None
    """Sample from the likeliest tokens that together have this probability (default: 1 for local,
    else the model's own default)."""
    reasoning_effort: ReasoningEffort | None = None
    """How much a remote model reasons (default: high for openai, else the model's own default)."""
    thinking_level: ReasoningEffort | None = None
    """The same as --reasoning-effort, and goes before it."""
    verbosity: Verbosity | None = None
    """For openai and compatible servers: how long the text of an answer is (default: low for
    openai)."""
    concurrency: int = 5
    """Maximum number of calls to a remote model, or of commands, in flight, for all tasks
    together."""
    timeout: float = 1200.0
    """Maximum duration of a call in seconds; then it counts as a failed attempt and is not
    retried, since it may be billed."""
    retries: int = 4
    """How often to retry a call after status 429, 5xx or a broken connection. The wait is what the
    server asks for, else 1, 2, 4, 8, … seconds (a quarter of that if there is no connection) plus a
    random delay of up to the same length."""
    max_cost_usd: float | None = None
    """Stop before a call that could push the cost of this run above this limit. If the run is
    resumed, earlier calls count. Not counted: what a provider's own tools cost beyond tokens, and
    calls in flight when the process was killed (Ctrl-C is fine)."""
    max_total_tokens: int | None = None
    """For remote models: the same limit for the total of prompt and output tokens."""
    answers: Path | None = None
    """For scripted: a JSON list of texts. Attempt i of every grid point gets the i-th text; later
    attempts get the last one."""
    replay_from: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """For replay: folder of the run whose answers to verify and select from again."""
    threads: int | None = None
    """For local: number of CPU threads (default: all usable cores)."""
    context_tokens: int | None = None
    """For local: maximum number of tokens in the prompt and the samples drawn together (default:
    8192 for the embedded model, 32768 for your own). 100 examples of length 100 take about 12000
    tokens."""


@dataclass(frozen=True)
class ModelOptions(CallOptions):
    """The language model that proposes programs, and its settings."""

    enable_code_interpreter: bool = False
    """For openai, anthropic and gemini: let the model run code in the provider's interpreter."""
    tool_choice: ToolChoice = "auto"
    """Whether the model may use its tool."""
    no_tools: bool = False
    """The same as --tool-choice none."""
    code_tool: Literal["none", "local"] = "none"
    """local: let a remote model run Python on the training examples, in this machine's sandbox."""
    speculative: int = 1
    """Maximum number of calls in flight per task. More than 1 is faster, but may pay for attempts
    that turn out to be unnecessary once an exact program is found."""
    constraint: Constraint | None = None
    """What to ask for, and whether answers must match it. grammar: an expression of the small
    grammar (default for the embedded model). block: one fenced block of Python that matches a
    grammar (default for your own GGUF). free-block: a block that need not match (default for chat,
    vllm, ollama and command). schema: JSON that matches its schema. none: JSON that need not match
    (default for the other remote models). Only local takes them all: chat and vllm take no grammar,
    ollama neither grammar nor block, and the others free-block and none. What must match leaves no
    room for thoughts or a code tool."""
