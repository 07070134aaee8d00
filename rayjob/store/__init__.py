"""The only door to files and S3: addresses, formats, the run folder."""
