"""What every search over programs shares: verification, selection, and the bound on the result."""
