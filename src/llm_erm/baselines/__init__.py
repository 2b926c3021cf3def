"""Classical learners on the same splits as every other method."""
