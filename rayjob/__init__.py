"""rayjob labels LLM training conversations from one YAML spec, as one Ray Data job."""

__version__ = "0.1.0"
