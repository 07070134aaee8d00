"""The only door to LiteLLM: client, retry, limits, ledger, offline and scripted models."""
