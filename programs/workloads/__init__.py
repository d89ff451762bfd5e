"""What the programs do: each function `show_*` returns a text that is always the same."""
