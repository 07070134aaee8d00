"""The only door to LiteLLM: client, retry, limits, ledger and the offline model."""
