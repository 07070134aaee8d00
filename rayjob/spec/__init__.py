"""What the user wrote: frozen models, YAML with line numbers, every problem at once."""
