"""Training: a transformer as a binary classifier, from scratch or fine-tuned; the third track."""
