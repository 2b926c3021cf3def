"""`llm-erm synthesize` finds the right program in answers of every form."""

import json

from synthesis.answer_forms import FORMS


def test_a_right_program_scores_in_full_in_whatever_form_it_is_answered(invoke, tmp_path):
    """Forms that hold the same program are one attempt and its duplicates."""
    (tmp_path / "answers.json").write_text(json.dumps(list(FORMS.values())))
    done = invoke(
        *("synthesize", "--functions", "fn_a", "--lengths", 20, "--attempts", len(FORMS)),
        *("--train-size", 20, "--val-size", 4, "--test-size", 20, "--no-early-stop"),
        *("--provider", "scripted", "--answers", tmp_path / "answers.json"),
        *("--out-jsonl", tmp_path / "attempts.jsonl"),
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "attempts.jsonl").read_text()
    records = [json.loads(line) for line in text.splitlines()]
    accuracies = {
        name: (record["train_acc"], record["val_acc"], record["error"])
        for name, record in zip(FORMS, records, strict=True)
    }
    assert accuracies == dict.fromkeys(FORMS, (1.0, 1.0, None))
