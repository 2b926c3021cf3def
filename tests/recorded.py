"""Answers of the providers' APIs in the form that their public references document.

Every answer reports the same usage: 1,200 prompt tokens, of which 1,024 came from a cache, and 300
output tokens, of which 256 were thought where the provider tells.
"""

import json
from typing import Any

Body = dict[str, Any]


def chat(content: str | None, finish_reason: str = "stop", **message: Any) -> Body:
    """https://platform.openai.com/docs/api-reference/chat/object"""
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1_741_569_952,
        "model": "gpt-5",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": None} | message,
                "logprobs": None,
                "finish_reason": finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": 1200,
            "completion_tokens": 300,
            "total_tokens": 1500,
            "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 256,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
    }


def chat_call(name: str, arguments: Body, number: int = 1) -> Body:
    call = {"id": f"call_{number}", "type": "function"}
    call |= {"function": {"name": name, "arguments": json.dumps(arguments)}}
    return chat(None, "tool_calls", tool_calls=[call])


def anthropic(*content: Body, stop_reason: str = "end_turn") -> Body:
    """https://docs.anthropic.com/en/api/messages"""
    return {
        "id": "msg_013Zva2CMHLNnXjNJJKqJ2EF",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-6",
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 176,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 1024,
            "output_tokens": 300,
        },
    }


def gemini(*parts: Body, finish_reason: str = "STOP") -> Body:
    """https://ai.google.dev/api/generate-content"""
    return {
        "candidates": [
            {
                "content": {"parts": list(parts), "role": "model"},
                "finishReason": finish_reason,
                "index": 0,
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 1200,
            "cachedContentTokenCount": 1024,
            "candidatesTokenCount": 44,
            "thoughtsTokenCount": 256,
            "totalTokenCount": 1500,
        },
        "modelVersion": "gemini-2.5-pro",
        "responseId": "mAitaLmkHPPlz7IPvtfUqQ4",
    }


def anthropic_error(kind: str, message: str) -> Body:
    """https://docs.anthropic.com/en/api/errors"""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011C"}


def gemini_error(code: int, status: str, message: str, *details: Body) -> Body:
    """https://ai.google.dev/gemini-api/docs/troubleshooting"""
    error = {"code": code, "message": message, "status": status, "details": list(details)}
    return {"error": error}
