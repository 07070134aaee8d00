"""The only door to Ray: plan to datasets, pools, governor, run, watch."""
