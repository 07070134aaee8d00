"""The only door to Ray: plan to datasets, pools, governor, run, watch."""

import os

#: Read by Ray Data when it is imported.
BEFORE_IMPORT = {
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or every import of litellm asks the network for prices
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

for _name, _value in BEFORE_IMPORT.items():
    os.environ.setdefault(_name, _value)
