"""Own data: reads tables, says what their columns are, and hands out arrays; knows no rules."""
