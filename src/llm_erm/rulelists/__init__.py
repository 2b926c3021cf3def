"""Rules for tables: rule lists, the best of each size, found and proved by branch and bound."""
