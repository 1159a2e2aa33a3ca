"""Optuna studies over experiments: every trial is one `outpaint-lightning fit` in processes of its own."""
