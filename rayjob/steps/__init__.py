"""The pipeline: one file a step. Imports neither ray nor files."""
