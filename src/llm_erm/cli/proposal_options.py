"""The flags of `llm-erm fit` for a language model that proposes rules."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import tyro

from llm_erm.cli.model_options import CallOptions
from llm_erm.errors import InputError


@dataclass(frozen=True)
class ProposalOptions(CallOptions):
    """The language model that proposes rules, if any, and what it is shown."""

    provider: str | None = None
    """Let a language model propose rules too: openai (the Responses API, or a server that offers
    it), chat (any server with a chat completions API), anthropic, gemini, vllm, ollama, command (a
    program of yours), local (a GGUF file, in this process), scripted (answers from a file) or
    replay (answers from an earlier command). Without it, --model and --command, nothing leaves this
    machine."""
    model: str | None = None
    """The model's name, or provider:model; replay:FOLDER for the answers in a folder. For local: a
    GGUF file."""
    attempts: int | None = None
    """Rules that the model proposes per prompt (default: 5); there is a prompt for each part that
    is learned from while another is checked on, and one for all rows."""
    max_output_tokens: int | None = None
    """Maximum number of generated tokens per proposal, including reasoning (default: 20000; for
    local 1024)."""
    context_tokens: int | None = None
    """For local: maximum number of tokens in the prompt and the proposals drawn together (default:
    32768)."""
    describe: Path | None = None
    """File of what columns are, for the model: a line for each, as in `age: in years`."""
    blind: bool = False
    """Show the model x0, c00 and y0 in place of the names of columns, categories and classes."""
    answers: Path | None = None
    """For scripted: a JSON list of texts. Proposal i of each part gets the i-th text; later ones
    get the last one."""
    replay_from: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """For replay: folder of the answers."""
    out_dir: Path | None = None
    """Folder for the model's answers (default: answers/fit-<digest of the settings>)."""
    dry_run: bool = False
    """Print each prompt and what the calls could cost, without calling a model."""
    fresh: bool = False
    """Ask again for what an earlier command left in the folder, and delete it."""

    @property
    def asks(self) -> bool:
        """Whether a model is named.

        Raises:
            InputError: None is, but flags are given that only it would use.
        """
        if (self.provider, self.model, self.command, self.answers, self.replay_from) != (None,) * 5:
            return True
        idle = [
            f"--{one.name.replace('_', '-')}"
            for one in fields(ProposalOptions)
            if getattr(self, one.name) != one.default
        ]
        if idle:
            raise InputError(
                f"{' and '.join(idle)} would have no effect, since no language model is asked; "
                "name one with --model, or omit what it would use."
            )
        return False
